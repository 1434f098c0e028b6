"""What a provider says of its limits in an answer's headers, and how long to pause then. PURE.

Three families are read: OpenAI's (``x-ratelimit-remaining-requests``; resets as ``1m30s``),
Anthropic's (``anthropic-ratelimit-requests-remaining``; resets as RFC 3339 times) and the plain
``x-ratelimit-remaining`` of OpenRouter and others (resets as a number).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from daydreaming.llm.answer import retry_after_s

#: What is further away than any quota lasts is a mistake, or in a form that is not known here.
MAX_WAIT_S = 48 * 3600.0
#: A limit that is new again within this was one per minute (with a second for clocks that differ).
_PER_MINUTE_S = 61.0
#: Numbers above are times: in seconds since 1970, or in milliseconds.
_EPOCH_S, _EPOCH_MS = 1e8, 1e11
_MAX_COUNT = 2**31 - 1

_COUNT = re.compile(r"[0-9]{1,10}")
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|us|µs|ns|d|h|m|s)")
_UNIT_S = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


@dataclass(frozen=True)
class RateHeaders:
    """Limits as one answer states them; None where it does not, or not in a readable way.

    Attributes:
        limit_requests: Requests that the provider allows; it does not say in what time (``rpm``).
        remaining_requests: How many of them are left.
        reset_requests_s: Seconds until they are all there again; the same three for tokens.
        retry_after_s: Seconds after which the provider wants to be asked again.
    """

    limit_requests: int | None = None
    remaining_requests: int | None = None
    reset_requests_s: float | None = None
    limit_tokens: int | None = None
    remaining_tokens: int | None = None
    reset_tokens_s: float | None = None
    retry_after_s: float | None = None

    @property
    def rpm(self) -> int | None:
        """Requests per minute: ``limit_requests`` where it is known that it is not one per day."""
        return self.limit_requests if _within_a_minute(self.reset_requests_s) else None

    @property
    def tpm(self) -> int | None:
        """Tokens per minute likewise."""
        return self.limit_tokens if _within_a_minute(self.reset_tokens_s) else None


def read_rate_headers(headers: Mapping[str, str], now: float) -> RateHeaders:
    """Read limits from headers; what cannot be read is as if it were not there.

    Args:
        headers: Names in lower case.
        now: Seconds since 1970, to turn times into waits.

    Returns:
        Waits of 0 to 48 hours. A ``Retry-After`` in seconds is read as ``answer.retry_after_s``
        reads it, which cuts off at 24 hours: who asks to wait longer is asked again then.
    """
    return RateHeaders(
        limit_requests=_count(headers, "limit", "requests"),
        remaining_requests=_count(headers, "remaining", "requests"),
        reset_requests_s=_reset_s(headers, "requests", now),
        limit_tokens=_count(headers, "limit", "tokens"),
        remaining_tokens=_count(headers, "remaining", "tokens"),
        reset_tokens_s=_reset_s(headers, "tokens", now),
        retry_after_s=_retry_after_s(headers, now),
    )


def headers_in_body(body: str) -> dict[str, str]:
    """Headers that an error body carries, names in lower case; none where it has none.

    OpenRouter reports the limits of its ``:free`` models there, in ``error.metadata.headers``.
    """
    try:
        found: Any = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    for key in ("error", "metadata", "headers"):
        found = found.get(key) if isinstance(found, dict) else None
    if not isinstance(found, dict):
        return {}
    return {name.lower(): str(value) for name, value in found.items()}


def pause_s(status: int, headers: RateHeaders) -> float | None:
    """Seconds during which nobody should call this model.

    Returns:
        After a 429 what ``Retry-After`` says, or the reset of what is used up where that is later,
        or any reset that is given; after an answer that used up the last request or token, the
        reset. None where nothing is to be obeyed: after a 429 the caller has to back off by itself.
    """
    used_up = [reset for left, reset in _resets(headers) if left == 0]
    if 200 <= status < 300:
        return max(used_up, default=None)
    if status != 429:
        return None
    if headers.retry_after_s is not None:
        return max([headers.retry_after_s, *used_up])
    # Something is used up, said or not; the later reset covers both.
    return max(used_up or (reset for _, reset in _resets(headers)), default=None)


def _resets(headers: RateHeaders) -> Iterator[tuple[int | None, float]]:
    """Pairs of what is left and when it is all there again, for requests and for tokens."""
    if headers.reset_requests_s is not None:
        yield headers.remaining_requests, headers.reset_requests_s
    if headers.reset_tokens_s is not None:
        yield headers.remaining_tokens, headers.reset_tokens_s


def _values(headers: Mapping[str, str], field: str, kind: str) -> Iterator[str]:
    """Values of the headers that may hold a field, the most specific first."""
    names = [f"x-ratelimit-{field}-{kind}", f"anthropic-ratelimit-{kind}-{field}"]
    if kind == "requests":
        names.append(f"x-ratelimit-{field}")
    for name in names:
        value = headers.get(name, "").strip()
        if value:
            yield value


def _count(headers: Mapping[str, str], field: str, kind: str) -> int | None:
    counts = (int(value) for value in _values(headers, field, kind) if _COUNT.fullmatch(value))
    return next((count for count in counts if count <= _MAX_COUNT), None)


def _reset_s(headers: Mapping[str, str], kind: str, now: float) -> float | None:
    waits = (_wait_s(value, now) for value in _values(headers, "reset", kind))
    return next((wait for wait in waits if wait is not None), None)


def _retry_after_s(headers: Mapping[str, str], now: float) -> float | None:
    seconds = retry_after_s(headers)
    return _until_date_s(headers.get("retry-after", ""), now) if seconds is None else seconds


def _wait_s(value: str, now: float) -> float | None:
    """Seconds from now to what a reset says: a number, a duration or an RFC 3339 time."""
    if _NUMBER.fullmatch(value):
        return _number_s(float(value), now)
    parts = _PART.findall(value)
    if parts and "".join(number + unit for number, unit in parts) == value:
        return _sane_s(sum(float(number) * _UNIT_S[unit] for number, unit in parts))
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return _until_s(moment, now)


def _number_s(number: float, now: float) -> float | None:
    """Times since 1970 and waits in seconds are told apart by their size: decades lie between."""
    if number >= _EPOCH_MS:
        return _sane_s(number / 1000 - now)
    return _sane_s(number - now if number >= _EPOCH_S else number)


def _until_date_s(value: str, now: float) -> float | None:
    """Seconds to an HTTP date (RFC 9110)."""
    try:
        return _until_s(parsedate_to_datetime(value), now)
    except (ValueError, OverflowError):
        return None


def _until_s(moment: datetime, now: float) -> float | None:
    # Without an offset it would be in whatever zone this machine is in.
    return None if moment.tzinfo is None else _sane_s(moment.timestamp() - now)


def _sane_s(seconds: float) -> float | None:
    return seconds if math.isfinite(seconds) and 0 <= seconds <= MAX_WAIT_S else None


def _within_a_minute(reset_s: float | None) -> bool:
    return reset_s is not None and reset_s <= _PER_MINUTE_S
