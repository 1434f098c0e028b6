"""The REST calls of the documents, typed as they stand there, in a shell, to a real Airflow."""

from __future__ import annotations

import json
import subprocess
import time
from urllib.parse import quote

import pytest

from daydreaming.cli.environment import USER
from daydreaming.settings import DAG_ID
from tests.integration.airflow_deployment import RunningAirflow
from tests.support.documents import ROOT, blocks

pytestmark = pytest.mark.integration

LOG_IN, START, STATE, FAILED, CLEAR = [
    block.text for block in blocks(ROOT / "docs/reference/rest.md") if block.language == "sh"
]

_PATIENCE_S = 300.0


def _replaced(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new)


@pytest.fixture(scope="module")
def login(airflow: RunningAirflow) -> str:
    """What is typed first, with the address and the password of this Airflow."""
    text = _replaced(LOG_IN, "http://127.0.0.1:8080", airflow.client.url)
    return _replaced(_replaced(text, "PASSWORD", airflow.client.password), '"admin"', f'"{USER}"')


@pytest.fixture(scope="module")
def typed(login: str):
    """Type a call after the login; the answer's JSON object."""

    def run(call: str) -> dict:
        done = subprocess.run(["bash", "-ec", login + call], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


@pytest.fixture(scope="module")
def run_id(airflow: RunningAirflow, typed) -> str:
    """A dry run of an experiment that is saved here, started as it is shown and ended."""
    deadline = time.monotonic() + _PATIENCE_S
    while not airflow.client.dag_is_ready():
        assert time.monotonic() < deadline, f"{DAG_ID} is not parsed"
        time.sleep(1)
    call = _replaced(START, '"experiment": "demo"', '"experiment": "faulty", "dry_run": true')
    started = typed(call)
    assert started["conf"]["experiment_id"] == "demo_pairs"
    return str(started["dag_run_id"])


def test_a_run_is_started_and_its_state_is_told(typed, run_id: str) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while (state := typed(_of(STATE, run_id))["state"]) in ("queued", "running"):
        assert time.monotonic() < deadline, state
        time.sleep(1)
    assert state == "success"


def test_failed_instances_are_listed_and_cleared(typed, airflow: RunningAirflow, run_id: str) -> None:
    airflow.wait(run_id)
    assert typed(_of(FAILED, run_id))["total_entries"] == 0
    assert typed(_of(CLEAR, run_id))["total_entries"] == 0


def test_a_value_of_the_wrong_type_is_refused(typed, run_id: str) -> None:
    assert "k_max" in typed(_replaced(START, '"k_max": 2', '"k_max": "two"'))["detail"]


def _of(call: str, run_id: str) -> str:
    """A call with a run's ID, which is written as the page says where it is in the address."""
    return _replaced(call, "RUN_ID", run_id if call == CLEAR else quote(run_id, safe=""))
