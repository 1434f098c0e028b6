"""Requests read, bodies written, calls counted."""

from __future__ import annotations

import hashlib
import json

import pytest

from daydreaming.llm.simulator.behaviour import Fault
from daydreaming.llm.simulator.stats import Stats, call_key
from daydreaming.llm.simulator.wire import ChatCall, RefusedError, completion, prompt_of, read_chat

USER = {"role": "user", "content": "Hello"}


def test_a_call_is_read_from_its_body():
    raw = json.dumps(
        {"model": "m", "messages": [USER], "max_tokens": 5, "temperature": 0.7, "grammar": "root"}
    )
    assert read_chat(raw.encode()) == ChatCall("m", "Hello", 5)


def test_messages_and_their_parts_make_one_prompt():
    parts = {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}
    assert prompt_of([{"role": "system", "content": "Be brief."}, parts]) == "Be brief.\n\nab"


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "not valid JSON"),
        (b"\xff", "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b"[1]", "must be a JSON object; got list"),
        (b'{"messages": []}', "You must provide a model"),
        (b'{"model": "m"}', "messages must be a non-empty list"),
        (b'{"model": "m", "messages": []}', "messages must be a non-empty list"),
        (b'{"model": "m", "messages": ["hi"]}', r"messages\[0\]\.content must be a string"),
        (b'{"model": "m", "messages": [{"content": "a"}], "stream": true}', "does not stream"),
        (b'{"model": "m", "messages": [{"content": "a"}], "n": 2}', "n must be 1; got 2"),
        (
            b'{"model": "m", "messages": [{"content": "a"}], "max_tokens": 0}',
            "max_tokens must be a whole number of 1 or more; got 0",
        ),
    ],
)
def test_bad_requests_are_refused(raw, message):
    with pytest.raises(RefusedError, match=message) as raised:
        read_chat(raw)
    assert raised.value.status == 400


def test_cost_is_there_when_there_is_a_price():
    call = ChatCall("m", "one two three")
    usage = completion(call, "four five six", "stop", number="1", created=0, price=(1.0, 2.0))["usage"]
    assert usage == {"prompt_tokens": 4, "completion_tokens": 4, "total_tokens": 8, "cost": 0.000012}
    assert "cost" not in completion(call, "", "stop", number="1", created=0, price=None)["usage"]


def end(stats, counters, prompt, failure, status=200):
    stats.ended(counters, prompt, call_key("m", prompt), status, failure)


def test_only_complete_answers_count_as_answered():
    stats = Stats()
    counters = stats.arrived("m", 0.0)
    for failure in (*Fault, "rpm", "max_tokens", "client_gone"):
        end(stats, counters, "p", failure)
    snapshot = stats.snapshot()
    assert (snapshot["answered"], snapshot["duplicates"]) == (1, 0)  # the unreadable one, which is paid for
    assert snapshot["models"]["m"]["faults"] == {fault.value: 1 for fault in Fault}
    assert snapshot["models"]["m"]["unanswered"] == {"rpm": 1, "max_tokens": 1, "client_gone": 1}


def test_duplicates_are_pairs_of_model_and_prompt_answered_more_than_once():
    stats = Stats()
    counters = stats.arrived("m", 0.0)
    for prompt in ("a", "a", "a", "b", "c", "c"):
        end(stats, counters, prompt, None)
    stats.ended(stats.arrived("n", 0.0), "b", call_key("n", "b"), 200, None)
    snapshot = stats.snapshot()
    assert (snapshot["answered"], snapshot["prompts_answered"], snapshot["duplicates"]) == (7, 4, 2)
    assert snapshot["duplicate_prompts"] == [hashlib.sha256(prompt).hexdigest() for prompt in (b"a", b"c")]


def test_the_list_of_duplicates_is_bounded_and_their_count_is_not():
    stats = Stats()
    counters = stats.arrived("m", 0.0)
    for number in range(150):
        end(stats, counters, str(number), None)
        end(stats, counters, str(number), None)
    assert (stats.snapshot()["duplicates"], len(stats.snapshot()["duplicate_prompts"])) == (150, 100)


def test_peak_concurrency_is_counted_overall_and_by_model():
    stats = Stats()
    m, n = stats.arrived("m", 0.0), stats.arrived("n", 0.0)
    with stats.working(m), stats.working(n):
        pass
    with stats.working(m), stats.working(m):
        pass
    snapshot = stats.snapshot()
    assert (snapshot["peak_concurrency"], snapshot["in_flight"]) == (2, 0)
    assert [snapshot["models"][model]["peak_concurrency"] for model in "mn"] == [2, 1]


def test_times_of_the_first_and_last_call_are_kept():
    stats = Stats()
    for now in (0.0, 5.0, 9.5):
        stats.arrived("m", now)
    model = stats.snapshot()["models"]["m"]
    assert (model["first_call_at"], model["last_call_at"]) == (
        "1970-01-01T00:00:00.000+00:00",
        "1970-01-01T00:00:09.500+00:00",
    )
