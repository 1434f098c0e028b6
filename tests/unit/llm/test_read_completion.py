"""Every oddity of a provider's reply, and what it stands for."""

from __future__ import annotations

import json
import math

import pytest

from daydreaming.errors import LLMError, LLMPermanentError, LLMTransientError, Usage
from daydreaming.llm.answer import (
    MAX_RETRY_AFTER_S,
    Answer,
    error_for_status,
    read_completion,
    retry_after_s,
)


def completion(content="Fine.", finish_reason="stop", **fields):
    choice = {"index": 0, "message": {"role": "assistant", "content": content}}
    if finish_reason is not None:
        choice["finish_reason"] = finish_reason
    reply = {
        "id": "gen-1",
        "model": "prov/model-0528",
        "provider": "Upstream",
        "choices": [choice],
        "usage": {"prompt_tokens": 10, "completion_tokens": 20, "cost": 0.5},
    }
    return {**reply, **fields}


def read(reply, status=200, headers=None, max_tokens=100) -> Answer:
    body = reply if isinstance(reply, str) else json.dumps(reply)
    return read_completion(status, headers or {}, body, max_tokens=max_tokens)


def test_a_complete_answer_is_read_as_it_came():
    assert read(completion(" <essay>\r\nÄ\n</essay> \n")) == Answer(
        text=" <essay>\r\nÄ\n</essay> \n",
        model_returned="prov/model-0528",
        upstream_provider="Upstream",
        response_id="gen-1",
        finish_reason="stop",
        prompt_tokens=10,
        completion_tokens=20,
        cost_usd=0.5,
    )


def test_what_a_plain_server_does_not_say_is_empty():
    answer = read({"choices": [{"message": {"content": "Fine."}}]})
    assert answer == Answer("Fine.", "", "", "", "", None, None, None)


@pytest.mark.parametrize("error", [None, {}, ""])
def test_an_empty_error_beside_an_answer_is_none(error):
    assert read(completion(error=error)).text == "Fine."


TRANSIENT = [
    ("an HTML page", "<!DOCTYPE html>\n<html><h1>Hold  on</h1>", "no JSON object: <!DOCTYPE html> <html>"),
    ("nothing", "", "no JSON object"),
    ("half a body", '{"choices": [{"mess', "no JSON object"),
    ("a list", "[]", "no JSON object"),
    ("null", "null", "no JSON object"),
    (
        "an error with a 5xx code",
        {"error": {"code": 502, "message": "upstream"}},
        r"502: \(in a 200\) upstream",
    ),
    ("an error with code 429", {"error": {"code": 429, "message": "slow"}}, "HTTP 429"),
    ("an error without a code", {"error": {"message": "odd"}}, "HTTP 502: .*odd"),
    ("an error with a word as code", {"error": {"code": "overloaded", "message": "odd"}}, "HTTP 502: .*odd"),
    ("an error with a code that is no status", {"error": {"code": 7, "message": "odd"}}, "HTTP 502"),
    ("an error with true as code", {"error": {"code": True, "message": "odd"}}, "HTTP 502"),
    ("an error that is a text", {"error": "went wrong"}, "HTTP 502: .*went wrong"),
    ("an error that is a number", {"error": 5}, 'HTTP 502: .*"error": 5'),
    ("an error with a nested message", {"error": {"message": {"a": 1}}}, "HTTP 502: .*message"),
    ("an error beside an answer", completion(error={"code": 500, "message": "late"}), "HTTP 500"),
    ("null content", completion(None), r"empty answer \(finish_reason stop\)"),
    ("empty content", completion(""), "empty answer"),
    ("blank content", completion(" \n\t"), "empty answer"),
    ("content that is a list", completion([{"text": "x"}]), "empty answer"),
    ("no finish reason, no text", completion("", None), r"finish_reason not given"),
    ("a null message", {"choices": [{"message": None}]}, "empty answer"),
    ("no message", {"choices": [{}]}, "empty answer"),
    ("finish_reason error", completion("Half", "error"), "broke off the answer"),
    ("no choices", {"id": "x"}, "sent no choices: .*id"),
    ("empty choices", completion(choices=[]), "sent no choices"),
    ("null choices", completion(choices=None), "sent no choices"),
    ("a choice that is null", completion(choices=[None]), "sent no choices"),
    ("choices that are no list", completion(choices={"0": {}}), "sent no choices"),
    (
        "an error in the choice",
        {"choices": [{"error": {"code": 502, "message": "cut"}, "message": {"content": "Ha"}}]},
        "HTTP 502: .*cut",
    ),
]


@pytest.mark.parametrize(("reply", "message"), [c[1:] for c in TRANSIENT], ids=[c[0] for c in TRANSIENT])
def test_a_200_that_is_no_answer_may_be_tried_again(reply, message):
    with pytest.raises(LLMTransientError, match=message):
        read(reply)


PERMANENT = [
    (
        "cut off",
        completion("Half an ess", "length"),
        "cut off .* after 20 completion tokens; max_tokens is 100",
    ),
    ("cut off without usage", completion("H", "length", usage=None), "after an unknown number of completion"),
    ("cut off before the first word", completion("", "length"), "cut off"),
    ("content filter", completion("", "content_filter"), "content filter stopped the answer"),
    ("an error with code 400", {"error": {"code": 400, "message": "bad"}}, r"HTTP 400: \(in a 200\) bad"),
    ("an error with code 402", {"error": {"code": 402, "message": "credits"}}, "HTTP 402"),
    ("a choice with code 403", {"choices": [{"error": {"code": 403, "message": "moderated"}}]}, "HTTP 403"),
]


@pytest.mark.parametrize(("reply", "message"), [c[1:] for c in PERMANENT], ids=[c[0] for c in PERMANENT])
def test_a_200_that_asking_again_cannot_mend_is_permanent(reply, message):
    with pytest.raises(LLMPermanentError, match=message):
        read(reply)


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504, 520, 529, 599])
def test_statuses_that_waiting_may_mend_are_transient(status):
    with pytest.raises(LLMTransientError, match=f"HTTP {status}: please wait"):
        read({"error": {"message": "please wait"}}, status)


@pytest.mark.parametrize("status", [204, 301, 400, 401, 402, 403, 404, 405, 413, 422, 451])
def test_other_statuses_are_permanent(status):
    with pytest.raises(LLMPermanentError, match=f"HTTP {status}: refused"):
        read({"error": {"message": "refused", "code": 429}}, status)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("<html>\n  <b>Bad gateway</b>", "HTTP 503: <html> <b>Bad gateway</b>"),
        ("", "HTTP 503: $"),
        ('{"error": "plain"}', "HTTP 503: plain$"),
        ('{"error": {"message": ""}}', "HTTP 503: {"),
        ('{"detail": "of FastAPI"}', "of FastAPI"),
        ("[" * 100_000, "HTTP 503: "),
    ],
)
def test_the_message_of_an_error_is_the_providers_else_the_body(body, message):
    with pytest.raises(LLMTransientError, match=message):
        read(body, 503)


def test_a_long_message_is_cut():
    with pytest.raises(LLMTransientError) as caught:
        read("x" * 100_000, 500)
    assert len(str(caught.value)) < 400
    assert str(caught.value).endswith("x…")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": " 1.5 "}, 1.5),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, None),
        ({"retry-after": "1e9"}, MAX_RETRY_AFTER_S),
        ({"retry-after": "9" * 400}, None),
    ],
)
def test_retry_after_is_read_in_seconds_or_milliseconds(headers, seconds):
    assert retry_after_s(headers) == seconds
    error = error_for_status(429, headers, "slow down")
    assert isinstance(error, LLMTransientError)
    assert error.retry_after_s == seconds


def test_an_error_body_with_status_200_obeys_retry_after_too():
    with pytest.raises(LLMTransientError) as caught:
        read({"error": {"code": 429, "message": "slow"}}, headers={"retry-after": "4"})
    assert caught.value.retry_after_s == 4.0


FAILED = {"error": {"code": 502, "message": "upstream"}}
NO_ANSWERS = [
    ("an error", {"choices": [], **FAILED}),
    ("an error that waiting does not mend", {"error": {"code": 400, "message": "bad"}}),
    ("an error in the choice", {"choices": [{"finish_reason": "error", "message": {}, **FAILED}]}),
    ("no choices", {"choices": []}),
    ("a choice that is null", {"choices": [None]}),
]


@pytest.mark.parametrize("reply", [c[1] for c in NO_ANSWERS], ids=[c[0] for c in NO_ANSWERS])
@pytest.mark.parametrize(
    ("stated", "billed"),
    [
        ({"prompt_tokens": 9, "completion_tokens": 40, "cost": 0.05}, Usage(9, 40, 0.05)),
        ({"prompt_tokens": 9}, Usage(9)),
        ({"cost": 0}, Usage(cost_usd=0.0)),
        ({"prompt_tokens": None, "cost": "much"}, None),
        (None, None),
    ],
)
def test_what_a_reply_without_an_answer_was_billed_goes_with_its_error(reply, stated, billed):
    with pytest.raises(LLMError) as caught:
        read({**reply, "usage": stated})
    assert caught.value.usage == billed


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        (None, None),
        ([], None),
        ({}, None),
        ({"cost": None}, None),
        ({"cost": 0}, 0.0),
        ({"cost": 0.0125}, 0.0125),
        ({"cost": 3}, 3.0),
        ({"cost": -1}, None),
        ({"cost": True}, None),
        ({"cost": "0.5"}, None),
        ({"cost": math.nan}, None),
        ({"cost": math.inf}, None),
        ({"cost": 10**400}, None),
    ],
)
def test_a_cost_that_is_no_amount_is_unknown(usage, cost):
    assert read(completion(usage=usage)).cost_usd == cost


@pytest.mark.parametrize("count", [None, -1, True, 1.5, "7", math.nan, 2**40, 10**400])
def test_a_token_count_that_is_none_is_unknown(count):
    answer = read(completion(usage={"prompt_tokens": count, "completion_tokens": count}))
    assert (answer.prompt_tokens, answer.completion_tokens) == (None, None)


def test_lone_surrogates_are_replaced_wherever_they_are():
    answer = read(completion("a\ud800b", model="m\udfff", id=7, provider=["x"]))
    assert (answer.text, answer.model_returned) == ("a?b", "m?")
    assert (answer.response_id, answer.upstream_provider) == ("7", "")
    with pytest.raises(LLMPermanentError, match=r"bad \? text"):
        read('{"error": {"message": "bad \\ud800 text"}}', 400)


def test_a_surrogate_pair_is_one_character():
    assert read(completion("🙂")).text == "🙂"


@pytest.mark.parametrize("reply", ['{"choices": %s}', '{"error": {"message": %s}}', "%s"])
def test_json_however_deep_is_an_error_of_ours(reply):
    # One by one up to Python's limit: reading may succeed where writing the same again would not.
    for depth in (100, *range(900, 1000), 100_000):
        with pytest.raises(LLMTransientError):
            read(reply % ("[" * depth + "]" * depth))
