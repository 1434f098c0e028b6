from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.experiments import edit_input, make_inputs


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A small, valid inputs root."""
    return make_inputs(tmp_path)


@pytest.fixture
def edit(root: Path) -> Callable[[str, str, str], None]:
    """Replace a text in one file of the inputs root."""

    def replace(name: str, old: str, new: str) -> None:
        edit_input(root, name, old, new)

    return replace
