"""Which planned cell an ID means in whichever experiment, and which IDs there are near an unknown one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import Engine

#: IDs on either side of one that is not known: those that begin like it.
_NEIGHBOURS = 40


@dataclass(frozen=True)
class KnownId:
    """What an ID means.

    Attributes:
        experiment_id: Of the run that planned the cell last, of those that were asked for.
        generation_task_id: The generation that it is, or the one that it judges.
    """

    experiment_id: str
    generation_task_id: str


def find_id(engine: Engine, cell_id: str, experiment_id: str | None = None) -> KnownId | None:
    """A generation or evaluation by its ID; None where nobody, or not the experiment named, planned it."""
    from sqlalchemy import select

    from daydreaming.store.schema import PlannedCall, Run

    query = (
        select(Run.experiment_id, PlannedCall.generation_task_id)
        .join(PlannedCall, PlannedCall.run_id == Run.run_id)
        .where(PlannedCall.cell_id == cell_id)
        .order_by(Run.created_at.desc(), Run.run_id.desc())
        .limit(1)
    )
    if experiment_id is not None:
        query = query.where(Run.experiment_id == experiment_id)
    with engine.connect() as connection:
        row = connection.execute(query).one_or_none()
    return None if row is None else KnownId(*row)


def experiments_of_generation(engine: Engine, generation_task_id: str) -> list[str]:
    """IDs of the experiments that planned a generation, sorted."""
    from sqlalchemy import select

    from daydreaming.store.schema import PlannedCall, Run

    query = (
        select(Run.experiment_id)
        .join(PlannedCall, PlannedCall.run_id == Run.run_id)
        .where(PlannedCall.stage == "generation", PlannedCall.cell_id == generation_task_id)
        .distinct()
    )
    with engine.connect() as connection:
        return sorted(connection.scalars(query))


def read_description_level(engine: Engine, combo_id: str) -> str:
    """The description level of a combination; empty where it is not known."""
    from sqlalchemy import select

    from daydreaming.store.schema import Combination

    query = select(Combination.description_level).where(Combination.combo_id == combo_id)
    with engine.connect() as connection:
        return connection.scalar(query) or ""


def neighbouring_ids(engine: Engine, cell_id: str) -> list[str]:
    """Planned IDs that begin most like one that is not known: to compare with all would take too long."""
    from sqlalchemy import select

    from daydreaming.store.schema import PlannedCall

    column = PlannedCall.cell_id
    known = select(column).distinct().limit(_NEIGHBOURS)
    before = known.where(column < cell_id).order_by(column.desc())
    after = known.where(column >= cell_id).order_by(column)
    with engine.connect() as connection:
        return [*reversed([*connection.scalars(before)]), *connection.scalars(after)]
