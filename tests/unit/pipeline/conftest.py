from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from daydreaming.settings import Settings
from tests.support.experiments import make_settings


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
