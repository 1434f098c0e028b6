"""Records of answers: what no reader could use is said; what tells nothing is allowed."""

from __future__ import annotations

import json

import pytest

from daydreaming.pipeline.rows import RECORD_FIELDS
from daydreaming.store.answer_records import record_problem

RECORD = {
    "stage": "generation",
    "cell_id": "c",
    "experiment_id": "demo",
    "run_id": "run-1",
    "prompt_sha256": "a" * 64,
    "request": {"model": "m", "temperature": 0.5},
    "request_hash": "b" * 64,
    "model_id": "m",
    "model_requested": "m",
    "model_returned": "m",
    "conn_id": "llm",
    "upstream_provider": None,
    "response_id": "r",
    "finish_reason": "stop",
    "prompt_tokens": 100,
    "completion_tokens": 0,
    "cost_usd": 0.25,
    "cost_source": "provider",
    "latency_s": -0.1,  # the clock was put back
    "attempts": 1,
    "started_at": "2026-03-01T12:00:00+00:00",
    "ended_at": "2026-03-01T14:00:02+02:00",
}
OF_A_CALL = ("experiment_id", "run_id", "cell_id")


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"cost_usd": 0, "latency_s": 2},
        {"cost_usd": 2**31 - 1, "prompt_tokens": 2**31 - 1},
        {"upstream_provider": "", "ended_at": ""},
        {"started_at": "2026-03-01T12:00:00Z"},
        {"batch_id": "b", "is_redacted": True, "of_a_later_release": [1, {}]},
        # It tells of no call, so nothing has to be counted.
        {"request_hash": None, "cell_id": None},
        {"started_at": None, "run_id": ""},
        dict.fromkeys(RECORD),
    ],
)
def test_what_a_record_may_hold(fields):
    assert record_problem({**RECORD, **fields}) is None


@pytest.mark.parametrize("name", RECORD)
def test_each_field_may_be_missing_where_the_record_tells_of_no_call(name):
    assert record_problem({k: v for k, v in RECORD.items() if k not in (name, "request_hash")}) is None


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("model_returned", '["a"]', "model_returned must be a text; got ['a']"),
        ("request_hash", "7", "request_hash must be a text; got 7"),
        ("prompt_tokens", '"many"', "prompt_tokens must be a whole number; got 'many'"),
        ("completion_tokens", "1.5", "completion_tokens must be a whole number; got 1.5"),
        ("attempts", "true", "attempts must be a whole number; got True"),
        ("cost_usd", "{}", "cost_usd must be a number; got {}"),
        ("cost_usd", "false", "cost_usd must be a number; got False"),
        ("cost_usd", "NaN", "cost_usd must be at most 2147483647; got nan"),
        ("cost_usd", "-Infinity", "cost_usd must be at most 2147483647; got -inf"),
        ("prompt_tokens", "2147483648", "prompt_tokens must be at most 2147483647; got 2147483648"),
        ("latency_s", f"1{'0' * 400}", f"latency_s must be at most 2147483647; got 1{'0' * 59}"),
        ("started_at", "1", "started_at must be a text; got 1"),
        (
            "started_at",
            '"yesterday"',
            "started_at must be a time in ISO 8601 with its zone; got 'yesterday'",
        ),
        (
            "ended_at",
            '"2026-03-01T12:00:00"',
            "ended_at must be a time in ISO 8601 with its zone; got '2026-03-01T12:00:00'",
        ),
        *((name, "null", f"{name} is missing") for name in OF_A_CALL),
        *((name, '""', f"{name} is missing") for name in OF_A_CALL),
    ],
)
def test_what_no_reader_could_use_is_said(name, text, problem):
    assert record_problem({**RECORD, name: json.loads(text)}) == problem


@pytest.mark.parametrize("name", [*RECORD_FIELDS, "started_at", "ended_at"])
def test_each_field_that_a_row_takes_is_looked_at(name):
    assert f"{name} must be" in record_problem({**RECORD, name: [1]})
