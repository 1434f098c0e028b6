"""Both databases in one command. A real Airflow's own is in tests/integration."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from types import SimpleNamespace

import pytest
from sqlalchemy import text

from daydreaming.cli import databases
from daydreaming.cli import migrate as command
from daydreaming.cli.databases import DatabaseSchema, migrate_databases, schema_line
from daydreaming.errors import StoreError
from daydreaming.store.database import engine_for
from daydreaming.store.migrate import VERSION_TABLE, latest_revision, read_revision
from tests.support.first_release import make_first_release

SECRET = "hunter2hunter2"
OLD = {"version": "3.3.2", "before": "aaa", "after": "bbb", "is_known": True, "is_current": False}
CURRENT = {**OLD, "before": "bbb", "is_current": True}


@pytest.fixture
def airflow(monkeypatch):
    """What Airflow says of its database, and how often it was migrated; ``programs`` are what was run."""
    said = SimpleNamespace(answer=OLD, programs=[], code=0)

    def run(arguments, **_):
        said.programs.append(arguments)
        if arguments[-1] == "migrate":
            said.answer = CURRENT
            return SimpleNamespace(returncode=said.code, stdout="", stderr="log\nbroken")
        out = f"chatter\n{json.dumps(said.answer)}\n"
        return SimpleNamespace(returncode=said.code, stdout=out, stderr="log\nbroken")

    for module in (databases, command):
        monkeypatch.setattr(module, "subprocess", SimpleNamespace(run=run))
    return said


def test_each_is_said_from_where_to_where(settings, airflow, daydreaming):
    make_first_release(engine_for(settings))
    result = daydreaming("migrate")
    assert (result.code, result.err) == (0, "")
    assert result.out == (
        f"The results database: was migrated from 0001 to {latest_revision()}\n"
        "Airflow's metadata database: was migrated from aaa to bbb\n"
    )
    assert read_revision(settings) == latest_revision()


def test_where_both_are_current_nothing_is_done(settings, airflow, daydreaming):
    daydreaming("migrate")
    airflow.programs.clear()
    result = daydreaming("migrate")
    assert result.code == 0
    assert result.out.splitlines()[1] == "Airflow's metadata database: current (bbb)"
    assert len(airflow.programs) == 1


def test_a_check_changes_nothing_and_its_exit_code_says_whether_anything_is_to_be_done(
    settings, airflow, daydreaming
):
    result = daydreaming("migrate", "--check")
    assert result.code == 1
    assert f"The results database: is to be made ({latest_revision()})" in result.out
    assert read_revision(settings) is None
    assert not (settings.data_root / "results.sqlite3").exists()
    daydreaming("migrate")
    assert daydreaming("migrate", "--check").code == 0


def test_as_json_it_is_one_object(settings, airflow, daydreaming):
    printed = json.loads(daydreaming("migrate", "--check", "--json").out)
    assert printed["databases"] == [
        {"database": "results", "before": None, "after": latest_revision(), "is_current": False},
        {"database": "metadata", "before": "aaa", "after": "bbb", "is_current": False},
    ]


def test_a_newer_metadata_database_leaves_both_alone(settings, airflow, daydreaming):
    airflow.answer = {**OLD, "is_known": False}
    result = daydreaming("migrate")
    assert result.code == 2
    assert result.err == (
        "Error: Airflow's metadata database has the schema aaa of a newer release; Airflow 3.3.2 does not "
        "know it. Install that release again, or a later one. Nothing was changed.\n"
    )
    assert read_revision(settings) is None


def test_a_newer_results_database_leaves_both_alone(settings, airflow, daydreaming):
    daydreaming("migrate")
    airflow.answer, airflow.programs = OLD, []
    with engine_for(settings).begin() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    result = daydreaming("migrate")
    assert (result.code, airflow.programs) == (2, [])
    assert result.err.startswith("Error: The results database has the schema 9999 of a newer release")
    assert result.err.count("\n") == 1


def test_a_results_database_that_does_not_answer_is_one_line_without_its_password(
    settings, airflow, daydreaming, monkeypatch
):
    monkeypatch.setenv("AIRFLOW_CONN_DAYDREAMING_RESULTS", f"postgresql://me:{SECRET}@127.0.0.1:1/results")
    result = daydreaming("migrate")
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert "The results database cannot be used: connection to server at" in result.err
    assert SECRET not in result.err


def test_a_metadata_database_that_does_not_answer_is_one_line(settings, airflow, daydreaming):
    airflow.answer = {"error": "connection refused"}
    result = daydreaming("migrate", "--check")
    assert result.err == (
        "Error: Airflow's metadata database cannot be used: connection refused. Check AIRFLOW_HOME and "
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN. Nothing was changed.\n"
    )


def test_an_airflow_that_does_not_start_is_one_line(settings, airflow, daydreaming):
    airflow.code = 1
    result = daydreaming("migrate")
    assert (
        result.err
        == "Error: Airflow cannot be asked for its metadata database: broken. Nothing was changed.\n"
    )


def test_a_migration_of_airflow_that_fails_says_its_last_word(settings, airflow, daydreaming, monkeypatch):
    failing = SimpleNamespace(returncode=1, stdout="", stderr="log\nno room\n")
    monkeypatch.setattr(command, "subprocess", SimpleNamespace(run=lambda *_, **__: failing))
    assert daydreaming("migrate").err == (
        "Error: `airflow db migrate` failed: no room. The results database is migrated.\n"
    )


def test_tables_of_providers_alone_may_be_behind():
    schema = DatabaseSchema("metadata", "bbb", "bbb", False)
    assert schema_line(schema) == (
        "Airflow's metadata database: was migrated: tables of Airflow's providers (bbb)"
    )


def test_a_caller_migrates_airflow_in_its_own_way(settings, airflow):
    called: list[str] = []
    migrate_databases(settings, {}, lambda: called.append("now"))
    assert called == ["now"]
    airflow.answer = CURRENT
    migrate_databases(settings, {}, lambda: called.append("again"))
    assert called == ["now"]


def test_what_fails_in_the_middle_is_the_callers_error(settings, airflow):
    def fail():
        raise StoreError("no room")

    with pytest.raises(StoreError, match="no room"):
        migrate_databases(replace(settings), {}, fail)
    assert subprocess.run is not databases.subprocess.run
