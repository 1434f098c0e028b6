"""A whole experiment whose data root is a bucket of a real S3 server, its database a real PostgreSQL."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from daydreaming.llm.simulator import SimulatorConfig
from daydreaming.objects.path import ObjectPath
from daydreaming.store.database import engine_for, writing_engine
from daydreaming.store.files import DataRoot
from tests.integration.airflow_deployment import RunningAirflow, running_airflow
from tests.integration.faulty_experiment import SECRET, write_inputs
from tests.support.postgres import PostgresServer
from tests.support.s3 import S3Server, use_server

pytestmark = [pytest.mark.integration, pytest.mark.own_processes]

SAVED = """\
k_max: 2
concepts: [ants, bees, cats]
description_level: sentence
generation_templates: [plain]
generation_models: [fast]
evaluation_models: [fast]
"""
CELLS = 3


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningAirflow]:
    folder = tmp_path_factory.mktemp("far")
    write_inputs(folder / "inputs", small=SAVED)
    with (
        pytest.MonkeyPatch.context() as patch,
        S3Server() as store,
        PostgresServer() as server,
        server.database() as results,
    ):
        use_server(patch, store.environment())
        environment = {
            "AIRFLOW_CONN_DAYDREAMING_RESULTS": results,
            "DAYDREAMING_DATA_ROOT": str(store.new_root()),
            "DAYDREAMING_CACHE_DIR": str(folder / "cache"),
            "DAYDREAMING_NIGHTLY_SCHEDULE": "0 0 29 2 *",
        }
        with running_airflow(folder, SimulatorConfig(seed=7, api_key=SECRET), environment) as airflow:
            yield airflow
            engine_for(airflow.settings).dispose()
            writing_engine(airflow.settings).dispose()


@pytest.fixture(scope="module")
def finished(deployment: RunningAirflow) -> str:
    run_id = deployment.trigger({"experiment": "small", "experiment_id": "far"})
    assert deployment.wait(run_id) == "success"
    return run_id


def run_command(*command: str) -> str:
    """Run ``daydreaming`` in the deployment's environment; returns what it printed."""
    done = subprocess.run(
        [str(Path(sys.executable).with_name("daydreaming")), *command],
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_file_is_in_the_bucket_and_none_on_this_machine(
    deployment: RunningAirflow, finished: str
) -> None:
    root = deployment.settings.data_root
    assert isinstance(root, ObjectPath)
    files = DataRoot(root)
    stages = ("generation", "evaluation")
    assert [len(files.answered_ids(stage)) for stage in stages] == [CELLS, CELLS]
    for stage in stages:
        for cell_id in files.answered_ids(stage):
            record = files.read_provenance(stage, cell_id)
            assert (record["cell_id"], record["run_id"]) == (cell_id, finished)
            assert files.prompt(stage, cell_id).is_file()
    rows = list(csv.DictReader(io.StringIO((files.parsing("far") / "parsed_scores.csv").read_text())))
    assert [row["error"] for row in rows] == [""] * CELLS
    assert (files.summary("far") / "report.html").read_text().startswith("<!doctype html>")
    across = files.cross_experiment()
    assert {"generation_results.csv", "evaluation_results.parquet"} <= set(across.names())
    assert not (deployment.home.path.parent / "data").exists()


def test_the_pages_show_and_search_what_is_in_the_bucket(deployment: RunningAirflow, finished: str) -> None:
    generation_id = min(DataRoot(deployment.settings.data_root).answered_ids("generation"))
    essay = DataRoot(deployment.settings.data_root).read_essay(generation_id)
    assert essay
    pages = "/daydreaming/experiments/far"
    shown = deployment.client.send("GET", f"{pages}/essays/{generation_id}")
    assert shown.status_code == 200
    assert essay.split()[0] in shown.text
    word = max(essay.replace(".", " ").split(), key=len)
    found = deployment.client.send("GET", f"{pages}/search?q={word}")
    assert found.status_code == 200
    assert generation_id in found.text
    assert list((deployment.home.path.parent / "cache").rglob("*.sqlite3"))


def test_the_commands_read_and_write_the_bucket(
    deployment: RunningAirflow, finished: str, tmp_path: Path
) -> None:
    files = DataRoot(deployment.settings.data_root)
    generation_id = min(files.answered_ids("generation"))
    assert run_command("show", generation_id)
    assert generation_id in run_command("essays", "far")
    run_command("query", "--out", str(tmp_path / "table.csv"))
    assert len((tmp_path / "table.csv").read_text().splitlines()) == 1 + CELLS
    run_command("report", "far")
    run_command("verify")
    assert json.loads(run_command("rebuild", "--json"))["rows"]["evaluations"] == CELLS
    run_command("verify")
    run_command("rescore", "far", "--parser", "complex", "--scale", "0-10")
    run_command("verify")
    assert "complex" in (files.tasks("far") / "scoring.csv").read_text()


def test_batches_go_through_the_bucket(deployment: RunningAirflow, finished: str) -> None:
    pytest.importorskip("airflow.providers.common.ai", reason="requirements-batch.lock is not installed")
    deployment.simulator.control(batch_latency_s=0.5)
    conf = {"experiment_id": "halved", "generation_models": ["half"], "evaluation_models": ["half"]}
    run_id = deployment.trigger({"experiment": "small", **conf})
    assert deployment.wait(run_id) == "success"
    files = DataRoot(deployment.settings.data_root)
    halved = {cell_id for cell_id in files.answered_ids("generation") if cell_id.endswith("_half")}
    assert len(halved) == CELLS
    assert all(files.read_provenance("generation", cell_id)["batch_id"] for cell_id in halved)
