"""The REST calls of the documents, typed as they stand there, in a shell, to a real Airflow."""

from __future__ import annotations

import json
import time
from pathlib import Path
from urllib.parse import quote

import pytest

from daydreaming.settings import DAG_ID
from tests.integration.airflow_deployment import RunningAirflow
from tests.support.documents import replaced
from tests.support.rest_calls import CALLS, login_text
from tests.support.shell import type_in_shell

pytestmark = pytest.mark.integration

DOCUMENTED = CALLS
_LOG_IN, START, STATE, FAILED, CLEAR = (block.text for block in DOCUMENTED)

_PATIENCE_S = 300.0


@pytest.fixture(scope="module")
def typed(airflow: RunningAirflow, tmp_path_factory: pytest.TempPathFactory):
    """Type a call after the login; the answer's JSON object."""
    login = login_text(airflow.client.url, airflow.client.password)
    folder: Path = tmp_path_factory.mktemp("typed")
    return lambda call: json.loads(type_in_shell(login + call, folder).stdout)


@pytest.fixture(scope="module")
def run_id(airflow: RunningAirflow, typed) -> str:
    """A dry run of an experiment that is saved here, started as it is shown and ended."""
    deadline = time.monotonic() + _PATIENCE_S
    while not airflow.client.dag_is_ready():
        assert time.monotonic() < deadline, f"{DAG_ID} is not parsed"
        time.sleep(1)
    call = replaced(START, '"experiment": "demo"', '"experiment": "faulty", "dry_run": true')
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
    assert "k_max" in typed(replaced(START, '"k_max": 2', '"k_max": "two"'))["detail"]


def _of(call: str, run_id: str) -> str:
    """A call with a run's ID, which is written as the page says where it is in the address."""
    return replaced(call, "RUN_ID", run_id if call == CLEAR else quote(run_id, safe=""))
