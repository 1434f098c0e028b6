"""Which responses serve which experiments: those that one of its runs planned."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any

from daydreaming.inputs.records import Stage
from daydreaming.store.id_chunks import id_chunks

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine


def add_landed(connection: Connection, stage: Stage, cell_ids: Collection[str]) -> None:
    """Make responses members of every experiment that planned their cells."""
    from daydreaming.store.schema import PlannedCall

    _insert(connection, _planned(stage).where(PlannedCall.cell_id.in_(cell_ids)))


def add_answered(connection: Connection, run_id: str, stage: Stage) -> None:
    """Make what is answered already of a run's plan members of its experiment."""
    from daydreaming.store.results import response_key
    from daydreaming.store.schema import PlannedCall

    answered = PlannedCall.cell_id == response_key(stage)
    query = _planned(stage).join(response_key(stage).class_, answered)
    _insert(connection, query.where(PlannedCall.run_id == run_id))


def remove_members(connection: Connection, stage: Stage, cell_ids: Iterable[str]) -> None:
    """Remove responses that are gone from every experiment."""
    from sqlalchemy import delete

    from daydreaming.store.schema import Membership

    for chunk in id_chunks(cell_ids):
        rows = (Membership.stage == stage, Membership.cell_id.in_(chunk))
        connection.execute(delete(Membership).where(*rows))


def read_members(engine: Engine, experiment_id: str, stage: Stage) -> set[str]:
    """IDs of the responses that serve an experiment."""
    from sqlalchemy import select

    from daydreaming.store.schema import Membership

    mine = (Membership.experiment_id == experiment_id, Membership.stage == stage)
    with engine.connect() as connection:
        return set(connection.scalars(select(Membership.cell_id).where(*mine)))


def set_members(engine: Engine, experiment_id: str, stage: Stage, cell_ids: Collection[str]) -> None:
    """Make exactly these responses the members of an experiment; nothing is written where they are.

    Args:
        engine: Whose transactions take the write lock (``database.writing_engine``).
        experiment_id: The experiment.
        stage: Of the responses.
        cell_ids: Theirs.
    """
    from sqlalchemy import delete

    from daydreaming.store.schema import Membership
    from daydreaming.store.upsert import insert_missing

    known = read_members(engine, experiment_id, stage)
    missing, gone = sorted(set(cell_ids) - known), sorted(known - set(cell_ids))
    if not missing and not gone:
        return
    mine = (Membership.experiment_id == experiment_id, Membership.stage == stage)
    with engine.begin() as connection:
        rows = [{"experiment_id": experiment_id, "stage": stage, "cell_id": cell} for cell in missing]
        insert_missing(connection, Membership, rows)
        for chunk in id_chunks(gone):
            connection.execute(delete(Membership).where(*mine, Membership.cell_id.in_(chunk)))


def _planned(stage: Stage) -> Any:
    from sqlalchemy import select

    from daydreaming.store.schema import PlannedCall, Run

    columns = (Run.experiment_id, PlannedCall.stage, PlannedCall.cell_id)
    return (
        select(*columns)
        .select_from(PlannedCall)
        .join(Run, Run.run_id == PlannedCall.run_id)
        .where(PlannedCall.stage == stage)
        .distinct()
        # Who inserts in one order waits for the other, and is not waited for by it.
        .order_by(*columns)
    )


def _insert(connection: Connection, query: Any) -> None:
    from daydreaming.store.schema import Membership
    from daydreaming.store.upsert import insert_for

    # SQLite takes ON CONFLICT after a SELECT only where that has a WHERE, as these have.
    statement = insert_for(connection)(Membership.__table__)
    names = ["experiment_id", "stage", "cell_id"]
    connection.execute(statement.from_select(names, query).on_conflict_do_nothing())
