"""How an experiment reads the verdicts that it shares with another, which reads them in another way.

``evaluations`` has one reading of each verdict. What is asked of one experiment must be that experiment's:
so a query joins these few rows, and takes what they say before what the row of the verdict says.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from daydreaming.store.id_chunks import id_chunks

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection, Engine

#: Columns that ``evaluations`` has too.
READ_COLUMNS = ("parser", "score_min", "score_max", "score", "score_error")
#: (experiment, evaluation): what a row goes by.
OwnKey = tuple[str, str]
_READ_AT_ONCE = 1_000


def with_own_readings(query: Any, experiment: Any) -> Any:
    """Join the readings of an experiment to a query of evaluations; each keeps its one row.

    Args:
        query: Reads ``evaluations``.
        experiment: ID, or the column that has it.
    """
    from sqlalchemy import and_

    from daydreaming.store.schema import EvaluationResponse, OwnReading

    same = OwnReading.evaluation_task_id == EvaluationResponse.evaluation_task_id
    return query.outerjoin(OwnReading, and_(OwnReading.experiment_id == experiment, same))


def own_column(name: str) -> ColumnElement[Any]:
    """One of ``READ_COLUMNS`` as the experiment reads it, in a query ``with_own_readings``."""
    from sqlalchemy import case

    from daydreaming.store.schema import EvaluationResponse, OwnReading

    # Not the first that is not NULL: a verdict that is not scored has a NULL of its own.
    column = getattr(EvaluationResponse, name)
    return case((OwnReading.parser.is_not(None), getattr(OwnReading, name)), else_=column)


def read_as(
    engine: Engine, experiment_id: str, rows: Iterable[Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Rows of ``evaluations`` by ID, read as an experiment reads them."""
    from sqlalchemy import select

    from daydreaming.store.schema import OwnReading

    by_id = {row["evaluation_task_id"]: dict(row) for row in rows}
    query = select(OwnReading.__table__).where(OwnReading.experiment_id == experiment_id)
    with engine.connect() as connection:
        for chunk in id_chunks(by_id):
            own = query.where(OwnReading.evaluation_task_id.in_(chunk))
            for found in connection.execute(own).mappings():
                by_id[found["evaluation_task_id"]] |= {name: found[name] for name in READ_COLUMNS}
    return by_id


def read_own_readings(engine: Engine, evaluation_ids: Iterable[str]) -> dict[OwnKey, dict[str, Any]]:
    """Rows of ``own_readings`` of some verdicts, of all experiments."""
    from sqlalchemy import select

    from daydreaming.store.schema import OwnReading

    query = select(OwnReading.__table__)
    with engine.connect() as connection:
        return {
            (row["experiment_id"], row["evaluation_task_id"]): dict(row)
            for chunk in id_chunks(evaluation_ids)
            for row in connection.execute(query.where(OwnReading.evaluation_task_id.in_(chunk))).mappings()
        }


def stream_own_readings(engine: Engine, experiment_id: str) -> Iterator[tuple[Any, ...]]:
    """How an experiment reads each verdict that it reads in a way of its own, by ID: a few in memory."""
    from sqlalchemy import select

    from daydreaming.store.schema import OwnReading

    columns = [getattr(OwnReading, name) for name in ("evaluation_task_id", *READ_COLUMNS)]
    query = select(*columns).where(OwnReading.experiment_id == experiment_id)
    with engine.connect() as connection:
        reading = connection.execution_options(yield_per=_READ_AT_ONCE)
        for row in reading.execute(query.order_by(OwnReading.evaluation_task_id)):
            yield tuple(row)


def set_own_readings(
    engine: Engine, evaluation_ids: Collection[str], wanted: Mapping[OwnKey, Mapping[str, Any]]
) -> None:
    """Make these the own readings of some verdicts, of all experiments; write only what differs.

    Args:
        engine: Whose transactions take the write lock (``database.writing_engine``).
        evaluation_ids: The verdicts.
        wanted: Rows of ``own_readings``.
    """
    from sqlalchemy import bindparam, delete

    from daydreaming.store.schema import OwnReading
    from daydreaming.store.upsert import upsert

    known = read_own_readings(engine, evaluation_ids)
    changed = [row for key, row in sorted(wanted.items()) if row != known.get(key)]
    gone = [{"name": name, "verdict": cell_id} for name, cell_id in sorted(known.keys() - wanted.keys())]
    if not changed and not gone:
        return
    one = (
        OwnReading.experiment_id == bindparam("name"),
        OwnReading.evaluation_task_id == bindparam("verdict"),
    )
    with engine.begin() as connection:
        upsert(connection, OwnReading, changed)
        if gone:
            connection.execute(delete(OwnReading).where(*one), gone)


def delete_own_readings(connection: Connection, evaluation_ids: Iterable[str]) -> None:
    """Remove the readings of verdicts that are gone, or were answered anew."""
    from sqlalchemy import delete

    from daydreaming.store.schema import OwnReading

    for chunk in id_chunks(evaluation_ids):
        connection.execute(delete(OwnReading).where(OwnReading.evaluation_task_id.in_(chunk)))
