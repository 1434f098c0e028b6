"""Read a chat completion: the text and where it came from, or the error that it stands for.

PURE. Providers answer in many ways that are no answer: an HTML page of a proxy, an ``error``
body with status 200, an empty text, a text cut off at ``max_tokens``. Each is told apart here.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from daydreaming.errors import LLMPermanentError, LLMTransientError, Usage

#: Statuses that waiting may mend. Others below 500 are the caller's to mend.
TRANSIENT_STATUSES = frozenset({408, 409, 425, 429})
MAX_RETRY_AFTER_S = 24 * 3600.0
_EXCERPT_CHARS = 300
#: More than any model writes; the results database keeps no larger whole number.
_MAX_COUNT = 2**31 - 1


@dataclass(frozen=True)
class Answer:
    """A complete answer.

    Attributes:
        text: What the model wrote, as it came.
        upstream_provider: Who served it where the provider is a router; '' where not said.
        cost_usd: As the provider states it in ``usage.cost``; None where it does not.
        is_redacted: Whether a secret of the connection was taken out of it.
    """

    text: str
    model_returned: str
    upstream_provider: str
    response_id: str
    finish_reason: str
    prompt_tokens: int | None
    completion_tokens: int | None
    cost_usd: float | None
    is_redacted: bool = False


def read_completion(status: int, headers: Mapping[str, str], body: str, *, max_tokens: int) -> Answer:
    """Make an answer of an HTTP response to ``POST /chat/completions``.

    Args:
        status: HTTP status code.
        headers: Response headers, names in lower case.
        body: Response body.
        max_tokens: The limit that was sent; named in the error of a cut-off answer.

    Raises:
        LLMTransientError: 408, 409, 425, 429, 5xx, no JSON (an HTML page), an empty answer.
        LLMPermanentError: Other statuses, a content filter, an answer cut off at ``max_tokens``.
    """
    if status != 200:
        raise error_for_status(status, headers, _error_message(_json_or_none(body), body))
    reply = _json_or_none(body)
    if not isinstance(reply, dict):
        raise LLMTransientError(
            f"The provider answered 200 with something that is no JSON object: {excerpt(body)}"
        )
    if reply.get("error"):
        raise _error_in_body(reply, headers, body, _billed(reply))
    return _answer(reply, body, max_tokens)


def error_for_status(
    status: int, headers: Mapping[str, str], message: str, usage: Usage | None = None
) -> LLMTransientError | LLMPermanentError:
    """The typed error of an HTTP status; transient where waiting may mend it."""
    line = f"The provider answered HTTP {status}: {message}"
    if status in TRANSIENT_STATUSES or status >= 500:
        return LLMTransientError(line, retry_after_s=retry_after_s(headers), status=status, usage=usage)
    return LLMPermanentError(line, status=status, usage=usage)


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds in ``Retry-After`` (the number form) or ``retry-after-ms``; None where neither says so."""
    for name, per_second in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            value = float(headers.get(name, "")) / per_second
        except ValueError:
            continue
        if math.isfinite(value) and value >= 0:
            return min(value, MAX_RETRY_AFTER_S)
    return None


def _error_in_body(
    reply: Mapping[str, Any], headers: Mapping[str, str], body: str, billed: Usage | None
) -> LLMTransientError | LLMPermanentError:
    error = reply["error"]
    code = error.get("code") if isinstance(error, dict) else None
    # A body without a usable code says that something went wrong upstream, not that we asked wrongly.
    status = code if isinstance(code, int) and 400 <= code < 600 else 502
    return error_for_status(status, headers, f"(in a 200) {_error_message(reply, body)}", billed)


def _answer(reply: Mapping[str, Any], body: str, max_tokens: int) -> Answer:
    choice = _first_choice(reply, body)
    usage = _usage(reply)
    finish_reason = _name(choice.get("finish_reason"))
    if finish_reason == "length":
        used = "an unknown number of" if usage.completion_tokens is None else usage.completion_tokens
        raise LLMPermanentError(
            f"The answer was cut off (finish_reason length) after {used} completion tokens; "
            f"max_tokens is {max_tokens}. Raise it, or ask for a shorter answer.",
            usage=usage,
        )
    if finish_reason == "content_filter":
        raise LLMPermanentError(
            "The provider's content filter stopped the answer (finish_reason content_filter).",
            usage=usage,
        )
    if finish_reason == "error":
        raise LLMTransientError("The provider broke off the answer (finish_reason error).", usage=usage)
    text = _mapping(choice.get("message")).get("content")
    if not isinstance(text, str) or not text.strip():
        raise LLMTransientError(
            f"The provider sent an empty answer (finish_reason {finish_reason or 'not given'}).",
            usage=usage,
        )
    return Answer(
        text=_writable(text),
        model_returned=_name(reply.get("model")),
        upstream_provider=_name(reply.get("provider")),
        response_id=_name(reply.get("id")),
        finish_reason=finish_reason,
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        cost_usd=usage.cost_usd,
    )


def _usage(reply: Mapping[str, Any]) -> Usage:
    usage = _mapping(reply.get("usage"))
    return Usage(
        _count(usage.get("prompt_tokens")),
        _count(usage.get("completion_tokens")),
        _cost(usage.get("cost")),
    )


def _billed(reply: Mapping[str, Any]) -> Usage | None:
    """What a reply used in which nothing was written; None where it says nothing of that."""
    usage = _usage(reply)
    return None if usage == Usage() else usage


def _first_choice(reply: Mapping[str, Any], body: str) -> Mapping[str, Any]:
    choices = reply.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise LLMTransientError(f"The provider sent no choices: {excerpt(body)}", usage=_billed(reply))
    if choices[0].get("error"):
        raise _error_in_body({"error": choices[0]["error"]}, {}, body, _billed(reply))
    return choices[0]


def _json_or_none(body: str) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _error_message(reply: Any, body: str) -> str:
    error = reply.get("error") if isinstance(reply, dict) else None
    message = error.get("message") if isinstance(error, dict) else error
    return excerpt(message if isinstance(message, str) and message.strip() else body)


def excerpt(text: str) -> str:
    """The beginning of what somebody else wrote, as one line that can be written anywhere."""
    line = " ".join(_writable(text).split())
    return line if len(line) <= _EXCERPT_CHARS else line[:_EXCERPT_CHARS] + "…"


def _writable(text: str) -> str:
    """``text`` without what JSON may hold and files or databases cannot: lone surrogates, the character 0."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "\ufffd")


def _name(value: Any) -> str:
    return excerpt(str(value)) if isinstance(value, str | int) else ""


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _count(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value <= _MAX_COUNT else None


def _cost(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # Both bounds come before the conversion: JSON may hold whole numbers that no float can.
    return float(value) if 0 <= value <= _MAX_COUNT else None
