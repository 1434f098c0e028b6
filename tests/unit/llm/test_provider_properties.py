"""Anything that a provider can send: an answer that can be stored, or one of our errors in one line."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daydreaming.errors import LLMError
from daydreaming.llm.answer import read_completion
from daydreaming.llm.batch_result import read_batch_result
from daydreaming.llm.rate_headers import headers_in_body
from tests.fuzz.answers import BATCH_SEEDS, REPLY, REPLY_SEEDS, run_answer, run_batch

QUICK = settings(max_examples=200, deadline=None)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.just(10**4000)
    | st.text(max_size=6)
    | st.sampled_from(
        ["a\rb\nc", "\0", "\ud800", "length", "error", "content_filter", "expired", "x" * 5_000]
    )
)
VALUES = st.recursive(LEAVES, lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(), v, max_size=2))
REPLY_PLACES = ("id", "model", "provider", "choices", "usage", "error", "finish_reason", "message", "content")
REPLY_PLACES += ("prompt_tokens", "completion_tokens", "cost")
ROW_PLACES = ("custom_id", "status", "output", "raw_output", "error", "model", "usage", "finish_reason")
ROW_PLACES += ("input_tokens", "output_tokens", "message", "provider_code")


def with_value(found, name, value):
    """The same JSON with one value, wherever it stands, in the place of another."""
    if isinstance(found, dict):
        return {key: value if key == name else with_value(item, name, value) for key, item in found.items()}
    return [with_value(item, name, value) for item in found] if isinstance(found, list) else found


@QUICK
@given(st.integers(0, 7), st.binary(max_size=60) | VALUES.map(lambda value: json.dumps(value).encode()))
def test_any_body(status, body):
    run_answer(bytes([status]) + body)


@QUICK
@given(st.dictionaries(st.sampled_from(REPLY_PLACES), VALUES, min_size=1, max_size=3))
def test_a_good_reply_with_any_value_in_any_place(values):
    reply = {**json.loads(REPLY), "error": None}
    for name, value in values.items():
        reply = with_value(reply, name, value)
    run_answer(b"0" + json.dumps(reply).encode())


@QUICK
@given(st.sampled_from(BATCH_SEEDS), st.dictionaries(st.sampled_from(ROW_PLACES), VALUES, max_size=3))
def test_a_row_of_a_batch_with_any_value_in_any_place(seed, values):
    row = json.loads(seed)
    for name, value in values.items():
        row = with_value(row, name, value)
    run_batch(json.dumps(row).encode())
    run_batch(json.dumps({**row, **values}).encode())


@pytest.mark.parametrize("seed", REPLY_SEEDS)
def test_what_the_fuzzer_begins_with(seed):
    run_answer(seed.encode())


@pytest.mark.parametrize(
    "row",
    [
        {},
        {"status": []},
        {"status": {}, "error": "plain"},
        {"status": "error", "error": ["a"]},
        {"status": "error", "error": {"message": {"a": 1}, "provider_code": [1]}},
        {"status": "error", "error": {"message": "a\r\nb" * 1_000}},
        {"status": "success"},
        {"status": "success", "output": {"a": 1}, "usage": [1], "finish_reason": {}},
        {
            "status": "success",
            "output": "x",
            "custom_id": [1],
            "usage": {"input_tokens": {}},
            "finish_reason": [],
        },
    ],
)
def test_a_row_that_no_batch_of_ours_can_have_is_an_answer_or_an_error(row):
    run_batch(json.dumps(row).encode())


def test_a_row_without_a_word_of_why_says_so():
    with pytest.raises(LLMError, match="The provider answered with an error: it does not say which"):
        read_batch_result({"status": None}, max_tokens=1)


@pytest.mark.parametrize("name", ["id", "model", "provider"])
def test_a_name_is_one_short_line_whatever_the_provider_calls_it(name):
    # It becomes a cell of calls.csv, where a carriage return would end the row.
    reply = {**json.loads(REPLY), name: "=a\rb\r\nc" + "x" * 10_000}
    answer = read_completion(200, {}, json.dumps(reply), max_tokens=1)
    found = {answer.response_id, answer.model_returned, answer.upstream_provider}
    assert "=a b c" + "x" * 294 + "…" in found


def test_headers_in_a_body_may_be_nested_as_deep_as_json_can_be_read():
    for depth in (*range(1, 1_000, 7), *range(900, 1_000)):
        for opening, closing in (("[", "]"), ('{"a":', "}")):
            value = opening * depth + ("1" if closing == "}" else "") + closing * depth
            assert isinstance(
                headers_in_body(f'{{"error":{{"metadata":{{"headers":{{"X":{value}}}}}}}}}'), dict
            )
