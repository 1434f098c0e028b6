"""Single cells of an experiment: what is planned for an essay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from daydreaming.store.plans import PlannedCell

if TYPE_CHECKING:
    from sqlalchemy import Engine


@dataclass(frozen=True)
class PlannedVerdict:
    """A planned evaluation, and the run that planned it last."""

    run_id: str
    cell: PlannedCell


def read_planned_verdicts(
    engine: Engine, experiment_id: str, generation_task_id: str
) -> list[PlannedVerdict]:
    """Evaluations of one essay that the runs of an experiment planned, by rubric, judge and replicate."""
    from sqlalchemy import select

    from daydreaming.store.schema import PlannedCall, Run

    columns = [getattr(PlannedCall, name) for name in PlannedCell.__dataclass_fields__]
    query = (
        select(Run.run_id, *columns)
        .join(PlannedCall, PlannedCall.run_id == Run.run_id)
        .where(
            Run.experiment_id == experiment_id,
            PlannedCall.stage == "evaluation",
            PlannedCall.generation_task_id == generation_task_id,
        )
        .order_by(Run.created_at, Run.run_id)
    )
    with engine.connect() as connection:
        found = [PlannedVerdict(row[0], PlannedCell(*row[1:])) for row in connection.execute(query)]
    latest = {planned.cell.cell_id: planned for planned in found}
    return sorted(latest.values(), key=_place)


def _place(planned: PlannedVerdict) -> tuple[str, str, int]:
    cell = planned.cell
    return str(cell.evaluation_template), str(cell.evaluation_model), cell.replicate
