"""The tables of statistics in the results database: the rows that the CSV files show, to query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy import Engine

#: Instead of a table's name: what the statistics of an experiment were made of, as one row.
SOURCE_NAME = "source"


def replace_statistics(
    engine: Engine,
    experiment_id: str,
    tables: Mapping[str, Sequence[Mapping[str, Any]]],
    source: Mapping[str, Any],
) -> None:
    """Write the tables of an experiment in one transaction; what was there of others goes.

    Args:
        engine: The results database.
        experiment_id: Whose statistics they are.
        tables: Rows of JSON values by table, in the order of the table.
        source: What they were made of.
    """
    from daydreaming.store.schema import Statistic
    from daydreaming.store.upsert import upsert

    with engine.begin() as connection:
        # The source first: who writes the same experiment at the same time waits here.
        for name, rows in {SOURCE_NAME: [source], **tables}.items():
            upsert(connection, Statistic, _numbered(experiment_id, name, rows))
            connection.execute(_surplus(experiment_id, name, len(rows)))
        connection.execute(_unknown(experiment_id, [SOURCE_NAME, *tables]))


def read_statistics(engine: Engine, experiment_id: str, table_name: str) -> list[dict[str, Any]]:
    """The rows of one table in its order; empty where it has none."""
    from sqlalchemy import select

    from daydreaming.store.schema import Statistic

    query = (
        select(Statistic.row)
        .where(Statistic.experiment_id == experiment_id, Statistic.table_name == table_name)
        .order_by(Statistic.position)
    )
    with engine.connect() as connection:
        return list(connection.scalars(query))


def read_source(engine: Engine, experiment_id: str) -> dict[str, Any] | None:
    """What the statistics of an experiment were made of; None where there are none."""
    rows = read_statistics(engine, experiment_id, SOURCE_NAME)
    return rows[0] if rows else None


def _numbered(experiment_id: str, name: str, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    key = {"experiment_id": experiment_id, "table_name": name}
    return [{**key, "position": position, "row": dict(row)} for position, row in enumerate(rows)]


def _surplus(experiment_id: str, name: str, count: int) -> Any:
    from sqlalchemy import delete

    from daydreaming.store.schema import Statistic

    return delete(Statistic).where(
        Statistic.experiment_id == experiment_id,
        Statistic.table_name == name,
        Statistic.position >= count,
    )


def _unknown(experiment_id: str, names: Sequence[str]) -> Any:
    from sqlalchemy import delete

    from daydreaming.store.schema import Statistic

    return delete(Statistic).where(
        Statistic.experiment_id == experiment_id, Statistic.table_name.not_in(names)
    )
