from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.compose.engine import NEITHER, Engine, find_engine
from tests.compose.stack import Stack, running_stack


@pytest.fixture(scope="session")
def engine() -> Engine:
    found = find_engine()
    if found is None:
        pytest.fail(NEITHER, pytrace=False)
    return found


@pytest.fixture(scope="session")
def stack(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The whole deployment, started once for all tests: it takes minutes."""
    with running_stack(engine, tmp_path_factory.mktemp("deployment")) as started:
        yield started
