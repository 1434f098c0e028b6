"""How long calls take at least, by the limits of their models. PURE."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace

from daydreaming.inputs.records import LLMModel, Stage
from daydreaming.llm.limits import DAY_S, MARGIN_S, MINUTE_S, RateLimits

_MINUTE_S = MINUTE_S + MARGIN_S


@dataclass(frozen=True)
class Load:
    """Calls that one model is to take in one stage.

    Attributes:
        limits: What the model is held to, wherever that is set.
        tokens: Of all of them together, prompts and answers.
    """

    stage: Stage
    model: LLMModel
    limits: RateLimits
    calls: int
    tokens: int


def starting_time_s(load: Load) -> float:
    """Seconds from the first start to the last, as the limiter hands them out; see ``llm/limits.py``.

    Without the model's own latency; 0 where no limit is known, and in a batch, which has none.
    """
    if not load.calls or load.model.is_batched:
        return 0.0
    limits, later = load.limits, load.calls - 1
    by_requests = _by_minutes_s(limits, later)
    if limits.rpd:
        days, today = divmod(later, limits.rpd)
        by_requests = max(by_requests, days * (DAY_S + MARGIN_S) + _by_minutes_s(limits, today))
    if not limits.tpm:
        return by_requests
    # A call of more tokens than a minute allows has a minute for itself.
    each_minute = max(1, limits.tpm * load.calls // max(1, load.tokens))
    return max(by_requests, later // each_minute * _MINUTE_S)


def _by_minutes_s(limits: RateLimits, later: int) -> float:
    """Seconds until ``later`` calls after the first have started, by ``rpm`` and ``burst``."""
    if not limits.rpm:
        return 0.0
    minutes = later // limits.rpm
    if not limits.burst or limits.burst >= limits.rpm:
        return minutes * _MINUTE_S
    # Each start waits for the one a whole minute's starts before it, and for the one a burst before it:
    # what counts is the chain of both that reaches back furthest.
    chains = (
        (later - minute * limits.rpm) // limits.burst * limits.burst + minute * limits.rpm
        for minute in range(max(0, minutes - limits.burst + 1), minutes + 1)
    )
    return max(chains) * _MINUTE_S / limits.rpm


def wall_time_s(loads: Iterable[Load]) -> float:
    """Seconds that a run takes at least: in each stage as long as its slowest model, one after the other.

    Models of the same name behind the same connection share their limits, in both stages.
    """
    by_stage: dict[tuple[str, str], dict[str, Load]] = defaultdict(dict)
    for load in loads:
        shared = by_stage[load.model.conn_id, load.model.model]
        shared[load.stage] = _together(shared.get(load.stage), load)
    slowest = dict.fromkeys(("generation", "evaluation"), 0.0)
    both = 0.0
    for shared in by_stage.values():
        whole = None
        for stage, load in shared.items():
            slowest[stage] = max(slowest[stage], starting_time_s(load))
            whole = _together(whole, load)
        both = max(both, starting_time_s(whole) if whole else 0.0)
    return max(sum(slowest.values()), both)


def _together(one: Load | None, other: Load) -> Load:
    if one is None:
        return other
    names = [limit.name for limit in fields(RateLimits)]
    limits = {name: _strictest(getattr(one.limits, name), getattr(other.limits, name)) for name in names}
    return replace(
        one,
        limits=RateLimits(**limits),
        calls=one.calls + other.calls,
        tokens=one.tokens + other.tokens,
    )


def _strictest(one: int | None, other: int | None) -> int | None:
    known = [limit for limit in (one, other) if limit is not None]
    return min(known) if known else None
