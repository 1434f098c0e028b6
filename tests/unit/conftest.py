from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from weakref import WeakSet

import pytest
from sqlalchemy import Engine, event

from daydreaming.analysis import tables
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.migrate import upgrade_database
from tests.support.postgres import PostgresServer
from tests.support.remembered import remembered_results
from tests.support.s3 import S3Server, use_server

_engines: WeakSet[Engine] = WeakSet()
event.listen(Engine, "engine_connect", lambda connection: _engines.add(connection.engine))


@pytest.fixture(autouse=True, scope="module")
def _few_open_files() -> Iterator[None]:
    """Each test has databases of its own, whose connections would stay open until they are collected."""
    yield
    for engine in list(_engines):
        engine.dispose()
    _engines.clear()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server. Where it does not start, the tests that use it fail."""
    with PostgresServer() as server:
        yield server


@pytest.fixture(scope="session")
def migrated_template(postgres) -> str:
    """A database with all tables and no rows, to copy: quicker than migrating each."""
    name = postgres.create_database()
    settings = Settings(Path("/none"), Path("/none"), results_conn=postgres.uri(name))
    upgrade_database(settings)
    engine_for(settings).dispose()
    return name


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """An S3 server. Where it does not start, the tests that use it fail."""
    with S3Server() as server:
        yield server


@pytest.fixture
def s3(s3_server, monkeypatch) -> S3Server:
    """The same, which this process reaches."""
    use_server(monkeypatch, s3_server.environment())
    return s3_server


@pytest.fixture(autouse=True, scope="session")
def _remembered() -> Iterator[None]:
    """Most runs and experiments of these tests are alike."""
    with remembered_results():
        yield


#: Tests of what is around the statistics: some of the tables do, and take a fraction of the time.
_FEW_TABLES = (
    "test_verify",
    "test_rebuild",
    "test_rejudge",
    "test_rejudge_command",
    "test_rescore",
    "test_rescore_command",
    "test_show_command",
    "test_essays_command",
    "test_watch_command",
    "test_reader",
    "test_text_search",
    "test_table_turns",
    "test_object_root",
)
_TABLES = ("final_results", "evaluator_agreement_analysis", "friedman", "g_study", "judge_audit")


@pytest.fixture(autouse=True, scope="module")
def _few_tables(request: pytest.FixtureRequest) -> Iterator[None]:
    if request.module.__name__.rpartition(".")[2] not in _FEW_TABLES:
        yield
        return
    few = {name: tables.ANALYSES[name] for name in _TABLES}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "ANALYSES", few)
        yield
