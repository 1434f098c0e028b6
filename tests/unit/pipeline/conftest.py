from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from daydreaming.pipeline.verify import verify
from daydreaming.settings import Settings
from tests.support.backups import Original, dispose, fewest_tables, make_original
from tests.support.experiments import answer_all, make_settings, planned_run


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A small inputs tree and an empty data root."""
    return make_settings(tmp_path)


@pytest.fixture(params=["sqlite", "postgres"])
def each_settings(request, tmp_path) -> Iterator[Settings]:
    """A small inputs tree and an empty data root, with each kind of database."""
    if request.param == "sqlite":
        yield make_settings(tmp_path)
        return
    with request.getfixturevalue("postgres").database(request.getfixturevalue("migrated_template")) as uri:
        yield make_settings(tmp_path, results_conn=uri)


@pytest.fixture(scope="session")
def original(tmp_path_factory) -> Original:
    """A finished data root with its backup; not to be changed."""
    return make_original(tmp_path_factory.mktemp("original"))


@pytest.fixture(scope="module")
def few_tables() -> Iterator[None]:
    """For modules that use it."""
    with fewest_tables():
        yield


@pytest.fixture(scope="session")
def original_findings(original) -> dict[str, Any]:
    """What ``verify`` finds there."""
    with fewest_tables():
        return verify(original.settings).to_json()


@pytest.fixture
def empty_sqlite(original, tmp_path) -> Settings:
    """An empty machine."""
    return replace(original.settings, data_root=tmp_path / "restored")


@pytest.fixture(params=["sqlite", "postgres"])
def empty(request, empty_sqlite) -> Iterator[Settings]:
    """The same, with each kind of database."""
    if request.param == "sqlite":
        yield empty_sqlite
        return
    with request.getfixturevalue("postgres").database() as uri:
        settings = replace(empty_sqlite, results_conn=uri)
        yield settings
        dispose(settings)


@pytest.fixture
def small(settings) -> Settings:
    """One experiment, answered."""
    planned_run(settings)
    answer_all(settings, "run-1")
    return settings
