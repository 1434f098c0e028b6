from __future__ import annotations

import csv
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from multiprocessing import get_context
from pathlib import Path

import pytest

from daydreaming.errors import DesignError, InputError, StoreError
from daydreaming.llm.price import to_nanousd
from daydreaming.pipeline.call import build_request, open_call
from daydreaming.pipeline.estimate import estimate_run
from daydreaming.pipeline.frozen import frozen_inputs
from daydreaming.pipeline.plan import (
    SHARDS_APART,
    experiment_id_of,
    plan_evaluations,
    plan_generations,
    read_inputs,
    shards_to_start,
    size_of_plan,
    start_run,
)
from daydreaming.pipeline.tables import write_all_tables
from daydreaming.settings import Settings
from daydreaming.store.caps import read_cap
from daydreaming.store.database import engine_for
from daydreaming.store.plans import cells_of_run, read_run, runs_of_plan
from tests.support.experiments import NOW, edit_input, planned_run, tree_of

METADATA = "01_raw/concepts/concepts_metadata.csv"


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _tasks(settings: Settings, table: str, experiment_id: str = "demo") -> list[dict[str, str]]:
    return _rows(settings.data_root / "02_tasks" / experiment_id / f"{table}.csv")


def test_an_edit_after_the_start_changes_nothing_in_the_run(settings: Settings):
    run = start_run(settings, {"experiment": "demo"}, "run-1", NOW)
    before = frozen_inputs(settings.data_root, run)
    edit_input(settings.inputs_root, "01_raw/generation_templates/essay.txt", "{{ c.name }}", "NEW")
    edit_input(settings.inputs_root, METADATA, "Economic moat", "Edited moat")
    edit_input(settings.inputs_root, "experiments/demo.yaml", "k_max: 2", "k_max: 1")

    plan_generations(settings, "run-1", now=NOW, max_instances=100)

    call = open_call(settings, "run-1", "generation", 0)
    assert "Economic moat" in build_request(call).prompt
    assert frozen_inputs(settings.data_root, run) == before
    assert [row["k_max"] for row in _tasks(settings, "concept_combinations_combinations")] == ["2"]


def test_the_frozen_copy_can_be_read_as_files(settings: Settings):
    run = start_run(settings, {"experiment": "demo"}, "run-1", NOW)
    folder = settings.data_root / run.inputs_path

    assert folder.parent == settings.data_root / "02_tasks/demo/inputs"
    assert {row["concept_id"] for row in _rows(folder / "concepts/concepts_metadata.csv")} == {
        "search",
        "moat",
    }
    assert (folder / "evaluation_templates/rigor.txt").read_text().startswith("Judge:")


def test_starting_a_run_again_keeps_its_first_inputs(settings: Settings):
    first = start_run(settings, {"experiment": "demo"}, "run-1", NOW)
    edit_input(settings.inputs_root, METADATA, "Economic moat", "Edited moat")
    before = tree_of(settings.data_root)

    again = start_run(settings, {"experiment": "demo"}, "run-1", NOW)

    assert again == first
    assert {n for n in tree_of(settings.data_root) if "/inputs/" in n} == {
        n for n in before if "/inputs/" in n
    }


def test_a_run_that_has_its_inputs_starts_again_though_the_files_are_broken_now(settings: Settings):
    first = start_run(settings, {"experiment": "demo"}, "run-1", NOW)
    (settings.inputs_root / METADATA).write_text("nonsense\n")

    assert start_run(settings, {"experiment": "demo"}, "run-1", NOW) == first
    with pytest.raises(InputError, match=r"concepts_metadata\.csv"):
        start_run(settings, {"experiment": "demo"}, "run-2", NOW)


def test_broken_inputs_leave_no_run(settings: Settings):
    (settings.inputs_root / METADATA).write_text("nonsense\n")
    with pytest.raises(InputError):
        start_run(settings, {"experiment": "demo"}, "run-1", NOW)
    with pytest.raises(StoreError, match="load_inputs has not succeeded"):
        read_run(engine_for(settings), "run-1")
    assert not (settings.data_root / "02_tasks").exists()


def test_a_frozen_copy_that_was_edited_is_refused(settings: Settings):
    run = start_run(settings, {"experiment": "demo"}, "run-1", NOW)
    snapshot = settings.data_root / run.inputs_path / "inputs.json"
    snapshot.write_text(snapshot.read_text().replace("Economic moat", "Other moat"))
    with pytest.raises(StoreError, match="was edited since the run began"):
        frozen_inputs(settings.data_root, run)


def test_a_dry_run_leaves_the_cap_of_calls_alone_and_is_estimated_with_its_own(settings: Settings):
    planned_run(settings, "run-1", max_cost_usd=1.0)
    planned_run(settings, "run-2", max_cost_usd=100.0, dry_run=True)
    for run_id, cap in (("run-1", 1.0), ("run-2", 100.0)):
        assert [c.nanousd for c in estimate_run(settings, run_id).caps] == [to_nanousd(cap)]
    assert read_cap(settings.data_root, "demo").max_cost_usd == 1.0


@pytest.mark.parametrize(
    ("overrides", "run_id", "expected"),
    [
        ({"experiment": "demo", "experiment_id": "mine"}, "run-1", "mine"),
        ({"experiment": "demo"}, "run-1", "demo"),
        ({"experiment": "plain"}, "run-1", "plain-1"),
        ({"experiment": "plain", "experiment_id": "mine"}, "run-1", "mine"),
        ({"k_max": 2}, "manual__2026-03-01T12:00:00+00:00_aB3", "manual__2026-03-01T12-00-00-00-00_aB3"),
        ({"k_max": 2}, "x" * 300, "x" * 100),
        ({"k_max": 2}, "..", "run-2-dots"),
    ],
)
def test_experiment_id_is_the_one_given_else_the_files_else_the_runs(
    settings: Settings, overrides: dict[str, object], run_id: str, expected: str
):
    assert experiment_id_of(read_inputs(settings, overrides), run_id) == expected


def test_a_plan_is_the_cross_product_and_every_table_of_it_is_written(settings: Settings):
    run = planned_run(settings)

    generations, evaluations = _tasks(settings, "generation_tasks"), _tasks(settings, "evaluation_tasks")
    assert run.experiment_id == "demo"
    assert len(_tasks(settings, "concept_combinations_combinations")) == 1
    assert [r["concept_id"] for r in _tasks(settings, "concept_combinations_relationships")] == [
        "moat",
        "search",
    ]
    assert {(r["generation_template"], r["generation_model"]) for r in generations} == {
        ("essay", "free"),
        ("essay", "paid"),
        ("tags", "free"),
        ("tags", "paid"),
    }
    assert {r["generation_model_name"] for r in generations} == {"prov/free:free", "prov/paid"}
    assert len({r["evaluation_task_id"] for r in evaluations}) == len(evaluations) == 16
    assert {r["generation_task_id"] for r in evaluations} == {r["generation_task_id"] for r in generations}
    contents = settings.data_root / "02_tasks/demo/concept_contents"
    # moat has an article only, and paragraph falls back to lower levels and then to the name.
    assert (contents / "moat.txt").read_text() == "Economic moat"
    assert (contents / "search.txt").read_text().strip() == "Try pairs."


def test_each_planned_cell_has_its_models_pool(settings: Settings):
    planned_run(settings)
    engine = engine_for(settings)
    cells = [*cells_of_run(engine, "run-1", "generation"), *cells_of_run(engine, "run-1", "evaluation")]
    assert {(cell.model_id, cell.pool) for cell in cells} == {
        ("free", "llm_free"),
        ("paid", "llm_paid"),
        ("judge", "llm_paid"),
    }


def test_planning_twice_leaves_the_same_files(settings: Settings):
    planned_run(settings)
    before = {n: b for n, b in tree_of(settings.data_root).items() if "sqlite" not in n}

    assert plan_generations(settings, "run-1", now=NOW, max_instances=100) == [0, 1, 2, 3]
    assert plan_evaluations(settings, "run-1", max_instances=100) == list(range(16))

    assert {n: b for n, b in tree_of(settings.data_root).items() if "sqlite" not in n} == before


def test_runs_of_one_experiment_add_to_its_task_tables(settings: Settings):
    planned_run(settings, "run-1", generation_templates=["essay"], concepts=["search", "moat"])
    planned_run(settings, "run-2", generation_templates=["tags"], concepts=["search", "mind-wandering"])

    generations = _tasks(settings, "generation_tasks")
    evaluations = _tasks(settings, "evaluation_tasks")
    assert [r["generation_template"] for r in generations] == ["essay", "essay", "tags", "tags"]
    assert len({r["combo_id"] for r in generations}) == 2
    assert len(_tasks(settings, "concept_combinations_combinations")) == 2
    assert len(_tasks(settings, "concept_combinations_relationships")) == 4
    assert len(evaluations) == 16
    assert len(list((settings.data_root / "02_tasks/demo/inputs").iterdir())) == 2
    assert len(list((settings.data_root / "02_tasks/demo/concept_contents").iterdir())) == 3
    assert len(_rows(settings.data_root / "combo_mappings.csv")) == 4


def test_runs_of_one_experiment_with_the_same_cells_list_them_once(settings: Settings):
    planned_run(settings, "run-1")
    before = _tasks(settings, "evaluation_tasks")
    planned_run(settings, "run-2", evaluation_temperature=0.5)
    assert _tasks(settings, "evaluation_tasks") == before


@pytest.mark.parametrize("evaluations_first", [True, False])
def test_the_table_of_evaluations_has_those_of_all_shards(settings: Settings, evaluations_first: bool):
    """The two tasks run beside each other: either may be the first to come to the tables."""
    start_run(settings, {"experiment": "demo", "shard_size": 3}, "run-1", NOW)
    if evaluations_first:
        plan_evaluations(settings, "run-1", max_instances=100)
    plan_generations(settings, "run-1", now=NOW, max_instances=100)
    if not evaluations_first:
        plan_evaluations(settings, "run-1", max_instances=100)
    assert len(_tasks(settings, "evaluation_tasks")) == 16


def test_runs_of_different_experiments_have_tables_of_their_own(settings: Settings):
    planned_run(settings, "run-1")
    planned_run(settings, "run-2", experiment_id="other", generation_templates=["tags"])
    assert len(_tasks(settings, "generation_tasks")) == 4
    assert len(_tasks(settings, "generation_tasks", "other")) == 2


def test_a_plan_that_no_one_can_mean_is_refused_before_it_is_made(settings: Settings):
    replicates = {"generation_replicates": 10_000, "evaluation_replicates": 10_000}
    with pytest.raises(InputError) as refused:
        start_run(settings, {"experiment": "demo", **replicates}, "run-1", NOW)
    assert str(refused.value) == (
        "The plan has 1,600,040,000 calls (combinations: 1, generations: 40,000, evaluations: "
        "1,600,000,000); at most 1,000,000 are planned at once. Choose fewer concepts, templates, models or "
        "replicates, or another k_max; or make several experiments."
    )


def test_a_plan_beyond_the_limit_is_refused_before_anything_is_written(settings: Settings):
    start_run(settings, {"experiment": "demo"}, "run-1", NOW)
    before = {n: b for n, b in tree_of(settings.data_root).items() if "sqlite" not in n}

    # No shard can hold less than the 4 evaluations of one generation.
    with pytest.raises(DesignError, match=r"has 4 evaluations; Airflow maps at most 3"):
        plan_generations(settings, "run-1", now=NOW, max_instances=3)
    with pytest.raises(DesignError, match="max_map_length"):
        plan_evaluations(settings, "run-1", max_instances=3)

    assert {n: b for n, b in tree_of(settings.data_root).items() if "sqlite" not in n} == before
    assert cells_of_run(engine_for(settings), "run-1", "generation") == []


def test_replicates_are_axes_with_ids_of_their_own(settings: Settings):
    planned_run(
        settings,
        generation_templates=["essay"],
        generation_models=["free"],
        evaluation_templates=["rigor"],
        evaluation_models=["judge"],
        generation_replicates=2,
        evaluation_replicates=3,
    )
    generations, evaluations = _tasks(settings, "generation_tasks"), _tasks(settings, "evaluation_tasks")
    assert [r["replicate"] for r in generations] == ["1", "2"]
    assert generations[1]["generation_task_id"] == generations[0]["generation_task_id"] + "_rep2"
    assert [r["replicate"] for r in evaluations] == ["1", "2", "3"] * 2
    assert len({r["evaluation_task_id"] for r in evaluations}) == 6
    cell = cells_of_run(engine_for(settings), "run-1", "evaluation")[4]
    assert (cell.generation_replicate, cell.evaluation_replicate, cell.replicate) == (2, 2, 2)


def test_the_size_of_a_plan_is_known_without_making_it(settings: Settings):
    inputs = read_inputs(
        settings, {"experiment": "demo", "generation_replicates": 2, "evaluation_replicates": 3}
    )
    assert size_of_plan(inputs) == (1, 8, 96)


def test_planning_a_run_that_was_not_started_says_so(settings: Settings):
    start_run(settings, {"experiment": "demo"}, "run-1", NOW)
    with pytest.raises(StoreError, match="'run-9' is not in the results database"):
        plan_generations(settings, "run-9", now=NOW, max_instances=100)


def test_runs_that_start_at_once_lose_nothing_of_each_other(settings: Settings):
    templates = ("essay", "tags")
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        jobs = [
            pool.submit(planned_run, settings, f"run-{name}", generation_templates=[name])
            for name in templates
        ]
        assert {job.result(timeout=120).experiment_id for job in jobs} == {"demo"}
    assert sorted(r["generation_template"] for r in _tasks(settings, "generation_tasks")) == [
        "essay",
        "essay",
        "tags",
        "tags",
    ]
    assert len(_tasks(settings, "evaluation_tasks")) == 16
    assert len(_rows(settings.data_root / "combo_mappings.csv")) == 2
    write_all_tables(settings, "demo")
    assert len(_rows(settings.data_root / "05_parsing/demo/parsed_scores.csv")) == 16


def test_a_plan_larger_than_a_shard_is_planned_once_for_all_its_runs(settings: Settings):
    planned_run(settings, shard_size=3)
    engine = engine_for(settings)
    shards = runs_of_plan(engine, "run-1")
    assert [(r.run_id, r.parent_run_id, r.shard, r.shards) for r in shards] == [
        ("run-1", None, 1, 2),
        ("run-1~shard-2-of-2", "run-1", 2, 2),
    ]
    cells = {
        (run.run_id, stage): cells_of_run(engine, run.run_id, stage)
        for run in shards
        for stage in ("generation", "evaluation")
    }
    assert [len(found) for found in cells.values()] == [3, 12, 1, 4]
    for (run_id, stage), found in cells.items():
        assert [cell.map_index for cell in found] == list(range(len(found)))
        if stage == "evaluation":
            generations = {cell.cell_id for cell in cells[run_id, "generation"]}
            assert {cell.generation_task_id for cell in found} == generations
    assert len({cell.cell_id for found in cells.values() for cell in found}) == 20
    assert (len(_tasks(settings, "generation_tasks")), len(_tasks(settings, "evaluation_tasks"))) == (4, 16)


def test_a_shard_is_smaller_where_its_evaluations_would_be_more_than_airflow_maps(settings: Settings):
    planned_run(settings, max_instances=8)
    assert [run.shards for run in runs_of_plan(engine_for(settings), "run-1")] == [2, 2]


def test_planning_again_finds_the_same_shards(settings: Settings):
    planned_run(settings, shard_size=1)
    before = runs_of_plan(engine_for(settings), "run-1")
    planned_run(settings, shard_size=1)
    assert runs_of_plan(engine_for(settings), "run-1") == before
    assert len(before) == 4
    assert shards_to_start(settings, before[1].run_id, now=NOW) == []


def test_shards_that_may_run_at_once_start_one_after_the_other(settings: Settings):
    planned_run(settings, shard_size=1)
    started = shards_to_start(replace(settings, pools={"experiment_shards": 2}), "run-1", now=NOW)
    assert [start["trigger_run_id"] for start in started] == [f"run-1~shard-{n}-of-4" for n in (2, 3, 4)]
    assert [start["conf"] for start in started] == [{"experiment_id": "demo"}] * 3
    assert [datetime.fromisoformat(start["run_after"]) - NOW for start in started] == [
        timedelta(0),
        SHARDS_APART,
        timedelta(0),
    ]
