"""How long calls take at least, by the limits of their models. PURE."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace

from daydreaming.inputs.records import LLMModel, Stage
from daydreaming.llm.limits import DAY_S, MARGIN_S, MINUTE_S


@dataclass(frozen=True)
class Load:
    """Calls that one model is to take in one stage.

    Attributes:
        tokens: Of all of them together, prompts and answers.
    """

    stage: Stage
    model: LLMModel
    calls: int
    tokens: int


def starting_time_s(load: Load) -> float:
    """Seconds from the first start to the last, as the limiter hands them out; see ``llm/limits.py``.

    Without the model's own latency; 0 where no limit is known, and in a batch, which has none.
    """
    if not load.calls or load.model.is_batched:
        return 0.0
    minute_s, model, later = MINUTE_S + MARGIN_S, load.model, load.calls - 1
    days, today = divmod(later, model.rpd) if model.rpd else (0, later)
    by_requests = days * (DAY_S + MARGIN_S) + (today // model.rpm * minute_s if model.rpm else 0.0)
    if not model.tpm:
        return by_requests
    # A call of more tokens than a minute allows has a minute for itself.
    each_minute = max(1, model.tpm * load.calls // max(1, load.tokens))
    return max(by_requests, later // each_minute * minute_s)


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
    model = replace(
        one.model,
        rpm=_strictest(one.model.rpm, other.model.rpm),
        tpm=_strictest(one.model.tpm, other.model.tpm),
        rpd=_strictest(one.model.rpd, other.model.rpd),
    )
    return replace(one, model=model, calls=one.calls + other.calls, tokens=one.tokens + other.tokens)


def _strictest(one: int | None, other: int | None) -> int | None:
    known = [limit for limit in (one, other) if limit is not None]
    return min(known) if known else None
