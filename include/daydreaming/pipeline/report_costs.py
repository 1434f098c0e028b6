"""What an experiment has cost, as report and page show it."""

from __future__ import annotations

from daydreaming.pipeline.cost import Spending, experiment_costs
from daydreaming.report.source import Costs, Money
from daydreaming.settings import Settings


def costs_of(settings: Settings, experiment_id: str) -> Costs:
    """Sums of the ledger: all, and by model, stage and day."""
    (cost,) = experiment_costs(settings, experiment_id)
    by_model, by_stage, by_day = (
        {name: _money(one) for name, one in sorted(group.items())}
        for group in (cost.by_model, cost.by_stage, cost.by_day)
    )
    return Costs(_money(cost.total), by_model, by_stage, by_day)


def _money(one: Spending) -> Money:
    return Money(
        one.attempts, one.spent_nanousd, one.reserved_nanousd, one.unknown, one.cut_off, one.unpriced
    )
