"""`daydream_rebuild`: one task, one run at a time, and its progress in the log."""

from __future__ import annotations

import importlib.util
import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from sqlalchemy import insert

from daydreaming.operators.experiment_tasks import load_inputs
from daydreaming.operators.failures import FailedForGood
from daydreaming.settings import Settings, project_root
from daydreaming.store.database import engine_for
from daydreaming.store.experiments import read_experiments
from daydreaming.store.schema import Claim
from tests.support.experiments import answer_all, make_settings, planned_run


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    settings = make_settings(tmp_path)
    monkeypatch.setenv("DAYDREAMING_INPUTS_ROOT", str(settings.inputs_root))
    monkeypatch.setenv("DAYDREAMING_DATA_ROOT", str(settings.data_root))
    return settings


@pytest.fixture
def module(settings: Settings) -> ModuleType:
    """The DAG's file, read with the settings of the test."""
    spec = importlib.util.spec_from_file_location(
        "tested_rebuild", project_root() / "dags/daydream_rebuild.py"
    )
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def test_it_runs_when_asked_only_and_one_at_a_time(dags):
    dag = dags["daydream_rebuild"]
    assert list(dag["tasks"]) == ["rebuild"]
    assert (dag["schedule"], dag["max_active_runs"], dag["paused"]) == (None, 1, False)
    assert dag["tasks"]["rebuild"]["retries"] == 0


def test_its_task_shows_each_step_and_what_came_out(module, settings, caplog):
    caplog.set_level(logging.INFO)
    planned_run(settings)
    answer_all(settings, "run-1")
    rows = module.rebuild.function()
    assert (rows["generations"], rows["evaluations"], rows["scores"]) == (4, 16, 16)
    assert "responses of demo (20)" in caplog.text
    assert "20 answers are in no calls.csv" in caplog.text
    assert "'evaluations': 16" in caplog.text


def test_while_calls_are_made_it_fails_clearly(module, settings):
    planned_run(settings)
    claim = {"stage": "generation", "cell_id": "c", "owner": "o"}
    with engine_for(settings).begin() as connection:
        connection.execute(insert(Claim), {**claim, "expires_at": datetime.now(UTC) + timedelta(minutes=1)})
    with pytest.raises(FailedForGood, match="Calls are being made now"):
        module.rebuild.function()


@pytest.mark.parametrize(
    ("dag_run", "user"),
    [(SimpleNamespace(triggering_user_name="ada"), "ada"), (SimpleNamespace(), None), (None, None)],
)
def test_the_user_that_airflow_knows_is_noted(settings, monkeypatch, dag_run, user):
    monkeypatch.setattr("daydreaming.operators.connections.require_connections", lambda *_: None)
    load_inputs.function(params={"experiment": "demo"}, run_id="run-1", dag_run=dag_run)
    [row] = read_experiments(engine_for(settings))
    assert row["created_by"] == user
