"""The DAG as a call's own process sees it, beside the whole one."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from types import ModuleType, SimpleNamespace

import pytest
from airflow.sdk import DAG, BaseOperator
from airflow.sdk.definitions._internal.expandinput import DictOfListsExpandInput
from airflow.serialization.serialized_objects import DagSerialization

from daydreaming.operators.call_dag import template_env, warm_templates
from daydreaming.operators.mapping import OwnIndices, own_indices
from daydreaming.settings import project_root

Parse = Callable[[str | None], DAG]
#: What the scheduler alone goes by.
SCHEDULERS = {"trigger_rule"}


@pytest.fixture
def parse(monkeypatch: pytest.MonkeyPatch) -> Parse:
    """The DAG of the file, as parsed for one task; for all of them without a name."""

    def parse(task_id: str | None) -> DAG:
        if task_id is None:
            monkeypatch.delenv("_AIRFLOW_PARSING_CONTEXT_TASK_ID", raising=False)
        else:
            monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", "daydream_experiment")
            monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_TASK_ID", task_id)
        dag: DAG = _load().experiment_dag
        return dag

    return parse


def _load() -> ModuleType:
    path = project_root() / "dags/daydream_experiment.py"
    spec = importlib.util.spec_from_file_location("parsed_experiment", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("dispatch", ["pool", "triggerer"])
@pytest.mark.parametrize("task_id", ["generate", "evaluate"])
def test_a_calls_process_makes_its_task_as_the_whole_dag_does(
    parse: Parse, monkeypatch: pytest.MonkeyPatch, task_id: str, dispatch: str
) -> None:
    monkeypatch.setenv("DAYDREAMING_DISPATCH", dispatch)
    whole, alone = parse(None), parse(task_id)
    assert alone.dag_id == whole.dag_id
    theirs, ours = (dag.get_task(task_id) for dag in (whole, alone))
    assert ours.operator_class is theirs.operator_class
    wanted = {name: value for name, value in theirs.partial_kwargs.items() if name not in SCHEDULERS}
    assert {name: value for name, value in ours.partial_kwargs.items() if name in wanted} == wanted


@pytest.mark.parametrize("task_id", ["load_inputs", "estimate_cost", "check_completeness"])
def test_every_other_tasks_process_makes_all_of_it(parse: Parse, task_id: str) -> None:
    assert parse(task_id).task_ids == parse(None).task_ids


def test_labels_are_rendered_with_what_was_compiled_ahead() -> None:
    warm_templates()
    hits = template_env().from_string.cache_info().hits  # type: ignore[attr-defined]
    task = SimpleNamespace(cell_label=lambda run_id, ti: f"{run_id}:{ti}")
    template = template_env().from_string("{{ task.cell_label(run_id, ti) }}")
    assert template.render(task=task, run_id="r", ti=3) == "r:3"
    assert template_env().from_string.cache_info().hits == hits + 1  # type: ignore[attr-defined]


@pytest.mark.parametrize("map_index", [0, 1, 299])
def test_an_instance_knows_its_index_without_asking(map_index: int) -> None:
    indices = OwnIndices(operator=BaseOperator(task_id="plan"))
    # A context without anything to ask.
    resolved, _ = DictOfListsExpandInput({"index": indices}).resolve(
        {"ti": SimpleNamespace(map_index=map_index)}
    )
    assert resolved == {"index": map_index}


def test_the_scheduler_maps_over_the_upstream_tasks_list() -> None:
    with DAG("mapped", schedule=None) as dag:
        plan = BaseOperator(task_id="plan")
        BaseOperator.partial(task_id="call").expand(doc=own_indices(plan.output))
    serialized = DagSerialization.to_dict(dag)["dag"]["tasks"]
    [call] = [task for task in serialized if task["__var"]["task_id"] == "call"]
    assert "'task_id': 'plan'" in str(call["__var"]["expand_input"])
    assert dag.get_task("call").upstream_task_ids == {"plan"}
