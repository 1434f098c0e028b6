"""Insert-or-update for both databases that are supported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy import Connection

#: SQLite allows 32,766 variables in a statement; the widest table has about 35 columns.
_CHUNK = 500


def upsert(connection: Connection, model: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows, each whole; a row with the same primary key is replaced."""
    table = model.__table__
    keys = [column.name for column in table.primary_key]
    for chunk in _chunks(rows):
        # Rows apart from the statement: so SQLAlchemy compiles it once per process.
        statement = insert_for(connection)(table)
        values = {name: statement.excluded[name] for name in chunk[0] if name not in keys}
        connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=values), chunk)


def insert_missing(connection: Connection, model: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows whose primary key is not there yet; leave the others as they are."""
    for chunk in _chunks(rows):
        connection.execute(insert_for(connection)(model.__table__).values(chunk).on_conflict_do_nothing())


def _chunks(rows: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    return [list(rows[start : start + _CHUNK]) for start in range(0, len(rows), _CHUNK)]


def insert_for(connection: Connection) -> Any:
    """The dialect's ``insert``, which knows ``ON CONFLICT``."""
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert as postgresql_insert

        return postgresql_insert
    from sqlalchemy.dialects.sqlite import insert as sqlite_insert

    return sqlite_insert
