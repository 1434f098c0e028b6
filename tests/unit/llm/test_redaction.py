"""No secret of a connection is in what is kept of an answer or an error."""

from __future__ import annotations

import base64
import html
import json
from dataclasses import replace
from urllib.parse import quote

import pytest

from daydreaming.llm.answer import Answer
from daydreaming.llm.redaction import forms_of, forms_of_keys, hide, hide_in_answer, hide_in_excerpt

KEY = "sk-or/v1+0f8e2d71c6&aé"
ANSWER = Answer("An essay.", "prov/m", "Upstream", "gen-1", "stop", 1, 2, None)


def in_base64(before: str, after: str, encode=base64.b64encode) -> str:
    return encode(f"{before}{KEY}{after}".encode()).decode()


@pytest.mark.parametrize(
    "written",
    [
        KEY,
        f"Bearer {KEY}.",
        quote(KEY, safe=""),
        json.dumps(KEY),
        json.dumps(KEY).replace("/", "\\/"),
        html.escape(KEY),
        KEY.encode().hex(),
        *(in_base64(before, after) for before in ("", "a", "me:") for after in ("", "z", ":z")),
        in_base64("Bearer ", "", base64.urlsafe_b64encode),
    ],
)
def test_a_secret_is_hidden_however_it_is_written(written):
    hidden = hide(f"Wrong key: {written}", forms_of([KEY]))
    assert hidden.startswith("Wrong key: ")
    assert "***" in hidden
    assert KEY not in hidden
    # What base64 leaves of it besides are the bytes that it shares with what stands around.
    assert not [form for form in forms_of([KEY]) if form in hidden]


def test_nothing_else_is_changed():
    text = "An essay on keys, sk-or and *** alike."
    assert hide(text, forms_of([KEY])) == text
    assert hide_in_answer(ANSWER, forms_of_keys([KEY])) == ANSWER


@pytest.mark.parametrize("length", [4, 9, len(KEY) - 1])
def test_an_excerpt_may_end_within_the_secret(length):
    assert hide_in_excerpt(f"No: {KEY[:length]}…", forms_of([KEY])) == "No: ***…"
    assert hide_in_excerpt(f"No: {KEY[:length]}", forms_of([KEY])) == f"No: {KEY[:length]}"


@pytest.mark.parametrize(
    "field", ["text", "model_returned", "upstream_provider", "response_id", "finish_reason"]
)
def test_an_answer_that_holds_it_anywhere_says_so(field):
    found = hide_in_answer(replace(ANSWER, **{field: f"It is {KEY}!"}), forms_of_keys([KEY]))
    assert found == replace(ANSWER, **{field: "It is ***!"}, is_redacted=True)


@pytest.mark.parametrize("placeholder", ["", "x", "local", "not-needed", "none", "12345678", "2026-10-19"])
def test_a_word_or_a_number_that_stands_for_no_key_is_left_in_answers(placeholder):
    text = f"The model is {placeholder} in 2026-10-19, as 12345678 say."
    assert hide(text, forms_of_keys([placeholder])) == text


@pytest.mark.parametrize("key", ["token-abc123", "correct-horse-battery-staple", "sk-0f8e2d71c6"])
def test_what_looks_like_a_key_is_taken_out_of_answers(key):
    assert hide(f"It is {key}.", forms_of_keys([key])) == "It is ***."


def test_a_secret_within_another_leaves_no_part_of_the_longer():
    assert hide("a-key-1234-more", forms_of(["a-key-1234", "a-key-1234-more"])) == "***"
