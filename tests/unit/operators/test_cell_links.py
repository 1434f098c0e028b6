"""Links on mapped instances, as Airflow's API server makes them of the serialised DAG."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from airflow import plugins_manager
from airflow.sdk.types import TaskInstanceKey
from airflow.serialization.serialized_objects import DagSerialization

from daydreaming.operators.links import cell_links
from daydreaming.settings import project_root

PREFIX = "/daydreaming"


def _load(path: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location("loaded", project_root() / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Our plugin, as Airflow's plugin manager finds it."""
    plugin = _load("plugins/daydreaming_plugin.py").DaydreamingPlugin
    monkeypatch.setattr(plugins_manager, "get_operator_extra_links", lambda: plugin.operator_extra_links)
    monkeypatch.setattr(plugins_manager, "get_global_operator_extra_links", list)


@pytest.fixture(params=["pool", "triggerer"])
def dag(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The experiment's DAG as the API server has it, in each way of dispatch."""
    monkeypatch.setenv("DAYDREAMING_DISPATCH", request.param)
    parsed = _load("dags/daydream_experiment.py").experiment_dag
    return DagSerialization.from_dict(json.loads(json.dumps(DagSerialization.to_dict(parsed))))


def links(dag: Any, task_id: str, map_index: int = 7) -> dict[str, str | None]:
    """What Airflow's route for the links of an instance answers."""
    task = dag.get_task(task_id)
    key = TaskInstanceKey(dag.dag_id, task_id, "manual__2026-03-01T12:00:00+00:00", 1, map_index)
    return {name: task.get_extra_links(SimpleNamespace(key=key), name) or None for name in task.extra_links}


def address(task_id: str, show: str, airflow: str = "") -> str:
    run = "manual__2026-03-01T12%3A00%3A00%2B00%3A00"
    page = f"{airflow}{PREFIX}/cell?run_id={run}&task_id={task_id}&map_index=7&show={show}"
    return f"{airflow}/plugin/experiments{page}"


def test_a_generation_leads_to_its_essay_and_prompt(dag: Any) -> None:
    assert links(dag, "generate") == {
        "Essay": address("generate", "essay"),
        "Prompt": address("generate", "prompt"),
        "Verdict": None,  # Airflow's UI shows no link without an address
    }


def test_an_evaluation_leads_to_its_verdict_too(dag: Any) -> None:
    assert links(dag, "evaluate") == {
        "Essay": address("evaluate", "essay"),
        "Prompt": address("evaluate", "prompt"),
        "Verdict": address("evaluate", "verdict"),
    }


def test_the_summary_of_a_mapped_task_leads_nowhere(dag: Any) -> None:
    assert set(links(dag, "evaluate", map_index=-1).values()) == {None}


@pytest.mark.parametrize("task_id", ["load_inputs", "estimate_cost", "check_completeness"])
def test_other_tasks_have_no_links_of_ours(dag: Any, task_id: str) -> None:
    assert links(dag, task_id) == {}


@pytest.mark.parametrize(
    ("base_url", "airflow"),
    [
        ("http://127.0.0.1:8080", ""),
        ("https://example.org/airflow", "/airflow"),
        ("https://example.org/team/airflow/", "/team/airflow"),
        ("/", ""),
        ("", ""),
    ],
)
def test_links_begin_where_airflow_is_mounted(
    dag: Any, monkeypatch: pytest.MonkeyPatch, base_url: str, airflow: str
) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", base_url)
    assert links(dag, "generate")["Essay"] == address("generate", "essay", airflow)


@pytest.mark.parametrize("dispatch", ["pool", "triggerer"])
@pytest.mark.parametrize("task_id", ["generate", "evaluate"])
def test_no_instance_has_a_link_to_push(monkeypatch: pytest.MonkeyPatch, dispatch: str, task_id: str) -> None:
    monkeypatch.setenv("DAYDREAMING_DISPATCH", dispatch)
    dag = _load("dags/daydream_experiment.py").experiment_dag
    task = dag.get_task(task_id)
    assert list(task.operator_extra_links) == []
    [encoded] = [
        entry["__var"]
        for entry in DagSerialization.to_dict(dag)["dag"]["tasks"]
        if entry["__var"]["task_id"] == task_id
    ]
    assert "_operator_extra_links" not in encoded


def test_the_plugin_loads_neither_the_operators_nor_the_pages() -> None:
    code = (
        "import sys\nfrom daydreaming.operators.links import cell_links\n"
        "from daydreaming.ui.lazy import LazyApp\n"
        f"cell_links({PREFIX!r}, 'experiments')\n"
        "print(*(n for n in ('fastapi', 'daydreaming.operators.llm', 'daydreaming.ui.app')"
        " if n in sys.modules))"
    )
    # Airflow loads our policy by itself, and with it what task instances need.
    blocked = "import sys, types\nsys.modules['daydreaming.policy'] = types.ModuleType('p')\n"
    run = subprocess.run([sys.executable, "-c", blocked + code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == []


def test_links_of_another_dag_with_a_task_of_that_name_lead_nowhere() -> None:
    key = TaskInstanceKey("other", "generate", "run", 1, 0)
    assert [link.get_link(None, ti_key=key) for link in cell_links(PREFIX, "experiments")] == ["", "", ""]
