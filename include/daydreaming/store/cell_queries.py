"""Single cells of an experiment: what is planned for an essay, and why a cell has no answer."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from daydreaming.inputs.records import Stage
from daydreaming.store.plans import PlannedCell

if TYPE_CHECKING:
    from sqlalchemy import Engine


@dataclass(frozen=True)
class PlannedVerdict:
    """A planned evaluation, and the run that planned it last."""

    run_id: str
    cell: PlannedCell


@dataclass(frozen=True)
class LastFailure:
    """The latest failed attempt at a cell; see ``schema.CellFailure``."""

    error_class: str
    message: str
    attempt: int
    final: bool
    occurred_at: datetime


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


def last_failures(
    engine: Engine, experiment_id: str, stage: Stage, cell_ids: Collection[str]
) -> dict[str, LastFailure]:
    """The latest failure of each cell that has one, in any run of the experiment."""
    from sqlalchemy import select

    from daydreaming.store.schema import CellFailure

    columns = [getattr(CellFailure, name) for name in LastFailure.__dataclass_fields__]
    query = (
        select(CellFailure.cell_id, *columns)
        .where(
            CellFailure.experiment_id == experiment_id,
            CellFailure.cell_id.in_(cell_ids),
            CellFailure.stage == stage,
        )
        .order_by(CellFailure.id)
    )
    with engine.connect() as connection:
        return {cell_id: LastFailure(*rest) for cell_id, *rest in connection.execute(query)}


def cells_in_flight(engine: Engine, stage: Stage, cell_ids: Collection[str], now: datetime) -> set[str]:
    """Those of some cells that are being called, or wait for their turn to be sent."""
    from sqlalchemy import select

    from daydreaming.store.schema import Claim

    held = (Claim.stage == stage, Claim.cell_id.in_(cell_ids), Claim.expires_at > now)
    with engine.connect() as connection:
        return set(connection.scalars(select(Claim.cell_id).where(*held)))


def members_among(engine: Engine, experiment_id: str, stage: Stage, cell_ids: Collection[str]) -> set[str]:
    """Those of some responses that serve an experiment."""
    from sqlalchemy import select

    from daydreaming.store.schema import Membership

    mine = (
        Membership.experiment_id == experiment_id,
        Membership.stage == stage,
        Membership.cell_id.in_(cell_ids),
    )
    with engine.connect() as connection:
        return set(connection.scalars(select(Membership.cell_id).where(*mine)))
