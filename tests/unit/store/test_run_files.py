"""Runs and plans as files: named safely, written once, read back as they were."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import unquote

import pytest

from daydreaming.errors import StoreError
from daydreaming.store.caps import CapFile, read_cap, write_cap
from daydreaming.store.run_files import PLAN_COLUMNS, RunFile, RunFiles, file_name
from tests.unit.store.test_run_plans import evaluation, generation, run

NOW = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
AIRFLOW_ID = "manual__2026-03-01T12:00:00+00:00~shard-2-of-3"


@pytest.fixture
def files(tmp_path) -> RunFiles:
    return RunFiles.of(tmp_path, "e")


@pytest.mark.parametrize(
    "run_id", ["run-1", AIRFLOW_ID, "a b", "100%", "ä", ".hidden", ".~x", "..", "%2E", "a\\b", "x" * 200]
)
def test_a_run_id_is_a_safe_file_name_that_gives_it_back(files, run_id):
    name = file_name(run_id)
    assert unquote(name) == run_id
    assert not set(name) & set(':+ /\\*?"<>|')
    assert not name.startswith(".")
    assert files.record(RunFile(run(run_id), NOW)).run.run_id == run_id
    assert [file.run.run_id for file in files.read_all()] == [run_id]


def test_ids_that_are_too_long_for_a_name_stay_apart(files):
    ids = ["+" * 250, "+" * 249 + "-", "x" * 250]
    for run_id in ids:
        files.record(RunFile(run(run_id), NOW))
        files.write_plan(run_id, "generation", [generation(0)])
        assert len(files.plan_path(run_id, "generation").name) <= 255
    assert sorted(file.run.run_id for file in files.read_all()) == sorted(ids)


def test_a_run_is_read_back_as_it_was_recorded(files):
    file = RunFile(
        run(AIRFLOW_ID, params={"k_max": 2, "b": [1.5, None]}, parent_run_id="p", shard=2, shards=3),
        NOW,
        "ada",
        "1.0",
        "Too dear.",
    )
    assert files.record(file) == file
    assert files.read(AIRFLOW_ID) == file
    assert files.read("other") is None
    record = json.loads(files.path(AIRFLOW_ID).read_text())
    assert (record["created_at"], record["created_by"]) == ("2026-03-01T12:00:00.123456+00:00", "ada")


def test_what_is_recorded_first_stands_until_it_is_replaced(files):
    first = files.record(RunFile(run(), NOW, "ada"))
    assert files.record(RunFile(run(params={"k_max": 9}), NOW, "eve")) == first
    files.replace(replace(first, refusal="No."))
    assert files.read("r1") == replace(first, refusal="No.")


def test_runs_come_oldest_first_whatever_their_zone(files):
    east = timezone(timedelta(hours=9))
    files.record(RunFile(run("b"), NOW))
    files.record(RunFile(run("c"), (NOW - timedelta(hours=1)).astimezone(east)))
    files.record(RunFile(run("a"), NOW))
    assert [file.run.run_id for file in files.read_all()] == ["c", "a", "b"]


@pytest.mark.parametrize("stage", ["generation", "evaluation"])
def test_a_plan_is_read_back_row_by_row_and_never_changes(files, stage):
    cells = [generation(0), generation(7, model_name="")] if stage == "generation" else [evaluation(0)]
    files.write_plan(AIRFLOW_ID, stage, cells)
    files.write_plan(AIRFLOW_ID, stage, [generation(3)])
    rows = list(files.read_plan(AIRFLOW_ID, stage))
    assert rows == [
        {"run_id": AIRFLOW_ID, "stage": stage, **{name: getattr(c, name) for name in PLAN_COLUMNS}}
        for c in cells
    ]
    assert list(files.read_plan("other", stage)) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"line 1: cannot be read \(the columns must be map_index,cell_id"),
        ("a,b\n1,2\n", r"line 1: cannot be read \(the columns must be"),
        (",".join(PLAN_COLUMNS) + "\n1,2\n", r"line 2: cannot be read \(2 values for"),
        (
            ",".join(PLAN_COLUMNS) + "\nx" + ",1" * (len(PLAN_COLUMNS) - 1) + "\n",
            r"line 2: cannot be read \(invalid literal",
        ),
    ],
)
def test_a_plan_that_cannot_be_read_names_its_line(files, text, message):
    path = files.plan_path("r1", "generation")
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.raises(StoreError, match=rf"r1\.generation\.csv, {message}"):
        list(files.read_plan("r1", "generation"))


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"run_id": "r1"}', "\xff", '{"created_at": "2026-01-01T00:00:00"}']
)
def test_a_run_that_cannot_be_read_names_its_file(files, text):
    files.folder.mkdir(parents=True)
    files.path("r1").write_text(text, encoding="latin-1")
    with pytest.raises(StoreError, match=r"r1\.json: cannot be read \(.*Restore it from a backup"):
        files.read_all()


def test_a_time_without_zone_is_refused(files):
    files.record(RunFile(run(), NOW))
    path = files.path("r1")
    path.write_text(path.read_text().replace("+00:00", ""))
    with pytest.raises(StoreError, match="created_at has no time zone"):
        files.read("r1")


@pytest.mark.parametrize("cap", [None, 0.0, 2.5])
def test_a_cap_is_remembered_and_so_is_that_it_was_lifted(tmp_path, cap):
    assert read_cap(tmp_path, "e") is None
    write_cap(tmp_path, "e", 7.0)
    write_cap(tmp_path, "e", cap)
    assert read_cap(tmp_path, "e") == CapFile(cap)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"max_cost_usd": "much"}'])
def test_a_cap_that_cannot_be_read_names_its_file(tmp_path, text):
    write_cap(tmp_path, "e", 1.0)
    (tmp_path / "02_tasks/e/max_cost_usd.json").write_text(text)
    with pytest.raises(StoreError, match=r"max_cost_usd\.json: cannot be read"):
        read_cap(tmp_path, "e")
