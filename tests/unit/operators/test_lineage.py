"""Which tables the tasks name to OpenLineage; through its provider where that is installed."""

from __future__ import annotations

import importlib.util

import pytest

from daydreaming.operators import lineage
from daydreaming.operators.lineage import tell_cross_lineage, tell_lineage
from tests.support.experiments import answer_all, planned_run

TASKS = {
    "parse_scores": (
        {
            "02_tasks/demo/generation_tasks.csv",
            "02_tasks/demo/evaluation_tasks.csv",
            "03_generation/generation_responses",
            "04_evaluation/evaluation_responses",
        },
        {"05_parsing/demo/parsed_scores.csv"},
    ),
    "summarize": (
        {"05_parsing/demo/parsed_scores.csv"},
        {"05_parsing/demo/evaluator_agreement_analysis.csv", "06_summary/demo/final_results.csv"},
    ),
    "append_cross_experiment": (
        {"03_generation/generation_responses", "04_evaluation/evaluation_responses"},
        {"07_cross_experiment/generation_results.csv", "07_cross_experiment/evaluation_results.csv"},
    ),
    "report": (
        {"05_parsing/demo/parsed_scores.csv", "06_summary/demo/final_results.csv"},
        {"07_reporting/demo/errors.csv", "06_summary/demo/report.html"},
    ),
}


class Collector:
    """What a task says of itself, as Airflow's collector is told."""

    def __init__(self):
        self.inputs, self.outputs = [], []

    def add_input_asset(self, context, uri):
        self.inputs.append(uri)

    def add_output_asset(self, context, uri):
        self.outputs.append(uri)


@pytest.fixture
def finished(settings, monkeypatch):
    """A run whose tables are written."""
    from daydreaming.pipeline.cross_tables import write_cross_experiment
    from daydreaming.pipeline.report import update_report
    from daydreaming.pipeline.tables import write_all_tables

    planned_run(settings)
    answer_all(settings, "run-1")
    write_all_tables(settings, "demo")
    write_cross_experiment(settings)
    update_report(settings, "run-1")
    return settings


@pytest.fixture
def collector(monkeypatch):
    made = Collector()
    monkeypatch.setattr("airflow.sdk.lineage.get_hook_lineage_collector", lambda: made)
    monkeypatch.setattr(lineage, "has_openlineage", lambda: True)
    return made


def below(settings, uris):
    root = settings.data_root.as_uri() + "/"
    assert all(uri.startswith(root) for uri in uris)
    return {uri.removeprefix(root) for uri in uris}


def test_each_task_names_tables_that_are_there(finished, collector):
    for task, (reads, writes) in TASKS.items():
        collector.inputs, collector.outputs = [], []
        tell_lineage(task, "run-1")
        found = below(finished, collector.inputs), below(finished, collector.outputs)
        assert reads <= found[0], task
        assert writes <= found[1], task
        assert not found[0] & found[1], task
        assert [n for n in found[0] | found[1] if not (finished.data_root / n).exists()] == [], task
        # More are dropped by Airflow ([lineage] max_assets_per_collector).
        assert max(len(collector.inputs), len(collector.outputs)) < 100, task


def test_the_last_task_names_all_that_the_others_write(finished, collector):
    written = set()
    for task in TASKS:
        collector.outputs = []
        tell_lineage(task, "run-1")
        written |= set(collector.outputs)
    collector.outputs = []
    tell_lineage("check_completeness", "run-1")
    assert set(collector.outputs) == written


@pytest.mark.parametrize("group", ["filtered_evaluation_results", "model_performance"])
def test_the_tables_over_all_experiments_are_named(finished, collector, group):
    from daydreaming.pipeline.query import read_filter
    from daydreaming.pipeline.query_tables import write_group

    tell_cross_lineage(write_group(finished, group, read_filter({}), "digest"))
    assert below(finished, collector.inputs) == TASKS["append_cross_experiment"][1]
    outputs = below(finished, collector.outputs)
    made = {f"07_cross_experiment/{path.name}" for path in finished.data_root.glob("07_cross*/*.*")}
    assert outputs == {name for name in made if name.startswith(f"07_cross_experiment/{group}")}


def test_without_the_extra_nothing_is_looked_up(monkeypatch):
    monkeypatch.setattr(lineage, "has_openlineage", lambda: False)
    monkeypatch.setattr(lineage, "Settings", None)
    tell_lineage("summarize", "no such run")
    tell_cross_lineage(["model_performance_over_time"])


@pytest.mark.skipif(
    importlib.util.find_spec("airflow.providers.openlineage") is None,
    reason="the extra is not installed: pip install -r requirements-openlineage.lock",
)
def test_the_provider_makes_datasets_of_them(finished, collector, monkeypatch):
    from airflow.providers.openlineage.utils.utils import translate_airflow_asset
    from airflow.sdk.lineage import HookLineageCollector

    theirs = HookLineageCollector()
    monkeypatch.setattr("airflow.sdk.lineage.get_hook_lineage_collector", lambda: theirs)
    tell_lineage("append_cross_experiment", "run-1")
    collected = theirs.collected_assets
    reads, writes = TASKS["append_cross_experiment"]
    for names, assets in ((reads, collected.inputs), (writes, collected.outputs)):
        datasets = [translate_airflow_asset(told.asset, told.context) for told in assets]
        assert {dataset.namespace for dataset in datasets} == {"file"}
        assert {d.name.removeprefix(f"{finished.data_root}/") for d in datasets} == names
