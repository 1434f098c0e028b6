"""When requests may start, so that a provider's limits are kept. PURE: the caller brings the clock.

Limits are taken as sliding windows, the strictest reading of "n per minute": in no 60 seconds
whatever do more than n requests start. Who keeps that keeps every other reading (fixed minutes,
buckets) too.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import accumulate

from daydreaming.errors import InputError

MINUTE_S = 60.0
DAY_S = 24 * 3600.0
#: Windows are taken longer by this: a request may reach the provider that much later than others.
MARGIN_S = 1.0
#: Starts that a model without a known limit gets at once.
RAMP_FIRST = 8


@dataclass(frozen=True)
class RateLimits:
    """What a provider allows of one model behind one connection; None for no limit.

    Attributes:
        rpm: Requests per minute.
        tpm: Tokens per minute, prompts and answers.
        rpd: Requests in 24 hours.
        burst: Requests that may start at once; None for all of a minute's. Means nothing without ``rpm``.
    """

    rpm: int | None = None
    tpm: int | None = None
    rpd: int | None = None
    burst: int | None = None

    def __post_init__(self) -> None:
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        problems = [
            f"{name} must be a whole number, 1 or more; got {value!r}. Leave it out for no limit."
            for name, value in values.items()
            if value is not None and (type(value) is not int or value < 1)
        ]
        if problems:
            raise InputError(problems)


@dataclass(frozen=True)
class Start:
    """A start that was handed out.

    Attributes:
        at: Seconds of the limiter's clock.
        tokens: Tokens that it counts with, 0 or more.
    """

    at: float
    tokens: int


def plan_start(
    history: Sequence[Start], limits: RateLimits, tokens: int, now: float, not_before: float = 0.0
) -> float:
    """The earliest time at which one more request may start; see ``plan_starts``."""
    return plan_starts(history, limits, [tokens], now, not_before)[0]


def plan_starts(
    history: Sequence[Start],
    limits: RateLimits,
    requests: Sequence[int],
    now: float,
    not_before: float = 0.0,
) -> list[float]:
    """The earliest times at which several more requests may start, one after the other.

    No start comes before ``now``, ``not_before`` or any that was handed out earlier: first come,
    first served. With it, no half-open window of a limit's length plus ``MARGIN_S`` has more
    starts or more tokens than the limit. ``burst`` below ``rpm`` adds a window in which ``burst``
    requests may start, as much shorter than the minute's (margin included) as ``burst`` is
    smaller than ``rpm``: it spreads requests, and lets no fewer through.

    A request of more tokens than ``tpm`` fits no window. It gets one for itself: it starts when
    no tokens are left in the window, and the next waits until it has left the window.

    Args:
        history: Starts that were handed out, also those to come, in ascending order of ``at``;
            at least those of the last ``needed_history_s``. They may break the limits (which may
            have been higher); new ones do not add to that.
        limits: What to keep to.
        requests: Tokens of each request, 0 or more.
        now: Seconds of the limiter's clock.
        not_before: When a pause of the model ends, by the same clock.

    Returns:
        Times in the order of ``requests``, never descending.
    """
    times = [start.at for start in history]
    # totals[i]: tokens of the first i starts
    totals = list(accumulate((start.tokens for start in history), initial=0))
    windows = _count_windows(limits)
    for tokens in requests:
        # Every rule gives a lower bound, and waiting breaks none: the highest bound is the earliest time.
        at = max(now, not_before, times[-1] if times else now)
        for count, window_s in windows:
            if len(times) >= count:
                at = max(at, times[-count] + window_s)
        if limits.tpm is not None:
            at = max(at, _tokens_fit_at(times, totals, limits.tpm, tokens))
        times.append(at)
        totals.append(totals[-1] + tokens)
    return times[len(history) :]


def needed_history_s(limits: RateLimits) -> float:
    """Seconds that a start counts for: older ones change no plan. 0 without limits."""
    if limits.rpd is not None:
        return DAY_S + MARGIN_S
    return 0.0 if limits.rpm is None and limits.tpm is None else MINUTE_S + MARGIN_S


def ramp_offset_s(k: int) -> float:
    """Seconds after a ramp's beginning at which its start number ``k`` (from 0) may go.

    A model without a known limit is called like this: ``RAMP_FIRST`` starts at once, and twice as
    many after each further second, until a refusal tells the limit.
    """
    return math.log2((k + 1) / RAMP_FIRST) if k >= RAMP_FIRST else 0.0


def learned_rpm(starts_in_last_minute: int, header_limit: int | None) -> int:
    """Requests per minute to keep to after a refusal, at least 1.

    Args:
        starts_in_last_minute: Requests that were started until then: more than was allowed.
        header_limit: What the provider states as its limit per minute; None where it does not.
    """
    # Nine tenths, in whole numbers: 0.9 * 10 must be 9 exactly.
    return max(1, starts_in_last_minute * 9 // 10 if header_limit is None else header_limit)


def _count_windows(limits: RateLimits) -> list[tuple[int, float]]:
    """Pairs of the starts that a window may have, and its length in seconds."""
    minute_s = MINUTE_S + MARGIN_S
    windows = []
    if limits.rpm is not None:
        windows.append((limits.rpm, minute_s))
        if limits.burst is not None and limits.burst < limits.rpm:
            windows.append((limits.burst, minute_s * limits.burst / limits.rpm))
    if limits.rpd is not None:
        windows.append((limits.rpd, DAY_S + MARGIN_S))
    return windows


def _tokens_fit_at(times: Sequence[float], totals: Sequence[int], tpm: int, tokens: int) -> float:
    """When enough tokens have left the window for ``tokens`` more."""
    room = max(0, tpm - tokens)
    # The oldest starts have to leave until what is left fits: totals[-1] - totals[leaving] <= room.
    leaving = bisect_left(totals, totals[-1] - room)
    return times[leaving - 1] + MINUTE_S + MARGIN_S if leaving else -math.inf
