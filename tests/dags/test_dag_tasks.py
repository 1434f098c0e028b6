"""What the tasks of the DAG files do around the use cases that they call."""

from __future__ import annotations

import importlib.util
import inspect
import json
import logging
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException
from airflow.sdk.execution_time.context import OutletEventAccessors

from daydreaming.operators.experiment_tasks import RESULTS
from daydreaming.operators.failures import FailedForGood
from daydreaming.settings import Settings, project_root
from tests.support.experiments import answer_all, edit_input, make_settings, planned_run

CONNECTION = json.dumps({"conn_type": "openai", "host": "http://127.0.0.1:9/v1", "password": "x"})


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    settings = make_settings(tmp_path)
    monkeypatch.setenv("DAYDREAMING_INPUTS_ROOT", str(settings.inputs_root))
    monkeypatch.setenv("DAYDREAMING_DATA_ROOT", str(settings.data_root))
    monkeypatch.setenv("AIRFLOW_CONN_OPENROUTER_DEFAULT", CONNECTION)
    return settings


def _module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"tested_{name}", project_root() / f"dags/{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def experiment(settings: Settings) -> ModuleType:
    """The file of `daydream_experiment`, read with the settings of the test."""
    return _module("daydream_experiment")


def _call(module: ModuleType, task: str, **arguments: Any) -> Any:
    function = getattr(module, task).function
    if "outlet_events" in inspect.signature(function).parameters:
        arguments.setdefault("outlet_events", OutletEventAccessors())
    return function(**arguments)


def test_the_tasks_of_a_run_follow_each_other_to_its_tables(experiment, settings, caplog):
    caplog.set_level(logging.INFO)
    params = {"experiment": "demo", "experiment_id": None, "k_max": None, "concepts": [], "dry_run": False}
    assert _call(experiment, "load_inputs", params=params, run_id="run-1") == "demo"
    assert _call(experiment, "plan_generations", run_id="run-1") == [0, 1, 2, 3]
    evaluations = _call(experiment, "plan_evaluations", run_id="run-1")
    assert evaluations == list(range(16))
    assert _call(experiment, "list_shards", run_id="run-1") == []
    answer_all(settings, "run-1")
    for task in ("parse_scores", "summarize", "report", "check_completeness"):
        _call(experiment, task, run_id="run-1")
    _call(experiment, "append_cross_experiment", run_id="run-1")
    assert "16 of 16 evaluations are scored" in caplog.text
    assert "evaluations: 16 of 16 answered" in caplog.text
    assert (settings.data_root / "06_summary/demo/final_results.csv").exists()
    assert (settings.data_root / "07_cross_experiment/evaluation_results.csv").exists()


def test_broken_inputs_fail_the_run_for_good_with_one_line_each(experiment, settings, caplog):
    edit_input(settings.inputs_root, "experiments/demo.yaml", "k_max: 2", "k_max: 2\nkmax: 3\ndry_run: 7")
    with pytest.raises(FailedForGood, match="kmax"):
        _call(experiment, "load_inputs", params={"experiment": "demo"}, run_id="run-1")
    errors = [record.message for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 2


def test_evaluations_of_one_generation_beyond_what_airflow_maps_are_refused(
    experiment, settings, monkeypatch
):
    monkeypatch.setenv("AIRFLOW__CORE__MAX_MAP_LENGTH", "3")
    _call(experiment, "load_inputs", params={"experiment": "demo"}, run_id="run-1")
    for task in ("plan_generations", "plan_evaluations"):
        with pytest.raises(FailedForGood, match="maps at most 3"):
            _call(experiment, task, run_id="run-1")


def test_a_larger_plan_is_split_and_its_shards_leave_the_tables_to_the_run_that_planned_them(
    experiment, settings
):
    params = {"experiment": "demo", "shard_size": 3}
    _call(experiment, "load_inputs", params=params, run_id="run-1")
    assert _call(experiment, "plan_generations", run_id="run-1") == [0, 1, 2]
    assert _call(experiment, "plan_evaluations", run_id="run-1") == list(range(12))
    [shard] = _call(experiment, "list_shards", run_id="run-1")
    assert datetime.fromisoformat(shard.pop("run_after")) <= datetime.now(UTC)
    assert shard == {"trigger_run_id": "run-1~shard-2-of-2", "conf": {"experiment_id": "demo"}}
    second = shard["trigger_run_id"]
    _call(experiment, "load_inputs", params=shard["conf"], run_id=second)
    assert _call(experiment, "plan_generations", run_id=second) == [0]
    assert _call(experiment, "plan_evaluations", run_id=second) == list(range(4))
    assert _call(experiment, "list_shards", run_id=second) == []
    answer_all(settings, second)
    with pytest.raises(AirflowSkipException, match="when all have landed"):
        _call(experiment, "parse_scores", run_id=second)
    _call(experiment, "check_completeness", run_id=second)
    scores = settings.data_root / "05_parsing/demo/parsed_scores.csv"
    assert not scores.exists()
    with pytest.raises(FailedForGood, match="15 of 20 calls have no answer"):
        _call(experiment, "check_completeness", run_id="run-1")
    answer_all(settings, "run-1")
    _call(experiment, "check_completeness", run_id="run-1")
    before = scores.stat().st_mtime_ns
    _call(experiment, "check_completeness", run_id=second)  # cleared a week later
    assert scores.stat().st_mtime_ns > before


def test_a_run_without_a_plan_has_no_tables_and_fails_in_its_leaf(experiment, settings):
    _call(experiment, "load_inputs", params={"experiment": "demo"}, run_id="run-1")
    with pytest.raises(AirflowSkipException, match="Nothing was planned"):
        _call(experiment, "parse_scores", run_id="run-1")
    with pytest.raises(FailedForGood, match="Nothing was planned"):
        _call(experiment, "check_completeness", run_id="run-1")


def test_a_run_whose_load_failed_ends_the_same_way(experiment, settings):
    edit_input(settings.inputs_root, "experiments/demo.yaml", "k_max: 2", "k_max: x")
    with pytest.raises(FailedForGood):
        _call(experiment, "load_inputs", params={"experiment": "demo"}, run_id="run-1")
    with pytest.raises(AirflowSkipException):
        _call(experiment, "parse_scores", run_id="run-1")
    with pytest.raises(FailedForGood, match="Nothing was planned"):
        _call(experiment, "check_completeness", run_id="run-1")


def test_too_many_failed_calls_fail_the_leaf_after_the_tables(experiment, settings):
    planned_run(settings)
    with pytest.raises(FailedForGood, match="20 of 20 calls have no answer"):
        _call(experiment, "check_completeness", run_id="run-1")
    assert (settings.data_root / "05_parsing/demo/parsed_scores.csv").exists()


def test_nightly_lists_what_runs_and_reports_broken_files(settings, caplog):
    (settings.inputs_root / "experiments/broken.yaml").write_text("schedule: [")
    module = _module("daydream_nightly")
    due = SimpleNamespace(run_after=datetime(2026, 3, 1, 2, tzinfo=UTC))
    assert _call(module, "list_nightly_experiments", dag_run=due) == [
        {
            "trigger_run_id": "nightly__demo_2026-03-01",
            "conf": {"experiment": "demo", "experiment_id": "demo_2026-03-01"},
        }
    ]
    assert "experiments/broken.yaml" in caplog.text


@pytest.fixture
def cross(settings: Settings) -> ModuleType:
    """The file of `daydream_cross_experiment`, likewise."""
    return _module("daydream_cross_experiment")


TABLES = ("filtered_evaluation_results", "template_version_comparison_pivot", "model_performance")


def test_a_run_says_which_experiment_it_has_changed_a_shard_leaves_that_to_its_parent(experiment, settings):
    params = {"experiment": "demo", "shard_size": 3}
    _call(experiment, "load_inputs", params=params, run_id="run-1")
    _call(experiment, "plan_generations", run_id="run-1")
    _call(experiment, "plan_evaluations", run_id="run-1")
    [shard] = _call(experiment, "list_shards", run_id="run-1")
    runs = ["run-1", shard["trigger_run_id"]]
    _call(experiment, "load_inputs", params=shard["conf"], run_id=runs[1])
    _call(experiment, "plan_generations", run_id=runs[1])
    _call(experiment, "plan_evaluations", run_id=runs[1])
    for run_id in runs:
        answer_all(settings, run_id)
    told = {
        (task, run_id): _partitions(experiment, task, run_id)
        for task, run_id in (
            ("check_completeness", runs[1]),
            ("append_cross_experiment", runs[0]),
            ("check_completeness", runs[0]),
        )
    }
    assert list(told.values()) == [set(), {"demo"}, {"demo"}]


def test_an_incomplete_run_says_nothing(experiment, settings):
    planned_run(settings)
    with pytest.raises(FailedForGood):
        _partitions(experiment, "check_completeness", "run-1")


def _partitions(module: ModuleType, task: str, run_id: str) -> set[str]:
    events = OutletEventAccessors()
    _call(module, task, run_id=run_id, outlet_events=events)
    return events[RESULTS].partition_keys


def test_tables_over_all_experiments_are_written_once_per_change(experiment, cross, settings, caplog):
    caplog.set_level(logging.INFO)
    planned_run(settings)
    answer_all(settings, "run-1")
    _call(experiment, "append_cross_experiment", run_id="run-1")
    digest = _call(cross, "find_changes", params={})
    for table in TABLES:
        _call(cross, table, params={}, digest=digest)
    assert "filtered_evaluation_results: 16 rows" in caplog.text
    with pytest.raises(AirflowSkipException, match="Nothing has changed"):
        _call(cross, "find_changes", params={})
    assert _call(cross, "find_changes", params={"experiments": ["demo"]}) != digest


@pytest.mark.parametrize(
    ("params", "message"),
    [({"since": "soon"}, "since must be a day"), ({"experiments": ["x"]}, "No experiment has the ID 'x'")],
)
def test_a_filter_that_cannot_be_fails_the_first_task_with_its_line(cross, settings, params, message):
    with pytest.raises(FailedForGood, match=message):
        _call(cross, "find_changes", params=params)
