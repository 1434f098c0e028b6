from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import Engine

from daydreaming.settings import Settings
from daydreaming.store import migrate
from daydreaming.store.database import engine_for, writing_engine


class Clock:
    """The limiter's clock, which stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = 1_772_366_400.0

    def __call__(self, _connection: object) -> float:
        return self.now

    def forward(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


@pytest.fixture
def clock(monkeypatch) -> Clock:
    """The clock of the limiter and of the leases."""
    made = Clock()
    for module in ("limiter", "admission"):
        monkeypatch.setattr(f"daydreaming.store.{module}.limiter_clock", made)
    return made


@pytest.fixture(params=["sqlite", "postgres"])
def results_settings(request, tmp_path) -> Iterator[Settings]:
    """Settings of an empty results database; each kind that is supported is a parameter.

    PostgreSQL's has its tables already: a copy of a migrated one.
    """
    yield from _settings(request, tmp_path, "migrated_template")


@pytest.fixture(params=["sqlite", "postgres"])
def bare_settings(request, tmp_path) -> Iterator[Settings]:
    """The same without any table."""
    yield from _settings(request, tmp_path, None)


def _settings(request, tmp_path, template: str | None) -> Iterator[Settings]:
    settings = Settings(tmp_path / "inputs", tmp_path / "data")
    if request.param == "sqlite":
        yield settings
        return
    copied = request.getfixturevalue(template) if template else None
    with request.getfixturevalue("postgres").database(copied) as uri:
        yield replace(settings, results_conn=uri)


@pytest.fixture
def results_engine(results_settings) -> Iterator[Engine]:
    """The engine of a migrated, empty results database."""
    migrate.upgrade_database(results_settings)  # at run time: a copy, too, where it is an SQLite file
    engine = engine_for(results_settings)
    yield engine
    engine.dispose()


@pytest.fixture
def writing(results_settings, results_engine) -> Iterator[Engine]:
    """The engine whose transactions take the write lock when they begin."""
    engine = writing_engine(results_settings)
    yield engine
    engine.dispose()
