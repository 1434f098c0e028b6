"""Tables of statistics a part at a time: some have a row for each essay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from daydreaming.store.statistics import SOURCE_NAME

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Engine


def list_tables(engine: Engine, experiment_id: str) -> dict[str, int]:
    """Rows of each table of an experiment's statistics, by name; without empty ones."""
    from sqlalchemy import func, select

    from daydreaming.store.schema import Statistic

    query = (
        select(Statistic.table_name, func.count())
        .where(Statistic.experiment_id == experiment_id, Statistic.table_name != SOURCE_NAME)
        .group_by(Statistic.table_name)
        .order_by(Statistic.table_name)
    )
    with engine.connect() as connection:
        return {name: int(count) for name, count in connection.execute(query)}


def read_rows(
    engine: Engine,
    experiment_id: str,
    table_name: str,
    *,
    where: Mapping[str, Sequence[str]] | None = None,
    limit: int | None = None,
    offset: int = 0,
) -> list[dict[str, Any]]:
    """Rows of one table in its order.

    Args:
        engine: The results database.
        experiment_id: Whose statistics.
        table_name: The table.
        where: Texts that a column may have, by column.
        limit: At most so many.
        offset: After so many.
    """
    from sqlalchemy import select

    from daydreaming.store.schema import Statistic

    query = select(Statistic.row).where(*_mine(experiment_id, table_name, where or {}))
    with engine.connect() as connection:
        return list(connection.scalars(query.order_by(Statistic.position).limit(limit).offset(offset)))


def _mine(
    experiment_id: str, table_name: str, where: Mapping[str, Sequence[str]]
) -> list[ColumnElement[bool]]:
    from daydreaming.store.schema import Statistic

    return [
        Statistic.experiment_id == experiment_id,
        Statistic.table_name == table_name,
        *(Statistic.row[column].as_string().in_(values) for column, values in where.items()),
    ]
