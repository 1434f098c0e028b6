"""More workers, by the command of the docs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.compose.documented import inline
from tests.compose.engine import run
from tests.compose.stack import Stack, wait_for

pytestmark = pytest.mark.integration


@pytest.fixture
def second(stack: Stack) -> Iterator[str]:
    """The container of a second worker."""
    container = stack.container("airflow-worker", 2)
    stack.shell(inline("docker compose up --detach --scale"))
    yield container
    run([stack.engine.program, "rm", "--force", container])


def test_a_second_worker_answers_through_the_queue_beside_the_first(stack: Stack, second: str):
    first = stack.container("airflow-worker")
    for container in (first, second):
        wait_for(f"answer of {container}", lambda container=container: stack.engine.is_healthy(container))
    # The check asks for the worker of this name, so two answered.
    hosts = [run([stack.engine.program, "exec", name, "hostname"]).stdout for name in (first, second)]
    assert hosts[0] != hosts[1]
