"""What an experiment has cost, as report and page show it."""

from __future__ import annotations

from collections.abc import Iterable

from daydreaming.pipeline.cost import Spending, ledger_sums
from daydreaming.report.source import Costs, Money
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.spending import SpendingRow, count_cut_off, read_spending


def costs_of(settings: Settings, experiment_id: str, spending: Iterable[SpendingRow] | None = None) -> Costs:
    """Sums of the ledger: all, and by model, stage and day.

    Args:
        settings: The deployment's settings.
        experiment_id: Whose ledger.
        spending: What ``read_spending`` said of it, where that was asked already.
    """
    engine = engine_for(settings)
    rows = read_spending(engine, experiment_id) if spending is None else spending
    cost = ledger_sums(experiment_id, rows, count_cut_off(engine, experiment_id))
    by_model, by_stage, by_day = (
        {name: _money(one) for name, one in sorted(group.items())}
        for group in (cost.by_model, cost.by_stage, cost.by_day)
    )
    return Costs(_money(cost.total), by_model, by_stage, by_day)


def _money(one: Spending) -> Money:
    return Money(
        one.attempts, one.spent_nanousd, one.reserved_nanousd, one.unknown, one.cut_off, one.unpriced
    )
