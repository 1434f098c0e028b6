from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from daydreaming.cli.rest import DAG_ID
from tests.compose.documented import SIMULATOR, line_with
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
    with running_stack(engine, tmp_path_factory.mktemp("machine") / "deployment") as started:
        yield started


@pytest.fixture(scope="session")
def experiment(stack: Stack) -> str:
    """The saved experiment ``demo``, run once; returns what the command printed."""
    return stack.shell(line_with(SIMULATOR, "run demo"))


@pytest.fixture(scope="session")
def run_url(experiment: str) -> str:
    """Its run, as the REST API names it."""
    found = re.search(r"^Run (\S+) of", experiment, re.MULTILINE)
    assert found, experiment
    return f"/api/v2/dags/{DAG_ID}/dagRuns/{quote(found[1], safe='')}"
