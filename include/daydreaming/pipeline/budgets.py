"""The caps on what may be spent, and how much of them is gone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from daydreaming.llm.price import to_nanousd
from daydreaming.pipeline.experiments import has_results
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.ledger import budget_day, day_scope, experiment_scope, read_budget


@dataclass(frozen=True)
class Cap:
    """A cap and what counts against it, in billionths of a US dollar.

    Attributes:
        name: As people set it: ``max_cost_usd``, ``DAYDREAMING_DAILY_BUDGET_USD``.
        used_nanousd: Spent and reserved so far.
    """

    name: str
    nanousd: int
    used_nanousd: int

    @property
    def left_nanousd(self) -> int:
        """What may still be spent; 0 or more."""
        return max(0, self.nanousd - self.used_nanousd)


def read_caps(
    settings: Settings, experiment_id: str, now: datetime, *, max_cost_usd: float | None = None
) -> tuple[Cap, ...]:
    """The caps that are set: the experiment's and the day's.

    Args:
        settings: The deployment's settings.
        experiment_id: Whose cap it is.
        now: Decides which day's budget is meant.
        max_cost_usd: Of a run that has not started: it replaces the experiment's cap when it does.
    """
    cap, used = _budget(settings, experiment_scope(experiment_id))
    if max_cost_usd is not None:
        cap = to_nanousd(max_cost_usd)
    found = [] if cap is None else [Cap("max_cost_usd", cap, used)]
    if settings.daily_budget_usd is not None:
        _, used = _budget(settings, day_scope(budget_day(now)))
        found.append(Cap("DAYDREAMING_DAILY_BUDGET_USD", to_nanousd(settings.daily_budget_usd), used))
    return tuple(found)


def _budget(settings: Settings, scope: str) -> tuple[int | None, int]:
    """Cap, and what is spent and reserved together."""
    if not has_results(settings):
        return None, 0
    cap, reserved, spent = read_budget(engine_for(settings), scope)
    return cap, reserved + spent
