"""How far one experiment is and what it costs: what its page asks every few seconds while a run goes on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from daydreaming.errors import InputError
from daydreaming.inputs.records import Stage
from daydreaming.llm.price import to_usd
from daydreaming.pipeline.expected_cost import expected_usd, spent_usd
from daydreaming.pipeline.experiments import has_results
from daydreaming.pipeline.kept_counts import open_groups, spending_of
from daydreaming.pipeline.model_counts import ModelCounts, count_by_model, in_order
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.design_queries import Crossing, count_planned, read_crossings
from daydreaming.store.experiments import read_experiments
from daydreaming.store.ledger import experiment_scope, read_budget
from daydreaming.store.open_cells import OpenGroup
from daydreaming.store.overview_markers import read_markers
from daydreaming.store.run_refusals import last_refusals
from daydreaming.store.spending import SpendingRow
from daydreaming.store.statistics import read_source

if TYPE_CHECKING:
    from sqlalchemy import Engine

STAGES: Final[tuple[Stage, ...]] = ("generation", "evaluation")
_DIGEST_CHARS: Final = 12


@dataclass(frozen=True)
class ModelCalls(ModelCounts):
    """Calls of one stage and model, and their money.

    Attributes:
        spent_usd: None where a call was made whose price nobody knows.
    """

    spent_usd: float | None


@dataclass(frozen=True)
class ExperimentProgress:
    """An experiment at one moment.

    Attributes:
        models: Generators, then judges, by ID.
        crossings: The plan that they are the sums of.
        groups: Open cells by what they have in common.
        spending: The ledger that the sums below are of.
        spent_usd: So far; None where a call was made whose price nobody knows.
        expected_usd: When all is answered, at the mean price so far; None where that is unknown.
        reserved_usd: Worst case of the calls in flight.
        cap_usd: None for none.
        spent_by_stage: By stage; None where unknown.
        statistics: Names the scores that the tables of statistics were made of; None before the first.
        refusal: Why its latest run sends nothing; None where it may.
    """

    experiment_id: str
    models: Sequence[ModelCalls]
    crossings: Sequence[Crossing]
    groups: Sequence[OpenGroup]
    spending: Sequence[SpendingRow]
    spent_usd: float | None
    expected_usd: float | None
    reserved_usd: float
    cap_usd: float | None
    spent_by_stage: Mapping[Stage, float | None]
    statistics: str | None
    refusal: str | None = None

    @property
    def is_live(self) -> bool:
        """Whether calls are being made."""
        return any(model.running for model in self.models)

    @property
    def is_complete(self) -> bool:
        """Whether every planned call is answered."""
        return bool(self.models) and not self.groups

    def planned(self, stage: Stage) -> int:
        """Cells of a stage."""
        return sum(model.planned for model in self.models if model.stage == stage)


def check_experiment(settings: Settings, experiment_id: str) -> None:
    """See that an experiment was started.

    Raises:
        InputError: Nobody has started it.
    """
    rows = read_experiments(engine_for(settings)) if has_results(settings) else []
    if experiment_id not in {row["experiment_id"] for row in rows}:
        raise InputError(f"Unknown experiment ID {experiment_id!r}. The list shows those that were run.")


def experiment_progress(settings: Settings, experiment_id: str, now: datetime) -> ExperimentProgress:
    """Count an experiment's calls and money.

    Raises:
        InputError: Nobody has started it.
    """
    check_experiment(settings, experiment_id)
    engine = engine_for(settings)
    marker = read_markers(engine, [experiment_id])[experiment_id]
    crossings = _kept_crossings(engine, experiment_id, count_planned(engine, experiment_id))
    groups = open_groups(settings, experiment_id, marker, now)
    spending = spending_of(settings, experiment_id, marker)
    cap, reserved, _ = read_budget(engine, experiment_scope(experiment_id))
    models = _models(crossings, groups, spending)
    missing = {stage: sum(m.planned - m.answered for m in models if m.stage == stage) for stage in STAGES}
    source = read_source(engine, experiment_id)
    return ExperimentProgress(
        experiment_id,
        models,
        crossings,
        groups,
        spending,
        spent_usd(spending),
        expected_usd(missing, spending),
        to_usd(reserved),
        None if cap is None else to_usd(cap),
        {stage: spent_usd(row for row in spending if row.stage == stage) for stage in STAGES},
        source["made_of"]["scores"][:_DIGEST_CHARS] if source else None,
        last_refusals(engine, experiment_id).get(experiment_id),
    )


@lru_cache(maxsize=16)
def _kept_crossings(engine: Engine, experiment_id: str, planned: int) -> Sequence[Crossing]:  # noqa: ARG001
    """The plan, read again only where it has grown: to add it up takes as long as all else together."""
    return tuple(read_crossings(engine, experiment_id))


def _models(
    crossings: Iterable[Crossing], groups: Iterable[OpenGroup], spending: Sequence[SpendingRow]
) -> list[ModelCalls]:
    planned: dict[tuple[Stage, str], int] = {}
    for crossing in crossings:
        key = (crossing.stage, crossing.model)
        planned[key] = planned.get(key, 0) + crossing.cells
    by_model = count_by_model(groups)
    return [
        ModelCalls(
            stage,
            model,
            cells,
            by_model.get((stage, model), {}),
            spent_usd(row for row in spending if (row.stage, row.model_id) == (stage, model)),
        )
        for (stage, model), cells in in_order(planned)
    ]
