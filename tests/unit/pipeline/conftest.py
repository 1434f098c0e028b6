from __future__ import annotations

from pathlib import Path

import pytest

from daydreaming.settings import Settings
from tests.support.experiments import make_settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A small inputs tree and an empty data root."""
    return make_settings(tmp_path)
