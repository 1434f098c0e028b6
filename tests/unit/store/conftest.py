from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.migrate import upgrade_database


@pytest.fixture(params=["sqlite"])
def results_settings(request, tmp_path) -> Settings:
    """Settings of an empty results database; each kind that is supported is a parameter."""
    assert request.param == "sqlite"
    return Settings(tmp_path / "inputs", tmp_path / "data")


@pytest.fixture
def results_engine(results_settings) -> Iterator[Engine]:
    """The engine of a migrated, empty results database."""
    upgrade_database(results_settings)
    engine = engine_for(results_settings)
    yield engine
    engine.dispose()
