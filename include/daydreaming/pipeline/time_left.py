"""When the calls that are left will have been answered: at the limits, and as fast as lately. PURE."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from daydreaming.inputs.records import Stage
from daydreaming.llm.limits import MINUTE_S
from daydreaming.pipeline.wall_time import Load, starting_time_s, wall_time_s


@dataclass(frozen=True)
class CallsLeft:
    """Calls of one stage and model that have no answer yet.

    Attributes:
        calls: How many, those in flight included.
        per_minute: Answers per minute lately; None where none came.
        load: Those that are not sent yet, at the model's limits; None where these are not known.
    """

    stage: Stage
    model_id: str
    calls: int
    per_minute: float | None
    load: Load | None


@dataclass(frozen=True)
class TimeLeft:
    """Seconds from now, None where nothing tells.

    Attributes:
        by_model: Until the calls of one stage and model are answered.
        total_s: Until all are.
    """

    by_model: Mapping[tuple[Stage, str], float | None]
    total_s: float | None


def time_left(left: Iterable[CallsLeft]) -> TimeLeft:
    """Estimate the time left: of the two estimates the longer one.

    Evaluations begin when all generations have ended, so what these still take comes before.
    """
    listed = list(left)
    before = _longest([_own_s(one) for one in listed if one.stage == "generation"])
    by_model: dict[tuple[Stage, str], float | None] = {}
    for one in listed:
        own = _own_s(one)
        if one.stage == "evaluation" and one.calls:
            own = None if own is None or before is None else before + own
        by_model[one.stage, one.model_id] = own
    total = _longest(by_model.values())
    if total is not None:
        # Models that share their limits wait for each other.
        total = max(total, wall_time_s(one.load for one in listed if one.load))
    return TimeLeft(by_model, total)


def _own_s(left: CallsLeft) -> float | None:
    """Without waiting for another stage; 0 where nothing is left."""
    if not left.calls:
        return 0.0
    by_limits = starting_time_s(left.load) if left.load else 0.0
    by_rate = left.calls / left.per_minute * MINUTE_S if left.per_minute else 0.0
    return max(by_limits, by_rate) or None


def _longest(times: Iterable[float | None]) -> float | None:
    """None where one of them is not known; 0 where there are none."""
    longest = 0.0
    for seconds in times:
        if seconds is None:
            return None
        longest = max(longest, seconds)
    return longest
