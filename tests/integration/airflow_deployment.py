"""A real Airflow on a temporary home, with the real simulator as its provider."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from daydreaming.cli.environment import USER, Home
from daydreaming.cli.rest import DAG_ID, AirflowClient
from daydreaming.cli.services import start, stop
from daydreaming.llm.simulator import SimulatorConfig, SimulatorProcess
from daydreaming.settings import Settings

_ENDED = ("success", "failed")
_RUN_TIMEOUT_S = 300.0


@dataclass
class Instance:
    """One task instance, as Airflow's database has it."""

    task_id: str
    map_index: int
    state: str
    pool: str
    rendered_map_index: str | None
    end_date: str


@dataclass
class RunningAirflow:
    """A deployment under test."""

    client: AirflowClient
    settings: Settings
    home: Home
    simulator: SimulatorProcess

    def trigger(self, conf: Mapping[str, Any], dag_id: str = DAG_ID, run_id: str | None = None) -> str:
        """Start a run; returns its ID."""
        deadline = time.monotonic() + _RUN_TIMEOUT_S
        while self.client.send("GET", f"/api/v2/dags/{dag_id}").status_code != 200:
            assert time.monotonic() < deadline, f"{dag_id} is not parsed"
            time.sleep(0.5)
        body = {"conf": dict(conf), "logical_date": None, "dag_run_id": run_id}
        return self.client.request("POST", f"/api/v2/dags/{dag_id}/dagRuns", json=body)["dag_run_id"]

    def wait(self, run_id: str, dag_id: str = DAG_ID) -> str:
        """Wait until a run has ended; returns its state."""
        deadline = time.monotonic() + _RUN_TIMEOUT_S
        while (state := self.state(run_id, dag_id)) not in _ENDED:
            assert time.monotonic() < deadline, f"{run_id} is still {state}: {self.instances(run_id, dag_id)}"
            time.sleep(0.5)
        return state

    def state(self, run_id: str, dag_id: str = DAG_ID) -> str:
        """State of a run; '' where there is none."""
        response = self.client.send("GET", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}")
        return response.json()["state"] if response.status_code == 200 else ""

    def wait_for_runs(self, dag_id: str, partition_key: str, count: int) -> list[dict[str, Any]]:
        """Wait until a partition of a DAG has had so many runs and they have ended; oldest first."""
        deadline = time.monotonic() + _RUN_TIMEOUT_S
        path = f"/api/v2/dags/{dag_id}/dagRuns?order_by=run_after"
        while True:
            found = self.client.request("GET", path)["dag_runs"]
            runs = [run for run in found if run["partition_key"] == partition_key]
            if len(runs) >= count and all(run["state"] in _ENDED for run in runs):
                return runs
            assert time.monotonic() < deadline, f"{dag_id} has had {len(runs)} runs: {runs}"
            time.sleep(0.5)

    def clear_failed(self, run_id: str) -> None:
        """What "clear only failed" on the run does in the UI."""
        body = {"dry_run": False, "dag_run_id": run_id, "only_failed": True, "reset_dag_runs": True}
        self.client.request("POST", f"/api/v2/dags/{DAG_ID}/clearTaskInstances", json=body)

    def instances(self, run_id: str, dag_id: str = DAG_ID, task_id: str | None = None) -> list[Instance]:
        """Task instances of a run, in order of task and map index."""
        query = (
            "SELECT task_id, map_index, state, pool, rendered_map_index, end_date FROM task_instance "
            "WHERE dag_id = ? AND run_id = ? ORDER BY task_id, map_index"
        )
        with closing(sqlite3.connect(self.home.path / "airflow.db")) as database:
            found = [Instance(*row) for row in database.execute(query, (dag_id, run_id))]
        return [instance for instance in found if task_id in (None, instance.task_id)]


@contextmanager
def running_airflow(
    folder: Path, config: SimulatorConfig, environment: Mapping[str, str]
) -> Iterator[RunningAirflow]:
    """Start everything below ``folder`` (its ``inputs`` are there already); end it at the end."""
    with pytest.MonkeyPatch.context() as patch, SimulatorProcess(config) as simulator:
        connection = {"conn_type": "openai", "host": simulator.base_url, "password": config.api_key}
        patch.setenv("AIRFLOW_HOME", str(folder / "airflow"))
        patch.setenv("AIRFLOW_CONN_LOCAL_LLM", json.dumps(connection))
        patch.setenv("DAYDREAMING_INPUTS_ROOT", str(folder / "inputs"))
        patch.setenv("DAYDREAMING_DATA_ROOT", str(folder / "data"))
        for name, value in environment.items():
            patch.setenv(name, value)
        home, settings = Home.from_env(), Settings.from_env()
        deployment = start(home, settings, port=0, llm="none", say=lambda _line: None)
        try:
            with closing(AirflowClient(deployment.url, USER, home.password())) as client:
                yield RunningAirflow(client, settings, home, simulator)
        finally:
            stop(home)
