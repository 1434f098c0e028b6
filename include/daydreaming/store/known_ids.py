"""One planned cell by its ID, with what belongs to it; and which IDs there are near one that is not known."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from daydreaming.inputs.records import Stage
from daydreaming.store.plans import PlannedCell, RunRecord

if TYPE_CHECKING:
    from sqlalchemy import Engine

#: IDs on either side of one that is not known: those that begin like it.
_NEIGHBOURS = 40


@dataclass(frozen=True)
class KnownCell:
    """A planned cell, and the run that planned it last, of whichever experiment."""

    run: RunRecord
    cell: PlannedCell


def find_cell(engine: Engine, cell_id: str) -> KnownCell | None:
    """A planned generation or evaluation by its ID; None where nobody planned it."""
    from sqlalchemy import select

    from daydreaming.store.schema import PlannedCall, Run

    columns = [getattr(Run, name) for name in RunRecord.__dataclass_fields__]
    columns += [getattr(PlannedCall, name) for name in PlannedCell.__dataclass_fields__]
    query = (
        select(*columns)
        .join(PlannedCall, PlannedCall.run_id == Run.run_id)
        .where(PlannedCall.cell_id == cell_id)
        .order_by(Run.created_at.desc(), Run.run_id.desc())
        .limit(1)
    )
    with engine.connect() as connection:
        row = connection.execute(query).one_or_none()
    if row is None:
        return None
    count = len(RunRecord.__dataclass_fields__)
    return KnownCell(RunRecord(*row[:count]), PlannedCell(*row[count:]))


def evaluations_of(engine: Engine, generation_task_id: str) -> list[PlannedCell]:
    """Planned evaluations of an essay, each once; by rubric, judge and replicate."""
    from sqlalchemy import select

    from daydreaming.store.schema import PlannedCall

    columns = [getattr(PlannedCall, name) for name in PlannedCell.__dataclass_fields__]
    query = select(*columns).where(
        PlannedCall.stage == "evaluation", PlannedCall.generation_task_id == generation_task_id
    )
    with engine.connect() as connection:
        cells = {cell.cell_id: cell for cell in (PlannedCell(*row) for row in connection.execute(query))}
    return sorted(
        cells.values(),
        key=lambda cell: (str(cell.evaluation_template), str(cell.evaluation_model), cell.replicate),
    )


def experiments_of_cell(engine: Engine, stage: Stage, cell_id: str) -> list[str]:
    """IDs of the experiments that planned a cell, sorted."""
    from sqlalchemy import select

    from daydreaming.store.schema import PlannedCall, Run

    query = (
        select(Run.experiment_id)
        .join(PlannedCall, PlannedCall.run_id == Run.run_id)
        .where(PlannedCall.stage == stage, PlannedCall.cell_id == cell_id)
        .distinct()
    )
    with engine.connect() as connection:
        return sorted(connection.scalars(query))


def concepts_of(engine: Engine, combo_id: str) -> tuple[tuple[str, ...], str]:
    """Concept IDs and description level of a combination; empty where it is not known."""
    from sqlalchemy import select

    from daydreaming.store.schema import Combination

    query = select(Combination.concept_ids, Combination.description_level)
    with engine.connect() as connection:
        row = connection.execute(query.where(Combination.combo_id == combo_id)).one_or_none()
    return ((), "") if row is None else (tuple(row[0]), row[1])


def latest_failure(engine: Engine, stage: Stage, cell_id: str) -> dict[str, Any] | None:
    """The last failed attempt at a cell; None where none failed."""
    from sqlalchemy import select

    from daydreaming.store.schema import CellFailure

    query = (
        select(CellFailure.__table__)
        .where(CellFailure.stage == stage, CellFailure.cell_id == cell_id)
        .order_by(CellFailure.id.desc())
        .limit(1)
    )
    with engine.connect() as connection:
        row = connection.execute(query).mappings().one_or_none()
    return None if row is None else dict(row)


def neighbouring_ids(engine: Engine, cell_id: str) -> list[str]:
    """Planned IDs that begin most like one that is not known: to compare with all would take too long."""
    from sqlalchemy import select

    from daydreaming.store.schema import PlannedCall

    with engine.connect() as connection:
        known = sorted(set(connection.scalars(select(PlannedCall.cell_id))))
    place = bisect_left(known, cell_id)
    return known[max(0, place - _NEIGHBOURS) : place + _NEIGHBOURS]
