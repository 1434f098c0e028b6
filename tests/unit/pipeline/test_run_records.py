"""Runs, plans and caps in files: all that a new database would not know."""

from __future__ import annotations

import json
import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from daydreaming.pipeline.import_legacy import import_legacy
from daydreaming.pipeline.plan import (
    note_refusal,
    plan_evaluations,
    plan_generations,
    set_cap,
    start_run,
)
from daydreaming.pipeline.run_records import code_version
from daydreaming.settings import Settings
from daydreaming.store.caps import read_cap
from daydreaming.store.database import SQLITE_NAME, engine_for
from daydreaming.store.experiments import read_experiments
from daydreaming.store.plans import cells_of_run, read_refusal, read_run
from daydreaming.store.run_files import PLAN_COLUMNS, RunFiles
from tests.support.experiments import NOW, edit_input, planned_run, tree_of
from tests.support.legacy_folder import make_legacy_folder


def _files(settings: Settings, experiment_id: str = "demo") -> RunFiles:
    return RunFiles.of(settings.data_root, experiment_id)


def _plan(settings: Settings, run_id: str, experiment_id: str = "demo") -> list[tuple[object, ...]]:
    rows = [
        r for s in ("generation", "evaluation") for r in _files(settings, experiment_id).read_plan(run_id, s)
    ]
    return [(row["stage"], *(row[name] for name in PLAN_COLUMNS)) for row in rows]


def _cells(settings: Settings, run_id: str) -> list[tuple[object, ...]]:
    cells = [c for s in ("generation", "evaluation") for c in cells_of_run(engine_for(settings), run_id, s)]
    return [(cell.stage, *(getattr(cell, name) for name in PLAN_COLUMNS)) for cell in cells]


@pytest.mark.parametrize("user", ["ada", None])
def test_a_run_says_what_when_by_whom_and_with_which_code(settings: Settings, user):
    run = start_run(settings, {"experiment": "demo"}, "a:b+c", NOW, created_by=user)
    [file] = _files(settings).read_all()
    assert (file.run, file.created_at, file.created_by) == (run, NOW, user)
    assert file.code_version == code_version() != ""
    [row] = read_experiments(engine_for(settings))
    assert (row["created_by"], row["code_version"], row["created_at"]) == (user, code_version(), NOW)
    assert row["spec"] == run.params


def test_a_plan_is_in_files_as_it_is_in_the_database(settings: Settings):
    planned_run(settings)
    assert _plan(settings, "run-1") == _cells(settings, "run-1")
    assert len(_plan(settings, "run-1")) == 20


def test_each_shard_has_its_files(settings: Settings):
    start_run(settings, {"experiment": "demo", "shard_size": 3}, "run-1", NOW, created_by="ada")
    for _ in range(2):  # each task may run twice
        plan_generations(settings, "run-1", now=NOW + timedelta(minutes=1), max_instances=100)
        plan_evaluations(settings, "run-1", max_instances=100)
    first, second = _files(settings).read_all()
    assert (first.run.shard, first.run.shards, first.created_at) == (1, 2, NOW)
    assert second.run == read_run(engine_for(settings), "run-1~shard-2-of-2")
    assert (second.created_at, second.created_by) == (NOW + timedelta(minutes=1), "ada")
    for run_id in ("run-1", "run-1~shard-2-of-2"):
        assert _plan(settings, run_id) == _cells(settings, run_id)


def test_a_refusal_is_noted_for_all_shards_and_taken_back(settings: Settings):
    planned_run(settings, shard_size=3)
    note_refusal(settings, "run-1", "Too dear.")
    assert {file.refusal for file in _files(settings).read_all()} == {"Too dear."}
    assert read_refusal(engine_for(settings), "run-1~shard-2-of-2") == "Too dear."
    note_refusal(settings, "run-1", None)
    assert {file.refusal for file in _files(settings).read_all()} == {None}
    assert read_refusal(engine_for(settings), "run-1") is None


def test_a_crash_between_file_and_row_keeps_the_first_inputs(settings: Settings):
    first = start_run(settings, {"experiment": "demo"}, "run-1", NOW, created_by="ada")
    engine_for(settings).dispose()
    for file in settings.data_root.glob(f"{SQLITE_NAME}*"):
        file.unlink()
    edit_input(settings.inputs_root, "01_raw/concepts/concepts_metadata.csv", "Economic moat", "Edited")
    again = start_run(settings, {"experiment": "demo"}, "run-1", NOW + timedelta(days=1), created_by="eve")
    assert again == first == read_run(engine_for(settings), "run-1")
    [row] = read_experiments(engine_for(settings))
    assert (row["created_by"], row["created_at"]) == ("ada", NOW)


def test_files_that_are_gone_come_back_with_the_next_plan(settings: Settings):
    planned_run(settings, shard_size=3)
    before = tree_of(settings.data_root / "02_tasks")
    shutil.rmtree(_files(settings).folder)
    plan_generations(settings, "run-1", now=NOW, max_instances=1000)
    plan_evaluations(settings, "run-1", max_instances=1000)
    after = tree_of(settings.data_root / "02_tasks")
    assert after.keys() == before.keys()
    plans = [name for name in before if name.endswith((".generation.csv", ".evaluation.csv"))]
    assert len(plans) == 4
    assert {name: after[name] for name in plans} == {name: before[name] for name in plans}


def test_a_later_run_is_the_experiments_latest(settings: Settings):
    planned_run(settings)
    planned_run(settings, "run-2", now=NOW + timedelta(hours=1), generation_replicates=2)
    [row] = read_experiments(engine_for(settings))
    assert (row["created_at"], row["updated_at"]) == (NOW, NOW + timedelta(hours=1))
    assert row["spec"]["generation_replicates"] == 2


def test_an_import_is_a_run_with_files_too(settings: Settings, tmp_path: Path):
    import_legacy(settings, make_legacy_folder(tmp_path / "old"), now=NOW)
    [file] = _files(settings, "legacy").read_all()
    assert file.run.run_id.startswith("import-legacy-")
    assert _plan(settings, file.run.run_id, "legacy") == _cells(settings, file.run.run_id)
    assert [row["experiment_id"] for row in read_experiments(engine_for(settings))] == ["legacy"]


@pytest.mark.parametrize("cap", [None, 0.25])
def test_a_cap_is_in_a_file(settings: Settings, cap):
    planned_run(settings, max_cost_usd=5.0)
    assert read_cap(settings.data_root, "demo").max_cost_usd == 5.0
    set_cap(settings, "demo", cap)
    assert read_cap(settings.data_root, "demo").max_cost_usd == cap


def test_the_file_of_a_run_is_for_people_too(settings: Settings):
    planned_run(settings)
    record = json.loads(_files(settings).path("run-1").read_text())
    assert record["params"]["k_max"] == 2
    assert record["inputs_path"].startswith("02_tasks/demo/inputs/")
