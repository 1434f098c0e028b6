"""Read what a batch says of one of its members: the answer, or the error that it stands for.

PURE. The members' rows are those that Airflow's ``LLMBatchOperator`` writes, the same for all
providers: ``status``, ``output``, ``error``, ``model``, ``usage`` and ``finish_reason``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from daydreaming.errors import LLMPermanentError
from daydreaming.llm.answer import Answer, read_completion

#: Statuses of members that have text, or should have.
_ANSWERED = ("success", "invalid_output")
#: As OpenAI names them; the others are Anthropic's.
_FINISH_REASONS: Mapping[str, str] = {"max_tokens": "length", "refusal": "content_filter"}
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
    if row["status"] not in _ANSWERED:
        raise LLMPermanentError(_why_not_answered(row))
    return read_completion(200, {}, json.dumps(_as_completion(row)), max_tokens=max_tokens)


def _why_not_answered(row: Mapping[str, Any]) -> str:
    status, error = row["status"], row.get("error") or {}
    if status in _WHY:
        return _WHY[status]
    code = f" ({error['provider_code']})" if error.get("provider_code") else ""
    return f"The provider answered with an error{code}: {error.get('message') or status}"


def _as_completion(row: Mapping[str, Any]) -> dict[str, Any]:
    finish_reason = row.get("finish_reason") or ""
    usage = row.get("usage") or {}
    choice = {
        "message": {"content": row.get("output") or row.get("raw_output") or ""},
        "finish_reason": _FINISH_REASONS.get(finish_reason, finish_reason),
    }
    # The provider's package puts 0 where a provider counted nothing; no prompt is that short.
    counted = bool(usage.get("input_tokens"))
    return {
        "id": row["custom_id"],
        "model": row.get("model"),
        "choices": [choice],
        "usage": {
            "prompt_tokens": usage.get("input_tokens") if counted else None,
            "completion_tokens": usage.get("output_tokens") if counted else None,
        },
    }
