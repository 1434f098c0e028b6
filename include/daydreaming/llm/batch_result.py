"""Read what a batch says of one of its members: the answer, or the error that it stands for.

PURE. The members' rows are those that Airflow's ``LLMBatchOperator`` writes, the same for all
providers: ``status``, ``output``, ``error``, ``model``, ``usage`` and ``finish_reason``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from daydreaming.errors import LLMPermanentError
from daydreaming.llm.answer import Answer, excerpt, read_completion
from daydreaming.llm.redaction import forms_of_keys, hide

#: Statuses of members that have text, or should have.
_ANSWERED = ("success", "invalid_output")
#: As OpenAI names them; the others are Anthropic's.
_FINISH_REASONS: Mapping[str, str] = {"max_tokens": "length", "refusal": "content_filter"}
_REDACTED = "is_redacted"
_WHY: Mapping[str, str] = {
    "expired": "The provider did not come to it before the batch expired.",
    "cancelled": "The batch was cancelled before the provider came to it.",
    "missing": "The provider's results do not name it.",
}


def read_batch_result(row: Mapping[str, Any], *, max_tokens: int) -> Answer:
    """Make an answer of a member's row, by the same rules as of an ordinary call's reply.

    Args:
        row: As ``LLMBatchOperator`` wrote it.
        max_tokens: The limit that was sent; named in the error of a cut-off answer.

    Raises:
        LLMTransientError: An empty answer.
        LLMPermanentError: Anything else that is no complete answer.
    """
    if row.get("status") not in _ANSWERED:
        raise LLMPermanentError(_why_not_answered(row))
    answer = read_completion(200, {}, json.dumps(_as_completion(row)), max_tokens=max_tokens)
    return replace(answer, is_redacted=bool(row.get(_REDACTED)))


def redacted_lines(text: str, secrets: Iterable[str]) -> list[str]:
    """Members' rows of a file of results, one a line, without secrets; a row that held one says so."""
    forms = forms_of_keys(secrets)
    # JSON keeps line ends inside texts escaped; other separators may stand in it as they are.
    return [_redacted(line, forms) for line in text.split("\n") if line.strip()]


def _redacted(line: str, forms: Iterable[str]) -> str:
    hidden = hide(line, forms)
    return line if hidden == line else json.dumps({**json.loads(hidden), _REDACTED: True})


def _why_not_answered(row: Mapping[str, Any]) -> str:
    status, error = _text(row, "status"), row.get("error")
    if status in _WHY:
        return _WHY[status]
    error = error if isinstance(error, dict) else {"message": error}
    code = _text(error, "provider_code")
    message = _text(error, "message") or status or "it does not say which"
    return excerpt(f"The provider answered with an error{f' ({code})' if code else ''}: {message}")


def _as_completion(row: Mapping[str, Any]) -> dict[str, Any]:
    finish_reason = _text(row, "finish_reason")
    usage = row.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    choice = {
        "message": {"content": _text(row, "output") or _text(row, "raw_output")},
        "finish_reason": _FINISH_REASONS.get(finish_reason, finish_reason),
    }
    # The provider's package puts 0 where a provider counted nothing; no prompt is that short.
    counted = bool(_count(usage, "input_tokens"))
    return {
        "id": _text(row, "custom_id"),
        "model": _text(row, "model"),
        "choices": [choice],
        "usage": {
            "prompt_tokens": _count(usage, "input_tokens") if counted else None,
            "completion_tokens": _count(usage, "output_tokens") if counted else None,
        },
    }


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    return value if isinstance(value, str) else ""


def _count(fields: Mapping[str, Any], name: str) -> int | None:
    value = fields.get(name)
    return value if isinstance(value, int) else None
