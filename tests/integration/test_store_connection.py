"""A bucket whose credentials are a connection in Airflow's own database alone, and which goes down amidst."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from daydreaming.llm.simulator import SimulatorConfig
from daydreaming.objects.path import ObjectPath
from daydreaming.store.database import engine_for, writing_engine
from daydreaming.store.files import DataRoot
from tests.integration.airflow_deployment import RunningAirflow, running_airflow
from tests.integration.faulty_experiment import SECRET, write_inputs
from tests.integration.test_object_store import CELLS, SAVED, run_command
from tests.support.postgres import PostgresServer
from tests.support.s3 import S3Server, use_server

pytestmark = [pytest.mark.integration, pytest.mark.own_processes]


@dataclass
class Far:
    """A deployment and the store that it uses."""

    airflow: RunningAirflow
    store: S3Server


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Far]:
    folder = tmp_path_factory.mktemp("connected")
    write_inputs(folder / "inputs", small=SAVED)
    with S3Server() as store, PostgresServer() as server, server.database() as results:
        environment = {
            "AIRFLOW_CONN_DAYDREAMING_RESULTS": results,
            "DAYDREAMING_DATA_ROOT": f"s3://dream_store@{store.bucket}/connected",
            "DAYDREAMING_CACHE_DIR": str(folder / "cache"),
            "DAYDREAMING_NIGHTLY_SCHEDULE": "0 0 29 2 *",
        }
        config = SimulatorConfig(seed=7, api_key=SECRET, latency_s=2.0)
        with running_airflow(folder, config, environment) as airflow:
            connection = {"connection_id": "dream_store", **store.connection()}
            airflow.client.request("POST", "/api/v2/connections", json=connection)
            yield Far(airflow, store)
            engine_for(airflow.settings).dispose()
            writing_engine(airflow.settings).dispose()


def test_tasks_triggers_pages_and_commands_find_it(far: Far) -> None:
    assert not {"AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AIRFLOW_CONN_DREAM_STORE"} & os.environ.keys()
    run_id = far.airflow.trigger({"experiment": "small", "experiment_id": "far"})
    assert far.airflow.wait(run_id) == "success"
    shown = far.airflow.client.send("GET", "/daydreaming/experiments/far/search?q=the&in=essays")
    assert shown.status_code == 200
    assert f"{CELLS} texts" in shown.text
    assert run_command("essays", "far").count("plain by fast:") == CELLS
    run_command("verify")


def test_while_the_store_is_down_answers_wait_and_none_is_paid_for_twice(far: Far) -> None:
    simulator, replicates = far.airflow.simulator, 4
    simulator.reset(attempts=True)
    conf = {"experiment_id": "outage", "generation_replicates": replicates}
    run_id = far.airflow.trigger({"experiment": "small", **conf})
    until = time.monotonic() + 120
    while simulator.stats()["calls"] < 3:
        assert time.monotonic() < until, "no call was made"
        time.sleep(0.05)
    with far.store.outage():
        time.sleep(15)
    assert far.airflow.wait(run_id) == "success"
    # The first replicates were answered in the other experiment.
    assert simulator.stats()["calls"] == 2 * CELLS * (replicates - 1)
    with pytest.MonkeyPatch.context() as patch:
        use_server(patch, far.store.environment())
        files = DataRoot(ObjectPath(f"s3://{far.store.bucket}/connected"))
        assert len(files.answered_ids("evaluation")) == CELLS * replicates
