"""What was spent: by model, stage and day; the price of a score; the caps."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass
from datetime import datetime

from daydreaming.errors import InputError
from daydreaming.llm.price import to_nanousd, to_usd
from daydreaming.pipeline.experiments import choose_experiments, has_results
from daydreaming.pipeline.plan import set_cap
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.ledger import budget_day, day_scope, experiment_scope, read_budget
from daydreaming.store.spending import SpendingRow, count_cut_off, count_scored, read_caps, read_spending

#: A larger sum is a slip of the pen, and the database could not hold it in billionths.
MAX_CAP_USD = 1_000_000


@dataclass(frozen=True)
class Spending:
    """Attempts at calls, and their money in billionths of a US dollar.

    Attributes:
        attempts: That were sent or are about to be; the further counts are parts of it.
        in_flight: Not settled yet: their worst case is in ``reserved_nanousd``.
        unknown: Sent, and nobody can tell what became of them: they count with their worst case.
        cut_off: Answers that ``max_tokens`` cut off: paid for, and of no use. Not known by day.
        unpriced: May have cost something that nobody knows.
    """

    attempts: int = 0
    spent_nanousd: int = 0
    reserved_nanousd: int = 0
    in_flight: int = 0
    unknown: int = 0
    cut_off: int = 0
    unpriced: int = 0


@dataclass(frozen=True)
class LedgerSums:
    """Attempts added up: all, by the model's ID, by stage, and by day (UTC)."""

    total: Spending
    by_model: Mapping[str, Spending]
    by_stage: Mapping[str, Spending]
    by_day: Mapping[str, Spending]


@dataclass(frozen=True)
class ExperimentCost:
    """What one experiment cost so far. Answers that it reused cost it nothing.

    Attributes:
        cap_nanousd: None for none.
        scored: Verdicts that serve it and have a score.
        by_model: By the model's ID; ``by_stage`` and ``by_day`` (UTC) likewise.
    """

    experiment_id: str
    cap_nanousd: int | None
    scored: int
    total: Spending
    by_model: Mapping[str, Spending]
    by_stage: Mapping[str, Spending]
    by_day: Mapping[str, Spending]

    @property
    def usd_per_score(self) -> float | None:
        """US dollars spent for each evaluation that has a score; None where none has."""
        return to_usd(self.total.spent_nanousd) / self.scored if self.scored else None


@dataclass(frozen=True)
class DayCost:
    """Money of one day (UTC) in billionths of a US dollar; ``cap_nanousd`` is None for no cap."""

    day: str
    cap_nanousd: int | None
    spent_nanousd: int
    reserved_nanousd: int


def experiment_costs(settings: Settings, experiment_id: str | None = None) -> list[ExperimentCost]:
    """What the experiment that is named cost, or each that was started.

    Raises:
        InputError: No experiment of this ID was started.
    """
    chosen = choose_experiments(settings, experiment_id)
    if not chosen:
        return []
    engine = engine_for(settings)
    rows, cut_off = read_spending(engine, experiment_id), count_cut_off(engine, experiment_id)
    scored, caps = count_scored(engine, experiment_id), read_caps(engine)
    return [
        ExperimentCost(
            name,
            caps.get(experiment_scope(name)),
            scored.get(name, 0),
            **vars(ledger_sums(name, rows, cut_off)),
        )
        for name in chosen
    ]


def ledger_sums(
    experiment_id: str, rows: Iterable[SpendingRow], cut_off: Mapping[tuple[str, str, str], int]
) -> LedgerSums:
    """Add up the ledger of an experiment.

    Args:
        experiment_id: Whose; rows of others are left out.
        rows: See ``read_spending``.
        cut_off: See ``count_cut_off``.
    """
    by_model: dict[str, Spending] = defaultdict(Spending)
    by_stage: dict[str, Spending] = defaultdict(Spending)
    by_day: dict[str, Spending] = defaultdict(Spending)
    total = Spending()
    for row in rows:
        if row.experiment_id != experiment_id:
            continue
        one = _spending(row)
        total = _sum(total, one)
        for group, key in ((by_model, row.model_id), (by_stage, row.stage), (by_day, row.day)):
            group[key] = _sum(group[key], one)
    for (of, stage, model), count in cut_off.items():
        if of != experiment_id:
            continue
        one = Spending(cut_off=count)
        total = _sum(total, one)
        by_model[model], by_stage[stage] = _sum(by_model[model], one), _sum(by_stage[stage], one)
    return LedgerSums(total, dict(by_model), dict(by_stage), dict(sorted(by_day.items())))


def today_cost(settings: Settings, now: datetime) -> DayCost:
    """What all experiments together cost today."""
    day, cap = budget_day(now), settings.daily_budget_usd
    spent = reserved = 0
    if has_results(settings):
        _, reserved, spent = read_budget(engine_for(settings), day_scope(day))
    return DayCost(day, None if cap is None else to_nanousd(cap), spent, reserved)


def change_cap(settings: Settings, experiment_id: str, cap_usd: float | None) -> None:
    """Set, raise, lower or lift (None) the cap of an experiment; calls that come now obey it.

    Raises:
        InputError: No experiment of this ID was started, or the cap is no sum of money.
    """
    if cap_usd is not None and not (math.isfinite(cap_usd) and 0 <= cap_usd <= MAX_CAP_USD):
        raise InputError(f"--cap must be US dollars from 0 to {MAX_CAP_USD:,}; got {cap_usd}.")
    choose_experiments(settings, experiment_id)
    set_cap(settings, experiment_id, cap_usd)


def _spending(row: SpendingRow) -> Spending:
    return Spending(
        attempts=row.attempts,
        spent_nanousd=row.spent_nanousd,
        reserved_nanousd=row.reserved_nanousd,
        in_flight=row.attempts if row.state == "reserved" else 0,
        unknown=row.attempts if row.state == "unknown" else 0,
        unpriced=row.unpriced,
    )


def _sum(one: Spending, other: Spending) -> Spending:
    return Spending(*(a + b for a, b in zip(astuple(one), astuple(other), strict=True)))
