from __future__ import annotations

import pytest
from structlog.contextvars import clear_contextvars

from daydreaming.settings import Settings
from tests.support.experiments import make_settings


@pytest.fixture
def settings(tmp_path, monkeypatch) -> Settings:
    """A small inputs tree and an empty data root, which the environment names too."""
    made = make_settings(tmp_path)
    monkeypatch.setenv("DAYDREAMING_INPUTS_ROOT", str(made.inputs_root))
    monkeypatch.setenv("DAYDREAMING_DATA_ROOT", str(made.data_root))
    return made


@pytest.fixture(autouse=True)
def own_log_fields():
    """A task has a process of its own: what it binds to its log ends with it."""
    yield
    clear_contextvars()
