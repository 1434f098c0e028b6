from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.migrate import upgrade_database
from tests.support.postgres import PostgresServer


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
