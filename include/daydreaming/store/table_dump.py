"""Every row of the results database as JSON lines, the same whichever kind of database it is."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, get_args

from daydreaming.store.plans import insert_rows

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.types import TypeEngine

#: How a value is written: a time as ISO 8601 in UTC, JSON and the rest (text, numbers, booleans) as JSON.
Kind = Literal["time", "json", "plain"]
#: Rows that are held at a time.
_ROWS = 5_000


@dataclass(frozen=True)
class DumpedTable:
    """A table of a dump.

    Attributes:
        columns: Name and kind of each, in the order of the values of a row.
    """

    name: str
    columns: tuple[tuple[str, Kind], ...]

    def __post_init__(self) -> None:
        wrong = [kind for _, kind in self.columns if kind not in get_args(Kind)]
        if wrong:
            raise ValueError(f"table {self.name}: unknown kind {wrong[0]!r}")


def dumped_tables() -> list[DumpedTable]:
    """Every table of the current schema."""
    from daydreaming.store.schema import Base

    return [
        DumpedTable(table.name, tuple((column.name, _kind(column.type)) for column in table.columns))
        for table in Base.metadata.sorted_tables
    ]


def _kind(type_: TypeEngine[Any]) -> Kind:
    from sqlalchemy import JSON

    from daydreaming.store.schema import UtcDateTime

    if isinstance(type_, UtcDateTime):
        return "time"
    return "json" if isinstance(type_, JSON) else "plain"


def dump_rows(connection: Connection, table: DumpedTable) -> Iterator[bytes]:
    """The rows of a table of the current schema, by primary key: one line each, a JSON list."""
    from sqlalchemy import select

    from daydreaming.store.schema import Base

    found = Base.metadata.tables[table.name]
    query = select(*found.columns).order_by(*found.primary_key)
    for row in connection.execution_options(yield_per=_ROWS).execute(query):
        yield json.dumps([_written(value) for value in row], separators=(",", ":")).encode() + b"\n"


def _written(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def load_rows(connection: Connection, table: DumpedTable, lines: Iterable[bytes]) -> int:
    """Insert dumped rows; returns how many there were.

    Args:
        connection: To a database whose schema is that of the dump.
        table: What the dump says of the table.
        lines: Its rows.

    Raises:
        ValueError: The database has no such table, or other columns; or a line is no row.
    """
    from sqlalchemy import column
    from sqlalchemy import table as named_table

    _require_same(connection, table)
    types = _types()
    columns = [column(name, types[kind]) for name, kind in table.columns]
    return insert_rows(connection, named_table(table.name, *columns), _read_rows(table, lines))


def _read_rows(table: DumpedTable, lines: Iterable[bytes]) -> Iterator[Mapping[str, Any]]:
    names = [name for name, _ in table.columns]
    times = [index for index, (_, kind) in enumerate(table.columns) if kind == "time"]
    for line in lines:
        values = json.loads(line)
        for index in times:
            values[index] = values[index] and datetime.fromisoformat(values[index])
        yield dict(zip(names, values, strict=True))


def _types() -> Mapping[Kind, TypeEngine[Any]]:
    from sqlalchemy import JSON
    from sqlalchemy.types import NullType

    from daydreaming.store.schema import UtcDateTime

    return {"time": UtcDateTime(), "json": JSON(none_as_null=True), "plain": NullType()}


def _require_same(connection: Connection, table: DumpedTable) -> None:
    from sqlalchemy import inspect

    inspector = inspect(connection)
    has = inspector.has_table(table.name)
    columns = {column["name"] for column in inspector.get_columns(table.name)} if has else set()
    if columns != {name for name, _ in table.columns}:
        raise ValueError(f"its table {table.name} is not that of its own schema")


def first_full_table(connection: Connection) -> str | None:
    """A table of ours that holds a row; None where all are empty, or there are none."""
    from sqlalchemy import inspect, literal_column, select
    from sqlalchemy import table as named_table

    there = set(inspect(connection).get_table_names())
    for name in sorted(there & set(_names(dumped_tables()))):
        if connection.execute(select(literal_column("1")).select_from(named_table(name)).limit(1)).first():
            return name
    return None


def _names(tables: Sequence[DumpedTable]) -> list[str]:
    return [table.name for table in tables]


def continue_numbers(connection: Connection) -> None:
    """Let the database go on numbering after the rows that came with their numbers (PostgreSQL)."""
    from sqlalchemy import func, select

    from daydreaming.store.schema import Base

    if connection.dialect.name != "postgresql":
        return
    for table in Base.metadata.sorted_tables:
        for column in table.columns:
            if column.autoincrement is True:
                largest = func.max(column)
                numbers = func.pg_get_serial_sequence(table.name, column.name)
                next_ = func.setval(numbers, func.coalesce(largest, 1), largest.isnot(None))
                connection.execute(select(next_).select_from(table))
