"""The real simulator, for those modules that say with which ``CALM`` settings."""

from __future__ import annotations

import pytest

from daydreaming.llm.simulator.process import SimulatorProcess


@pytest.fixture(scope="module")
def server(request):
    with SimulatorProcess(request.module.CALM) as process:
        yield process


@pytest.fixture
def simulator(server, request):
    """It, calm again and with its counters at zero."""
    server.control(**request.module.CALM.changeable())
    server.reset(attempts=True)
    return server
