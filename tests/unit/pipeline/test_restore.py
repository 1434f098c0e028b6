"""A backup brings everything back, from either kind of database into either, or changes nothing."""

from __future__ import annotations

import errno
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import inspect, text

from daydreaming.errors import InputError
from daydreaming.pipeline.backup import back_up
from daydreaming.pipeline.call import build_request, open_call, settle_stored
from daydreaming.pipeline.restore import restore
from daydreaming.pipeline.verify import verify
from daydreaming.store.database import SQLITE_NAME, engine_for
from daydreaming.store.files import DataRoot
from daydreaming.store.migrate import move_schema, upgrade_database
from daydreaming.store.plans import cells_of_run
from daydreaming.store.results import insert_failure
from daydreaming.store.staging import Staging
from daydreaming.store.stored_files import stored_files
from daydreaming.store.table_dump import dumped_tables
from tests.support.backups import Silent, column_names, dispose, every_row, forged, nothing_restored
from tests.support.experiments import planned_run, tree_of

pytestmark = pytest.mark.usefixtures("few_tables")


def test_a_restore_gives_the_same_files_rows_and_findings(original, original_findings, empty):
    manifest = restore(empty, original.backup, Silent())
    assert original.is_same_as(empty)
    assert manifest.responses == {"generation": 10, "evaluation": 26}
    assert manifest.answers_without_row() == 0
    assert verify(empty).to_json() == original_findings
    assert len(original_findings["findings"]) > 0


def test_a_backup_of_postgres_comes_back_as_sqlite(original, empty_sqlite, postgres, tmp_path):
    with postgres.database() as uri:
        between = replace(original.settings, data_root=tmp_path / "between", results_conn=uri)
        restore(between, original.backup, Silent())
        made = back_up(between, tmp_path / "second.tar.gz", Silent())
        dispose(between)
    restore(empty_sqlite, made.path, Silent())
    assert original.is_same_as(empty_sqlite)


def test_a_restored_database_goes_on_numbering(original, empty):
    restore(empty, original.backup, Silent())
    row = dict(zip(column_names(empty, "failures"), every_row(empty)["failures"][-1], strict=True))
    insert_failure(engine_for(empty), {name: row[name] for name in row if name != "id"})
    numbers = [failure[0] for failure in every_row(empty)["failures"]]
    assert len(numbers) == len(set(numbers))
    assert max(numbers) == len(numbers)


def test_inputs_in_the_data_root_are_no_hindrance_and_stay(original, empty_sqlite):
    raw = empty_sqlite.data_root / "01_raw"
    raw.mkdir(parents=True)
    (raw / "llm_models.csv").write_text("id")
    restore(empty_sqlite, original.backup, Silent())
    assert (raw / "llm_models.csv").read_text() == "id"
    assert original.is_same_as(empty_sqlite)


def test_migrated_tables_and_empty_folders_are_still_empty(original, empty):
    upgrade_database(empty)
    (empty.data_root / "03_generation/generation_responses").mkdir(parents=True)
    (empty.data_root / "03_generation/generation_responses/.~lock").touch()
    restore(empty, original.backup, Silent())
    assert original.is_same_as(empty)


def test_a_backup_of_an_older_schema_is_migrated(small, tmp_path, monkeypatch):
    older = "0003"
    with engine_for(small).connect() as connection:
        move_schema(connection, older)
        connection.commit()
    there = set(inspect(engine_for(small)).get_table_names())
    monkeypatch.setattr("daydreaming.pipeline.backup.latest_revision", lambda: older)
    monkeypatch.setattr(
        "daydreaming.pipeline.backup.dumped_tables", lambda: [t for t in dumped_tables() if t.name in there]
    )
    made = back_up(small, tmp_path / "backup.tar.gz", Silent())
    assert made.manifest.schema == older
    for name in ("new", "migrated"):
        copy = replace(small, data_root=tmp_path / name)
        if name == "migrated":
            upgrade_database(copy)
        restore(copy, made.path, Silent())
        rows = every_row(copy)
        assert (len(rows["generations"]), len(rows["evaluations"]), rows["scores"]) == (4, 16, [])


def test_a_line_that_is_no_row_changes_nothing(original, empty, tmp_path):
    said = {"name": "budgets", "columns": [[c, "plain"] for c in column_names(original.settings, "budgets")]}
    bad = forged(
        original.backup,
        tmp_path / "bad.tar.gz",
        manifest={"tables": [{**said, "name": "budgets"}], "rows": {"budgets": 3}},
    )
    restore(empty, bad, Silent())  # the table alone fits
    assert len(every_row(empty)["budgets"]) == 3


# What is refused


def test_a_data_root_that_holds_something_is_refused_and_named(original, empty_sqlite):
    (empty_sqlite.data_root / "06_summary").mkdir(parents=True)
    (empty_sqlite.data_root / "06_summary/mine.csv").write_text("1")
    before = tree_of(empty_sqlite.data_root)
    with pytest.raises(InputError, match=r"is not empty: it holds 06_summary/mine\.csv"):
        restore(empty_sqlite, original.backup, Silent())
    assert tree_of(empty_sqlite.data_root) == before


@pytest.mark.parametrize("link", ["03_generation", "03_generation/generation_responses", "07_reporting"])
def test_a_link_to_another_disk_is_refused_before_anything_is_written(original, empty, tmp_path, link):
    other = tmp_path / "other-disk"
    if link != "07_reporting":  # that one leads nowhere
        other.mkdir()
    path = empty.data_root / link
    path.parent.mkdir(parents=True)
    path.symlink_to(other)
    with pytest.raises(InputError, match=rf"{link} is a link, .* Delete the link and restore; then move"):
        restore(empty, original.backup, Silent())
    assert path.is_symlink()
    assert list(stored_files(empty.data_root)) == []
    assert not (empty.data_root / SQLITE_NAME).exists()
    assert not list(empty.data_root.glob(".~*"))


def test_links_that_a_restore_leaves_alone_are_no_hindrance(original, empty_sqlite, tmp_path):
    there = empty_sqlite.data_root
    for name in ("disk", "raw", "kept"):
        (tmp_path / name).mkdir()
    there.symlink_to(tmp_path / "disk")
    (there / "01_raw").symlink_to(tmp_path / "raw")
    (there / "cache").symlink_to(tmp_path / "kept")
    restore(empty_sqlite, original.backup, Silent())
    assert original.is_same_as(empty_sqlite)
    assert there.is_symlink()
    assert (there / "01_raw").is_symlink()
    assert (there / "cache").is_symlink()


def test_a_database_that_holds_rows_is_refused_and_its_table_named(original, empty):
    upgrade_database(empty)
    with engine_for(empty).begin() as connection:
        connection.execute(
            text("INSERT INTO budgets (scope, reserved_nanousd, spent_nanousd) VALUES ('x', 0, 1)")
        )
    with pytest.raises(InputError, match="is not empty: the table budgets holds rows"):
        restore(empty, original.backup, Silent())
    assert list(stored_files(empty.data_root)) == []
    assert len(every_row(empty)["budgets"]) == 1


def test_rows_that_came_while_the_files_were_read_are_seen(original, empty, monkeypatch):
    upgrade_database(empty)
    monkeypatch.setattr("daydreaming.pipeline.restore._require_empty_database", lambda _: None)
    with engine_for(empty).begin() as connection:
        connection.execute(
            text("INSERT INTO budgets (scope, reserved_nanousd, spent_nanousd) VALUES ('x', 0, 1)")
        )
    with pytest.raises(InputError, match="the table budgets holds rows"):
        restore(empty, original.backup, Silent())
    assert list(stored_files(empty.data_root)) == []


# What fails or is killed on the way


@pytest.mark.parametrize("moment", ["write", "place", "commit"])
def test_whatever_fails_nothing_is_half_restored(original, empty, monkeypatch, moment):
    def fail(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "disk")

    if moment == "write":
        monkeypatch.setattr(os, "utime", fail)
    elif moment == "place":
        real, count = Path.rename, iter(range(100))
        monkeypatch.setattr(
            Path, "rename", lambda path, target: fail() if next(count) == 3 else real(path, target)
        )
    else:
        place = Staging.place

        def place_and_fail(staged, advance):
            place(staged, advance)
            fail()

        monkeypatch.setattr(Staging, "place", place_and_fail)
    nothing_restored(empty, original.backup, r"cannot be restored \(disk: No space left on device\)")


def test_after_a_failure_the_same_place_can_be_restored_into(original, empty, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(Staging, "place", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            restore(empty, original.backup, Silent())
    restore(empty, original.backup, Silent())
    assert original.is_same_as(empty)


def test_what_a_restore_that_was_killed_left_is_named(original, empty_sqlite):
    (empty_sqlite.data_root / ".~restore-abc/data").mkdir(parents=True)
    (empty_sqlite.data_root / "combo_mappings.csv").write_text("half")
    with pytest.raises(InputError, match="an earlier restore was killed"):
        restore(empty_sqlite, original.backup, Silent())
    (empty_sqlite.data_root / "combo_mappings.csv").unlink()
    restore(empty_sqlite, original.backup, Silent())
    assert not list(empty_sqlite.data_root.glob(".~restore*"))


def test_the_inputs_of_a_run_can_be_taken_from_what_was_restored(small, tmp_path):
    made = back_up(small, tmp_path / "backup.tar.gz", Silent())
    inputs = tmp_path / "new-inputs"
    copy = replace(small, data_root=tmp_path / "copy", inputs_root=inputs)
    restore(copy, made.path, Silent())
    [frozen] = (copy.data_root / "02_tasks/demo/inputs").iterdir()
    shutil.copytree(frozen, inputs / "01_raw")
    (inputs / "experiments").mkdir()
    shutil.copy(frozen / "experiment.yaml", inputs / "experiments/demo.yaml")
    planned_run(copy, "run-2")
    for stage in ("generation", "evaluation"):
        cells = cells_of_run(engine_for(copy), "run-2", stage)
        assert {c.cell_id for c in cells} == DataRoot(copy.data_root).answered_ids(stage)
        calls = [open_call(copy, "run-2", stage, cell.map_index) for cell in cells]
        assert all(settle_stored(call, build_request(call)) for call in calls)
