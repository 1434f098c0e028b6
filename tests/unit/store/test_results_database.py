"""Where the results database is, and that its tables are made once and rightly."""

from __future__ import annotations

import json
import multiprocessing
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import inspect, make_url, text

from daydreaming.errors import InputError
from daydreaming.settings import Settings
from daydreaming.store import migrate
from daydreaming.store.database import SQLITE_NAME, engine_for, results_url, single_use_engine, warm_engine
from daydreaming.store.migrate import VERSION_TABLE, upgrade_database
from daydreaming.store.plans import read_run
from daydreaming.store.ratings import read_ratings
from daydreaming.store.results import insert_failure, read_failures
from daydreaming.store.schema import Base

SECRET = "hunter2hunter2"
JSON = {"conn_type": "postgres", "host": "db", "schema": "results"}

#: The newest file of store/migrations/versions.
LATEST = "0006"


def settings_with(connection: str) -> Settings:
    return Settings(Path("/in"), Path("/out"), results_conn=connection)


@pytest.mark.parametrize(
    ("connection", "url"),
    [
        (f"postgresql://me:{SECRET}@db:5433/results", f"postgresql+psycopg2://me:{SECRET}@db:5433/results"),
        (f"postgres://me:{SECRET}@db/results", f"postgresql+psycopg2://me:{SECRET}@db/results"),
        ("postgresql+psycopg2://db/results", "postgresql+psycopg2://db/results"),
        ("postgresql://me:a%40b%2Fc@db/results", "postgresql+psycopg2://me:a%40b%2Fc@db/results"),
        ("postgresql://db/results?sslmode=require", "postgresql+psycopg2://db/results?sslmode=require"),
        (
            json.dumps({**JSON, "login": "me", "password": SECRET}),
            f"postgresql+psycopg2://me:{SECRET}@db:5432/results",
        ),
        (
            f" {json.dumps({**JSON, 'login': 'm:e', 'password': 'a@b/c:d', 'port': 5433})} ",
            "postgresql+psycopg2://m%3Ae:a%40b%2Fc%3Ad@db:5433/results",
        ),
        (json.dumps(JSON), "postgresql+psycopg2://@db:5432/results"),
        (
            json.dumps({**JSON, "extra": {"sslmode": "verify-full", "sslrootcert": "/a b.pem"}}),
            "postgresql+psycopg2://@db:5432/results?sslmode=verify-full&sslrootcert=%2Fa+b.pem",
        ),
        (
            json.dumps({**JSON, "extra": '{"connect_timeout": 5}'}),
            "postgresql+psycopg2://@db:5432/results?connect_timeout=5",
        ),
        (json.dumps({**JSON, "extra": ""}), "postgresql+psycopg2://@db:5432/results"),
    ],
)
def test_both_forms_of_the_connection_give_the_url(connection, url):
    assert results_url(settings_with(connection)) == url
    assert make_url(url).host == "db"


def test_a_password_with_special_characters_arrives_as_it_is():
    for connection in (
        "postgresql://m:a%40b%2Fc%3A%25@db/r",
        '{"conn_type": "postgres", "host": "db", "schema": "r", "login": "m", "password": "a@b/c:%"}',
    ):
        assert make_url(results_url(settings_with(connection))).password == "a@b/c:%"


@pytest.mark.parametrize(
    ("connection", "got"),
    [
        (f"mysql://me:{SECRET}@db/results", "got scheme 'mysql'"),
        (SECRET, "got no scheme"),
        (f"postgresql://me:{SECRET}@/results", "got no host or database"),
        (f"postgresql://me:{SECRET}@db", "got no host or database"),
        (f"postgresql://me:{SECRET}@db:{SECRET}/results", "got no URI"),
        (f"postgresql://me:12/{SECRET}@db/results", "got no host or database"),
        (f"postgresql://me:{SECRET}/x@db/results", "got no URI"),
        (f"postgresql://me:[{SECRET}@db/results", "got no URI"),
        (
            f'{{"conn_type": "mysql", "host": "db", "schema": "r", "password": "{SECRET}"}}',
            "conn_type 'mysql'",
        ),
        (f'{{"conn_type": "postgres", "password": "{SECRET}"}}', "got JSON without host and schema"),
        (
            f'{{"conn_type": "postgres", "host": "db", "schema": "r", "port": "x", "password": "{SECRET}"}}',
            "got port 'x'",
        ),
        (f'{{"password": "{SECRET}"}}', "got conn_type None"),
        (f'{{"password": "{SECRET}"', "got text that is no JSON"),
        (json.dumps({**JSON, "extra": f"{{{SECRET}"}), "got an extra that is no JSON"),
        (json.dumps({**JSON, "extra": [SECRET]}), "got an extra that is no JSON object"),
        (json.dumps({**JSON, "extra": {"sslmode": True}}), "an extra whose 'sslmode' is neither text"),
    ],
)
def test_a_connection_that_cannot_be_used_is_refused_without_telling_the_password(connection, got):
    with pytest.raises(InputError, match=f"AIRFLOW_CONN_DAYDREAMING_RESULTS must be .*{got}") as caught:
        results_url(settings_with(connection))
    shown = [str(caught.value)]
    error = caught.value
    while (error := error.__cause__) is not None:
        shown.append(str(error))
    assert SECRET not in "".join(shown)


@pytest.mark.parametrize("name", ["plain", "with space", "a?b=c", "a%20b", "a#b", "ä@:x"])
def test_without_a_connection_it_is_sqlite_in_the_data_root_whatever_that_is_called(tmp_path, name):
    settings = Settings(tmp_path, tmp_path / name)
    upgrade_database(settings)
    assert (tmp_path / name / SQLITE_NAME).is_file()
    assert {path.name for path in tmp_path.iterdir()} == {name}


@pytest.mark.parametrize("results_settings", ["sqlite"], indirect=True)
def test_sqlite_is_in_wal_mode(results_engine):
    with results_engine.connect() as connection:
        assert connection.scalar(text("PRAGMA journal_mode")) == "wal"


def test_a_process_has_one_engine_per_database(results_settings, tmp_path):
    assert engine_for(results_settings) is engine_for(results_settings)
    assert engine_for(results_settings) is not engine_for(Settings(tmp_path, tmp_path / "other"))


def in_a_fork(function):
    """What ``function`` returns in a forked process."""
    fork = multiprocessing.get_context("fork")
    answers = fork.SimpleQueue()
    process = fork.Process(target=lambda: answers.put(function()))
    process.start()
    process.join()
    assert process.exitcode == 0
    return answers.get()


def test_a_forked_process_inherits_what_was_compiled_but_no_connection(results_engine, results_settings):
    read_failures(results_engine, "e")  # leaves a connection in the pool
    assert results_engine.pool.checkedin() == 1
    pool, compiled = in_a_fork(
        lambda: (engine_for(results_settings).pool.checkedin(), len(results_engine._compiled_cache))
    )
    assert (pool, compiled) == (0, len(results_engine._compiled_cache))
    assert results_engine.pool.checkedin() == 1
    assert in_a_fork(lambda: read_failures(engine_for(results_settings), "e")) == []


def test_an_engine_is_warmed_for_those_who_will_be_forked(results_engine, results_settings):
    before = len(results_engine._compiled_cache)
    warm_engine(results_settings)
    assert len(results_engine._compiled_cache) == before + 1
    assert results_engine.pool.checkedin() == 0


def test_an_engine_is_not_warmed_where_that_would_make_a_database(tmp_path):
    warm_engine(Settings(tmp_path, tmp_path / "none"))
    assert list(tmp_path.rglob("*.sqlite3")) == []


def test_a_single_use_engine_keeps_no_connection_open(results_engine, results_settings):
    engine = single_use_engine(results_settings)
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
    assert type(engine.pool).__name__ == "NullPool"


def test_migrations_from_nothing_make_what_the_models_say(results_engine):
    with results_engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "version_table": VERSION_TABLE}
        )
        assert compare_metadata(context, Base.metadata) == []


def test_migrations_have_a_version_table_of_their_own(results_engine):
    tables = set(inspect(results_engine).get_table_names())
    assert tables == {*Base.metadata.tables, VERSION_TABLE}


def test_migrating_again_keeps_the_rows(results_engine, results_settings):
    insert_failure(results_engine, failure())
    upgrade_database(results_settings)
    assert len(read_failures(results_engine, "e")) == 1


def migrate_with_others(barrier, settings):
    barrier.wait()
    upgrade_database(settings)


def test_four_processes_may_migrate_an_empty_database_at_once(bare_settings):
    # Forked, as Airflow's processes are: they are at the start line in milliseconds.
    fork = multiprocessing.get_context("fork")
    barrier = fork.Barrier(4)
    processes = [fork.Process(target=migrate_with_others, args=(barrier, bare_settings)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    engine = engine_for(bare_settings)
    with engine.connect() as connection:
        assert list(connection.scalars(text(f"SELECT version_num FROM {VERSION_TABLE}"))) == [LATEST]
    assert set(inspect(engine).get_table_names()) == {*Base.metadata.tables, VERSION_TABLE}
    engine.dispose()


def migrate_to(settings, revision):
    """Bring a database to one revision, up or down."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).with_name("migrations")))
    engine = engine_for(settings)
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        move = command.downgrade if revision == "base" else command.upgrade
        move(config, revision)
        connection.commit()
    return engine


def test_rows_of_the_first_release_outlive_all_migrations(bare_settings):
    engine = migrate_to(bare_settings, "0001")
    run = "('r', 'e', 'd', 'p', '{\"k_max\": 2}', '2026-01-02 03:04:05')"
    with engine.begin() as connection:
        columns = "run_id, experiment_id, inputs_digest, inputs_path, params, created_at"
        connection.execute(text(f"INSERT INTO runs ({columns}) VALUES {run}".replace(":", r"\:")))
    upgrade_database(bare_settings)
    record = read_run(engine, "r")
    assert (record.experiment_id, record.params) == ("e", {"k_max": 2})
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        assert compare_metadata(context, Base.metadata) == []
    engine.dispose()


def test_a_rating_of_an_earlier_release_stays_and_is_of_no_known_response(bare_settings):
    engine = migrate_to(bare_settings, "0005")
    rating = "('a', 'g', 'rigor', 'ada', 6.5, 0, 9, 'Well put.', '2026-01-02 03:04:05')"
    columns = "generation_task_id, evaluation_template, rater, score, score_min, score_max, comment, rated_at"
    values = rating.replace("'a'", f"'{'a' * 32}'").replace(":", r"\:")
    with engine.begin() as connection:
        connection.execute(text(f"INSERT INTO ratings (rating_id, {columns}) VALUES {values}"))
    upgrade_database(bare_settings)
    [found] = read_ratings(engine)
    assert (found.score, found.comment, found.response_sha256) == (6.5, "Well put.", None)
    engine.dispose()


def test_migrations_can_be_undone(bare_settings):
    upgrade_database(bare_settings)
    engine = migrate_to(bare_settings, "base")
    assert inspect(engine).get_table_names() == [VERSION_TABLE]
    engine.dispose()


def failure(**fields):
    row = {
        "experiment_id": "e",
        "run_id": "r",
        "stage": "generation",
        "cell_id": "c",
        "model": "m",
        "attempt": 1,
        "error_class": "LLMTransientError",
        "message": "busy",
        "final": False,
        "occurred_at": datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC),
    }
    return {**row, **fields}


def test_times_come_back_in_utc_whatever_zone_they_were_written_in(results_engine):
    moment = datetime(2026, 1, 2, 1, 0, tzinfo=timezone(timedelta(hours=5)))
    insert_failure(results_engine, failure(occurred_at=moment))
    [row] = read_failures(results_engine, "e")
    assert row["occurred_at"] == moment
    assert row["occurred_at"].tzinfo is UTC
