"""The tables of statistics in the results database, on SQLite and PostgreSQL."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import StatementError

from daydreaming.store.schema import Statistic
from daydreaming.store.statistics import SOURCE_NAME, read_source, read_statistics, replace_statistics

ROWS = [{"name": name, "mean": mean} for name, mean in (("b", 7.25), ("a", None), ("ü'\"", -1))]


def count(engine) -> int:
    with engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(Statistic)) or 0


def test_rows_are_read_in_the_order_of_the_table(results_engine):
    replace_statistics(results_engine, "demo", {"final_results": ROWS}, {"scores": "1"})
    assert read_statistics(results_engine, "demo", "final_results") == ROWS
    assert read_source(results_engine, "demo") == {"scores": "1"}


def test_more_rows_than_one_statement_takes_stay_in_order(results_engine):
    many = [{"n": n} for n in range(1203)]
    replace_statistics(results_engine, "demo", {"pivot": many}, {})
    assert read_statistics(results_engine, "demo", "pivot") == many


def test_writing_again_replaces_each_table_whole(results_engine):
    replace_statistics(results_engine, "demo", {"friedman": ROWS, "old": ROWS}, {"scores": "1"})
    replace_statistics(results_engine, "demo", {"friedman": ROWS[1:2], "new": []}, {"scores": "2"})
    assert read_statistics(results_engine, "demo", "friedman") == ROWS[1:2]
    assert read_statistics(results_engine, "demo", "old") == []
    assert read_source(results_engine, "demo") == {"scores": "2"}
    assert count(results_engine) == 2


def test_a_table_that_has_become_empty_leaves_no_row(results_engine):
    replace_statistics(results_engine, "demo", {"friedman": ROWS}, {})
    replace_statistics(results_engine, "demo", {"friedman": []}, {})
    assert read_statistics(results_engine, "demo", "friedman") == []


def test_other_experiments_are_left_alone(results_engine):
    replace_statistics(results_engine, "demo", {"friedman": ROWS}, {"scores": "1"})
    replace_statistics(results_engine, "other", {"friedman": ROWS[:1]}, {"scores": "2"})
    assert read_statistics(results_engine, "demo", "friedman") == ROWS
    assert read_source(results_engine, "demo") == {"scores": "1"}


def test_an_experiment_without_statistics_has_no_source(results_engine):
    assert read_source(results_engine, "demo") is None
    assert read_statistics(results_engine, "demo", SOURCE_NAME) == []


def test_a_failure_in_between_leaves_what_was_there(results_engine):
    replace_statistics(results_engine, "demo", {"friedman": ROWS}, {"scores": "1"})
    tables = {"friedman": [], "unfit": [{"x": object()}]}
    with pytest.raises(StatementError, match="JSON"):
        replace_statistics(results_engine, "demo", tables, {"scores": "2"})
    assert read_statistics(results_engine, "demo", "friedman") == ROWS
    assert read_source(results_engine, "demo") == {"scores": "1"}
