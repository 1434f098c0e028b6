"""What the record beside a response may hold.

Standard library only, and no more than a look at each field: every task instance reads records.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from daydreaming.store.times import read_time

_TEXTS = (
    "experiment_id",
    "run_id",
    "cell_id",
    "prompt_sha256",
    "request_hash",
    "model_id",
    "model_requested",
    "model_returned",
    "conn_id",
    "upstream_provider",
    "response_id",
    "finish_reason",
    "cost_source",
)
_TIMES = ("started_at", "ended_at")
#: By type in JSON, which has no others: true and false are no numbers here.
_KINDS: Mapping[str, tuple[tuple[type, ...], str]] = {
    **dict.fromkeys((*_TEXTS, *_TIMES), ((str,), "a text")),
    **dict.fromkeys(("prompt_tokens", "completion_tokens", "attempts"), ((int,), "a whole number")),
    **dict.fromkeys(("cost_usd", "latency_s"), ((int, float), "a number")),
}
#: The results database keeps no larger whole number; nothing costs or lasts as much.
_MAX_NUMBER = 2**31 - 1
#: Whose call it was: without these a rebuild could not count what it cost.
_OF_A_CALL = ("experiment_id", "run_id", "cell_id")


def record_problem(record: Mapping[str, Any]) -> str | None:
    """What no reader of a record could use; None where there is nothing.

    A field that is missing or null tells nothing, and others than those that are read may be there: a person
    brought the file, an import made it, or another release.
    """
    for name, (types, kind) in _KINDS.items():
        value = record.get(name)
        if value is None:
            continue
        if type(value) not in types:
            return f"{name} must be {kind}; got {value!r:.60}"
        # Written so that NaN is refused too.
        if isinstance(value, int | float) and not abs(value) <= _MAX_NUMBER:
            return f"{name} must be at most {_MAX_NUMBER}; got {value!r:.60}"
    return _time_problem(record) or _call_problem(record)


def _time_problem(record: Mapping[str, Any]) -> str | None:
    for name in _TIMES:
        text = record.get(name)
        try:
            if text:
                read_time(name, text)
        except ValueError:
            return f"{name} must be a time in ISO 8601 with its zone; got {text!r:.60}"
    return None


def _call_problem(record: Mapping[str, Any]) -> str | None:
    if not record.get("request_hash") or not record.get("started_at"):
        return None  # It tells of no call.
    missing = [name for name in _OF_A_CALL if not record.get(name)]
    return f"{missing[0]} is missing" if missing else None
