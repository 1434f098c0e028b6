from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from daydreaming.settings import project_root
from tests.support.remembered import remembered_results

DAGS = sorted((project_root() / "dags").glob("*.py"))


@pytest.fixture(autouse=True, scope="session")
def _remembered() -> Iterator[None]:
    """The runs of these tests are alike."""
    with remembered_results():
        yield


@pytest.fixture(scope="session")
def parse_dags() -> Callable[..., dict[str, Any]]:
    """Parse every DAG file in one process of its own, with all that it must not touch out of reach."""

    @cache
    def parse(**env: str) -> dict[str, Any]:
        result = subprocess.run(
            [sys.executable, "-m", "tests.support.dag_probe", *map(str, DAGS)],
            env={**os.environ, **env},
            cwd=project_root(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        return dict(json.loads(result.stdout[result.stdout.index('{"dags"') :]))

    return parse


@pytest.fixture
def dags(parse_dags) -> dict[str, Any]:
    """The DAGs by ID, as they are with the shipped inputs."""
    return dict(parse_dags()["dags"])


@pytest.fixture(scope="session")
def shipped_inputs() -> Path:
    """The inputs that we ship."""
    return project_root() / "data"
