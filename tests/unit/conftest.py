from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

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
