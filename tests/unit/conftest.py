from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from daydreaming.analysis import tables
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.migrate import upgrade_database
from tests.support.postgres import PostgresServer

_MANY_FILES = 300


@pytest.fixture(autouse=True, scope="module")
def _few_open_files() -> Iterator[None]:
    """Each test has databases of its own, whose connections stay open until they are collected."""
    yield
    if psutil.Process().num_fds() > _MANY_FILES:
        gc.collect()


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


#: Tests of what is around the statistics: some of the tables do, and take a fraction of the time.
_FEW_TABLES = (
    "test_verify",
    "test_rebuild",
    "test_rejudge",
    "test_rejudge_command",
    "test_rescore",
    "test_rescore_command",
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
