"""Rows as lines of JSON and back, of either kind of database."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import select

from daydreaming.store.schema import Base, CellFailure
from daydreaming.store.table_dump import (
    DumpedTable,
    continue_numbers,
    dump_rows,
    dumped_tables,
    first_full_table,
    load_rows,
)

ROW = [7, "demo", "run-1", "generation", "g", "free", 1, "LLMTransientError", "Träume\n", True]
TIME = "2026-01-02T03:04:05.000678+00:00"


def table(name):
    [found] = [one for one in dumped_tables() if one.name == name]
    return found


def line(*values):
    return json.dumps(values).encode() + b"\n"


def test_every_table_is_dumped():
    assert {one.name for one in dumped_tables()} == set(Base.metadata.tables)
    assert dict(table("runs").columns)["params"] == "json"
    assert dict(table("runs").columns)["created_at"] == "time"
    assert dict(table("runs").columns)["shard"] == "plain"


def test_rows_come_back_as_they_were_written(results_engine):
    failures, runs = table("failures"), table("runs")
    failed = line(*ROW, TIME)
    run = line("r", "demo", "d", "p", {"k_max": 2, "x": [None, 0.1]}, TIME, None, 1, 1, None)
    with results_engine.begin() as connection:
        assert load_rows(connection, failures, [failed]) == 1
        assert load_rows(connection, runs, [run]) == 1
    with results_engine.connect() as connection:
        assert [json.loads(row) for row in dump_rows(connection, failures)] == [[*ROW, TIME]]
        assert [json.loads(row) for row in dump_rows(connection, runs)] == [json.loads(run)]


def test_numbers_go_on_after_those_that_were_loaded(results_engine):
    with results_engine.begin() as connection:
        load_rows(connection, table("failures"), [line(*ROW, TIME)])
        continue_numbers(connection)
        columns = [name for name, _ in table("failures").columns if name != "id"]
        [row] = connection.execute(select(CellFailure)).mappings()
        connection.execute(Base.metadata.tables["failures"].insert(), {name: row[name] for name in columns})
        assert list(connection.scalars(select(CellFailure.id).order_by(CellFailure.id))) == [7, 8]


def test_the_first_table_with_a_row_is_named(results_engine):
    with results_engine.begin() as connection:
        assert first_full_table(connection) is None
        load_rows(connection, table("failures"), [line(*ROW, TIME)])
        assert first_full_table(connection) == "failures"


@pytest.mark.parametrize(
    "given",
    [
        DumpedTable("nothing", (("a", "plain"),)),
        DumpedTable("budgets", (("scope", "plain"),)),
    ],
)
def test_a_table_of_another_schema_is_refused(results_engine, given):
    with (
        results_engine.begin() as connection,
        pytest.raises(ValueError, match=f"its table {given.name} is not that of its own schema"),
    ):
        load_rows(connection, given, [])


def test_a_line_with_too_few_values_is_refused(results_engine):
    with results_engine.connect() as connection, pytest.raises(ValueError, match="shorter"):
        load_rows(connection, table("budgets"), [line("x")])
