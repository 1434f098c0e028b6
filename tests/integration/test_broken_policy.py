"""With a cluster policy that cannot read its plan, Airflow goes on: it only loses pools and labels."""

from __future__ import annotations

from pathlib import Path

import pytest

from daydreaming.llm.simulator import SimulatorConfig
from daydreaming.store.database import SQLITE_NAME
from tests.integration.airflow_deployment import running_airflow

pytestmark = [pytest.mark.integration, pytest.mark.own_processes]

#: The names that the policy looks for, and a task that needs nothing.
STAND_IN = """
from airflow.sdk import dag, task


@task
def plan_generations() -> list[int]:
    return [0, 1, 2]


@task
def generate(index: int) -> None:
    print(index)


@dag(schedule=None, is_paused_upon_creation=False)
def daydream_experiment():
    generate.expand(index=plan_generations())


daydream_experiment()
"""


def test_instances_run_in_the_default_pool_where_the_plan_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "inputs").mkdir()
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "stand_in.py").write_text(STAND_IN, encoding="utf-8")
    environment = {"AIRFLOW__CORE__DAGS_FOLDER": str(tmp_path / "dags")}
    with running_airflow(tmp_path, SimulatorConfig(api_key="sk-any-key"), environment) as airflow:
        for file in airflow.settings.data_root.glob(f"{SQLITE_NAME}*"):
            file.unlink()
        (airflow.settings.data_root / SQLITE_NAME).write_bytes(b"this is no database" * 1000)

        run_id = airflow.trigger({})
        assert airflow.wait(run_id) == "success"
        mapped = airflow.instances(run_id, task_id="generate")
        assert [(i.map_index, i.state, i.pool) for i in mapped] == [
            (index, "success", "default_pool") for index in range(3)
        ]
        log = (airflow.home.path / "logs" / "services" / "scheduler.log").read_text()
        assert "daydreaming policy: could not place" in log
