from __future__ import annotations

import json

import pytest

from daydreaming.llm.simulator import SimulatorConfig, SimulatorProcess
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.files import DataRoot
from daydreaming.triggers import desk
from tests.support.experiments import make_settings, planned_run

KEY = "sk-very-secret-0123456789"
CALM = SimulatorConfig(seed=5, api_key=KEY, retry_after_s=0)


@pytest.fixture(autouse=True)
def deferral_known(monkeypatch):
    """No executor waits for these triggers to fail."""
    monkeypatch.setattr("daydreaming.triggers.llm.DEFERRAL_KNOWN_AFTER_S", 0.0)


@pytest.fixture(scope="session")
def simulator_process():
    with SimulatorProcess(CALM) as process:
        yield process


@pytest.fixture
def simulator(simulator_process):
    """The real simulator, calm and with its counters at zero."""
    simulator_process.control(**CALM.changeable())
    simulator_process.reset(attempts=True)
    return simulator_process


@pytest.fixture
def connect(monkeypatch):
    """Define an Airflow connection of type openai, as a deployment does it."""

    def define(host, conn_id="openrouter_default", password=KEY, **extra):
        value = json.dumps({"conn_type": "openai", "host": host, "password": password, "extra": extra})
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", value)

    return define


@pytest.fixture
def settings(tmp_path, monkeypatch) -> Settings:
    """A small inputs tree and an empty data root, which the environment names too."""
    made = make_settings(tmp_path, call_attempts=2, call_timeout_s=20.0)
    monkeypatch.setenv("DAYDREAMING_INPUTS_ROOT", str(made.inputs_root))
    monkeypatch.setenv("DAYDREAMING_DATA_ROOT", str(made.data_root))
    monkeypatch.setenv("DAYDREAMING_CALL_ATTEMPTS", "2")
    monkeypatch.setenv("DAYDREAMING_CALL_TIMEOUT_S", "20")
    return made


@pytest.fixture
def impatient(monkeypatch):
    """No call waits for long before it asks again."""
    monkeypatch.setattr(desk, "POLL_S", 0.02)
    monkeypatch.setattr("daydreaming.llm.retry.BACKOFF_BASE_S", 0.01)


@pytest.fixture
def connected(connect, simulator):
    """The connection of the models, to the simulator."""
    connect(simulator.base_url)


@pytest.fixture
def engine(settings):
    """The results database, with a run that is planned."""
    planned_run(settings)
    return engine_for(settings)


@pytest.fixture
def files(settings):
    """The data root."""
    return DataRoot(settings.data_root)
