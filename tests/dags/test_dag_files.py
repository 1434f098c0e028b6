from __future__ import annotations

import ast
import csv
from pathlib import Path

import pytest

from daydreaming.inputs.params import PARAM_NAMES
from daydreaming.pipeline.query import FILTER_NAMES
from daydreaming.settings import project_root
from tests.support.experiments import FILES, make_inputs

DAGS = sorted((project_root() / "dags").glob("*.py"))
RESULTS = "daydreaming_results"
CHOICES = ("concepts", "generation_templates", "evaluation_templates", "generation_models", "evaluation_models")  # fmt: skip  # noqa: E501
ORDER = {
    "load_inputs": [],
    "plan_generations": ["load_inputs"],
    "plan_evaluations": ["load_inputs"],
    "estimate_cost": ["plan_evaluations", "plan_generations"],
    "list_shards": ["plan_generations"],
    "run_shards": ["estimate_cost", "list_shards"],
    # Each is mapped over the output of a task, which is thereby upstream too.
    "generate": ["estimate_cost", "plan_generations"],
    "evaluate": ["estimate_cost", "generate"],
    "parse_scores": ["evaluate", "run_shards"],
    "summarize": ["parse_scores"],
    "append_cross_experiment": ["summarize"],
    "report": ["append_cross_experiment"],
    "check_completeness": ["evaluate", "generate", "report", "run_shards"],
}
#: With the extra, batches go on beside the stages: no stage waits for them as a whole.
BATCH_ORDER = {
    "list_batches": ["estimate_cost"],
    "batch_generate": ["list_batches"],
    "batch_evaluate": ["generate", "list_batches"],
}
WITH_BATCHES = {
    **ORDER,
    **BATCH_ORDER,
    "check_completeness": [
        "batch_evaluate",
        "batch_generate",
        "evaluate",
        "generate",
        "report",
        "run_shards",
    ],
}


@pytest.mark.parametrize("path", DAGS, ids=lambda path: path.stem)
def test_a_dag_file_defines_the_dag_that_it_is_named_after(dags, path: Path):
    assert path.stem in dags
    assert dags[path.stem]["doc"]
    assert dags[path.stem]["serialized"]


def test_parsing_imports_no_tables_and_no_provider(parse_dags):
    modules = set(parse_dags()["modules"])
    assert (
        not {
            "daydreaming.store.schema",
            "daydreaming.store.migrate",
            "daydreaming.inputs.load",
            "daydreaming.inputs.params",
            "airflow.providers.openai.hooks.openai",
        }
        & modules
    )
    assert not [name for name in modules if name.startswith(("daydreaming.analysis", "daydreaming.cli"))]


@pytest.mark.parametrize("path", DAGS, ids=lambda path: path.stem)
def test_a_dag_file_is_wiring(path: Path):
    """Imports at the top are Airflow's and our thin edge; what is heavy is imported inside a task."""
    allowed = (
        "__future__",
        "logging",
        "datetime",
        "typing",
        "airflow.sdk",
        "airflow.providers.standard",
        "daydreaming.operators",
        "daydreaming.settings",
    )
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ImportFrom):
            assert str(node.module).startswith(allowed), f"line {node.lineno}"
        if isinstance(node, ast.Import):
            assert all(alias.name in allowed for alias in node.names), f"line {node.lineno}"


class TestExperiment:
    """`daydream_experiment`."""

    @pytest.fixture
    def dag(self, dags):
        return dags["daydream_experiment"]

    def test_tasks_follow_each_other_as_designed(self, dag):
        assert {task_id: task["upstream"] for task_id, task in dag["tasks"].items()} == WITH_BATCHES
        assert [name for name in dag["order"] if name not in BATCH_ORDER] == list(ORDER)

    def test_without_the_extra_there_are_no_batches(self, parse_dags):
        dag = parse_dags(DAG_PROBE_WITHOUT_BATCHES="1")["dags"]["daydream_experiment"]
        assert {task_id: task["upstream"] for task_id, task in dag["tasks"].items()} == ORDER

    def test_one_mapped_task_per_stage_and_one_for_its_batches(self, dag):
        mapped = {name: task["stage"] for name, task in dag["tasks"].items() if task["mapped"]}
        assert mapped == {
            "run_shards": None,
            "generate": "generation",
            "evaluate": "evaluation",
            "batch_generate": "generation",
            "batch_evaluate": "evaluation",
        }

    def test_a_batch_that_is_waited_for_holds_no_slot_of_its_calls(self, dag):
        assert {dag["tasks"][name]["pool"] for name in BATCH_ORDER} == {"default_pool"}

    def test_shards_are_started_a_few_at_a_time_and_waited_for(self, dag):
        shards = dag["tasks"]["run_shards"]
        assert shards["class"] == "TriggerDagRunOperator"
        assert {"pool", "wait_for_completion", "deferrable", "reset_dag_run"} <= set(shards["partial"])

    def test_what_runs_after_failures_does_and_nothing_else(self, dag):
        late = {name for name, task in dag["tasks"].items() if task["trigger_rule"] == "all_done"}
        assert late == {"evaluate", "batch_evaluate", "parse_scores", "check_completeness"}
        assert {task["trigger_rule"] for task in dag["tasks"].values()} == {"all_done", "all_success"}

    def test_the_results_asset_comes_from_table_and_leaf(self, dag):
        outlets = {name: task["outlets"] for name, task in dag["tasks"].items() if task["outlets"]}
        assert outlets == {"append_cross_experiment": [RESULTS], "check_completeness": [RESULTS]}

    def test_calls_and_batches_alone_are_retried(self, dag):
        retried = {name: task["retries"] for name, task in dag["tasks"].items() if task["retries"]}
        assert retried == {"generate": 2, "evaluate": 2, "batch_generate": 2, "batch_evaluate": 2}

    def test_it_runs_when_asked_only_and_pools_gate_it(self, dag):
        assert dag["schedule"] is None
        assert dag["paused"] is False
        assert dag["max_active_tasks"] >= 1000

    def test_its_parameters_are_those_of_files_and_command(self, dag):
        assert set(dag["params"]) == set(PARAM_NAMES)

    def test_what_nobody_touched_is_empty_so_that_the_saved_experiment_decides(self, dag):
        assert {name: value for name, value in dag["params"].items() if value} == {}
        assert {dag["params"][name] for name in PARAM_NAMES if name not in (*CHOICES, "dry_run")} == {None}


class TestNightly:
    """`daydream_nightly`."""

    def test_it_starts_one_run_per_experiment(self, dags):
        tasks = dags["daydream_nightly"]["tasks"]
        assert list(tasks) == ["list_nightly_experiments", "start_experiment"]
        start = tasks["start_experiment"]
        assert start["mapped"]
        assert start["class"] == "TriggerDagRunOperator"
        assert start["upstream"] == ["list_nightly_experiments"]
        assert {"logical_date", "skip_when_already_exists", "trigger_dag_id"} <= set(start["partial"])

    def test_it_runs_at_two_and_makes_up_for_no_past_night(self, dags):
        dag = dags["daydream_nightly"]
        assert (dag["schedule"], dag["catchup"], dag["max_active_runs"]) == ("0 2 * * *", False, 1)

    def test_the_hour_is_a_setting(self, parse_dags):
        parsed = parse_dags(
            DAYDREAMING_NIGHTLY_SCHEDULE="30 4 * * 1",
            DAYDREAMING_DISPATCH="triggerer",
            DAYDREAMING_TASK_RETRIES="5",
        )["dags"]
        assert parsed["daydream_nightly"]["schedule"] == "30 4 * * 1"


class TestCrossExperiment:
    """`daydream_cross_experiment`."""

    TABLES = ("filtered_evaluation_results", "template_version_comparison_pivot", "model_performance")

    @pytest.fixture
    def dag(self, dags):
        return dags["daydream_cross_experiment"]

    def test_the_results_asset_starts_it_by_experiment_one_run_at_a_time(self, dag):
        assert (dag["timetable"], dag["scheduled_by"]) == ("PartitionedAssetTimetable", RESULTS)
        assert (dag["max_active_runs"], dag["paused"]) == (1, False)

    def test_each_table_waits_for_news_only(self, dag):
        upstream = {task_id: task["upstream"] for task_id, task in dag["tasks"].items()}
        assert upstream == {"find_changes": [], **{table: ["find_changes"] for table in self.TABLES}}
        assert {task["trigger_rule"] for task in dag["tasks"].values()} == {"all_success"}

    def test_its_parameters_are_the_filters_and_filter_nothing_untouched(self, dag):
        assert tuple(dag["params"]) == FILTER_NAMES
        assert not any(dag["params"].values())

    def test_names_are_offered_from_the_files_and_others_are_allowed(self, dag):
        models = dag["schemas"]["generation_models"]
        assert "gpt_5" in models["examples"]
        assert "enum" not in models
        assert dag["schemas"]["parsers"]["examples"] == ["in_last_line", "complex", "strict"]
        assert dag["schemas"]["since"]["format"] == "date"


def test_the_way_of_dispatch_is_a_setting(dags, parse_dags):
    chosen = parse_dags(
        DAYDREAMING_NIGHTLY_SCHEDULE="30 4 * * 1",
        DAYDREAMING_DISPATCH="triggerer",
        DAYDREAMING_TASK_RETRIES="5",
    )["dags"]["daydream_experiment"]["tasks"]
    for stage in ("generate", "evaluate"):
        assert dags["daydream_experiment"]["tasks"][stage]["class"] == "LLMCallOperator"
        assert chosen[stage]["class"] == "TriggererLLMCallOperator"
        assert chosen[stage]["retries"] == 5
    assert {name: task["upstream"] for name, task in chosen.items()} == WITH_BATCHES


def _examples(parsed, name: str) -> list[str]:
    return parsed["dags"]["daydream_experiment"]["schemas"][name].get("examples", [])


def test_the_form_offers_what_the_files_hold(parse_dags, shipped_inputs: Path):
    with (shipped_inputs / "01_raw/concepts/concepts_metadata.csv").open(encoding="utf-8") as file:
        concepts = [row["concept_id"] for row in csv.DictReader(file)]
    parsed = parse_dags()
    assert _examples(parsed, "concepts") == concepts
    assert all(_examples(parsed, name) for name in CHOICES)


@pytest.mark.parametrize("how", ["missing", "broken"])
def test_inputs_that_cannot_be_read_leave_the_choices_empty(parse_dags, tmp_path: Path, how: str):
    if how == "broken":
        broken = {name: "\x00\x01,,\n\"" for name in FILES if name.endswith((".csv", ".yaml"))}  # fmt: skip
        make_inputs(tmp_path, **broken)
        (tmp_path / "01_raw/generation_templates.csv").write_bytes(b"\xff\xfe\x00id\n")
        (tmp_path / "01_raw/evaluation_templates.csv").unlink()
        (tmp_path / "01_raw/evaluation_templates.csv").mkdir()
    parsed = parse_dags(DAYDREAMING_INPUTS_ROOT=str(tmp_path))
    assert set(parsed["dags"]) >= {"daydream_experiment", "daydream_nightly"}
    assert [name for name in CHOICES if _examples(parsed, name)] == []
    assert list(parsed["dags"]["daydream_experiment"]["tasks"]) != []
