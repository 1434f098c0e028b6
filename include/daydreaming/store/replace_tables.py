"""Put the tables of one database in the place of another's, in one transaction or not at all.

What is only of the moment stays as it is: leases, starts, what was learned of models' limits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from daydreaming.errors import StoreError
from daydreaming.store.admission import lease_time
from daydreaming.store.plans import insert_rows

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

#: Rows that are held at a time.
_ROWS = 5_000


def rebuilt_tables() -> tuple[Any, ...]:
    """The tables that files tell everything of."""
    from daydreaming.store import schema

    return (
        schema.Experiment,
        schema.Run,
        schema.Combination,
        schema.PlannedCall,
        schema.GenerationResponse,
        schema.EvaluationResponse,
        schema.Membership,
        schema.Score,
        schema.OwnReading,
        schema.Rating,
        schema.Statistic,
        schema.CellFailure,
        schema.LLMCall,
        schema.Budget,
    )


def count_live_leases(connection: Connection) -> int:
    """How many cells are being called now."""
    from sqlalchemy import func, select

    from daydreaming.store.schema import Claim

    live = select(func.count()).select_from(Claim).where(Claim.expires_at > lease_time(connection))
    return connection.scalar(live) or 0


def require_rest(connection: Connection) -> None:
    """Refuse to go on while calls are being made.

    Raises:
        StoreError: Says how many, and what to do.
    """
    live = count_live_leases(connection)
    if live:
        raise StoreError(
            f"Calls are being made now ({live}). Wait until the runs have ended, or stop them; what a "
            "process that was killed had leased is free after 90 s. Then rebuild again. Nothing was changed."
        )


def read_marks(connection: Connection) -> dict[str, object]:
    """What tells whether anybody has written meanwhile: rows by table, attempts by state, caps, refusals."""
    from sqlalchemy import func, select

    from daydreaming.store.schema import Budget, LLMCall, Run

    counts = {
        table.__tablename__: connection.scalar(select(func.count()).select_from(table)) or 0
        for table in rebuilt_tables()
    }
    states = select(LLMCall.state, func.count()).group_by(LLMCall.state)
    caps = select(Budget.scope, Budget.cap_nanousd).where(Budget.cap_nanousd.is_not(None))
    refusals = select(Run.run_id, Run.refusal).where(Run.refusal.is_not(None))
    return counts | {
        f"{what} {key}": value
        for what, query in (("llm_calls", states), ("cap", caps), ("refusal", refusals))
        for key, value in connection.execute(query)
    }


def replace_tables(
    source: Engine, target: Engine, unchanged_since: Mapping[str, object], on_table: Callable[[], None]
) -> dict[str, int]:
    """Replace every rebuilt table of ``target`` by that of ``source``.

    Args:
        source: A database that nobody else uses.
        target: Whose transactions take the write lock when they begin (``database.writing_engine``).
        unchanged_since: What ``read_marks`` said of the target before ``source`` was made.
        on_table: Called after each table.

    Returns:
        Rows by table.

    Raises:
        StoreError: Calls are being made, or somebody has written meanwhile; the target is unchanged.
    """
    with target.begin() as connection, source.connect() as reading:
        _lock(connection)
        require_rest(connection)
        if read_marks(connection) != dict(unchanged_since):
            raise StoreError(
                "A run has written to the results database during the rebuild, or somebody has set a cap or "
                "refused an estimate. Nothing was changed: rebuild again when no run is active."
            )
        counts = {}
        for table in rebuilt_tables():
            counts[table.__tablename__] = _replace(reading, connection, table)
            on_table()
    return counts


def _lock(connection: Connection) -> None:
    """PostgreSQL lets others write while we do, unless it is told otherwise; they can read all the time."""
    if connection.dialect.name == "postgresql":
        names = ", ".join(table.__tablename__ for table in rebuilt_tables())
        connection.exec_driver_sql(f"LOCK TABLE {names} IN EXCLUSIVE MODE")


def _replace(reading: Connection, writing: Connection, table: Any) -> int:
    from sqlalchemy import delete, select

    # A number that the database gives is its own.
    columns = [column for column in table.__table__.columns if column.autoincrement is not True]
    writing.execute(delete(table))
    query = select(*columns).order_by(*table.__table__.primary_key)
    rows = reading.execution_options(yield_per=_ROWS).execute(query).mappings()
    return insert_rows(writing, table.__table__, map(dict, rows))
