"""What a backup holds, also while runs go on, and what is not backed up."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import tarfile
from dataclasses import replace

import pytest
from sqlalchemy import event, text

from daydreaming.errors import InputError, StoreError
from daydreaming.pipeline.backup import back_up
from daydreaming.pipeline.call import open_call
from daydreaming.pipeline.restore import check_backup, restore
from daydreaming.pipeline.tables import write_all_tables
from daydreaming.pipeline.verify import verify
from daydreaming.store.database import SQLITE_NAME, engine_for
from daydreaming.store.migrate import VERSION_TABLE, latest_revision
from daydreaming.store.plans import cells_of_run
from daydreaming.store.stored_files import stored_files
from daydreaming.store.table_dump import dumped_tables
from tests.support.backups import Silent, dispose, every_file, every_row
from tests.support.experiments import answer_all, make_settings, planned_run
from tests.support.finished_root import buy_all

pytestmark = pytest.mark.usefixtures("few_tables")


def test_what_can_be_made_again_is_not_in_it(original):
    with tarfile.open(original.backup) as tar:
        names = tar.getnames()
    assert names[:2] == ["manifest.json", "files.jsonl"]
    assert {name.split("/")[0] for name in names[2:]} == {"database", "data"}
    assert not [name for name in names if "cache" in name or ".~" in name or SQLITE_NAME in name]
    assert not [name for name in names if name.endswith(".lock")]
    assert [f"database/{table.name}.jsonl" for table in dumped_tables()] == [
        name for name in names if name.startswith("database/")
    ]


def test_inputs_are_not_in_it_where_they_lie_in_the_data_root(tmp_path):
    settings = replace(make_settings(tmp_path), data_root=tmp_path / "inputs")
    planned_run(settings)
    back_up(settings, tmp_path / "backup.tar.gz", Silent())
    assert (settings.data_root / "01_raw").is_dir()
    with tarfile.open(tmp_path / "backup.tar.gz") as tar:
        assert not [n for n in tar.getnames() if n.startswith(("data/01_raw", "data/experiments"))]


def test_a_backup_tells_what_is_in_it(original):
    manifest = check_backup(original.backup, Silent())
    assert manifest.schema == latest_revision()
    assert manifest.files == len(every_file(original.settings.data_root))
    assert dict(manifest.rows) == {name: len(rows) for name, rows in every_row(original.settings).items()}


def test_the_list_of_a_backup_is_json(original):
    with tarfile.open(original.backup) as tar:
        listed = [json.loads(line) for line in tar.extractfile("files.jsonl").read().splitlines()]
        manifest = json.load(tar.extractfile("manifest.json"))
    assert len(listed) == manifest["files"] + len(manifest["tables"])
    assert all(len(sha256) == 64 for _, _, sha256, _ in listed)


def test_links_to_folders_are_followed_and_loops_end(small, tmp_path):
    moved = tmp_path / "elsewhere"
    (small.data_root / "03_generation").rename(moved)
    (small.data_root / "03_generation").symlink_to(moved)
    (moved / "loop").symlink_to(small.data_root)
    names = set(stored_files(small.data_root))
    assert sum(name.startswith("03_generation/generation_responses/") for name in names) == 8
    assert not [name for name in names if "loop/03_generation/loop" in name]


def test_of_everything_that_is_listed_the_sources_are_listed_later(small):
    names = list(stored_files(small.data_root))
    places = {name: index for index, name in enumerate(names)}
    stage_places = [
        [places[n] for n in names if n.startswith(folder)] for folder in ("04_", "03_", "02_tasks")
    ]
    assert max(stage_places[0]) < min(stage_places[1])
    assert max(stage_places[1]) < min(stage_places[2])
    texts = [n for n in names if "responses/" in n and n.endswith(".txt") and "parsed" not in n]
    assert len(texts) == 20
    assert all(places[name] < places[f"{name[:-4]}.json"] for name in texts)


# While runs go on


def answer_beside(settings, started):
    started.set()
    buy_all(settings, "run-1")


def test_while_another_process_writes_every_row_has_its_file(each_settings, tmp_path):
    planned_run(each_settings)
    dispose(each_settings)
    fork = multiprocessing.get_context("fork")
    started = fork.Event()
    process = fork.Process(target=answer_beside, args=(each_settings, started))
    process.start()
    started.wait()
    made = [back_up(each_settings, tmp_path / "first.tar.gz", Silent())]
    while process.is_alive():
        made.append(back_up(each_settings, tmp_path / f"{len(made)}.tar.gz", Silent()))
    assert process.exitcode == 0
    alike = {"unscored", "duplicate"}  # as its answers are
    for i, backup in enumerate([made[len(made) // 3], made[len(made) * 2 // 3]]):
        copy = replace(each_settings, data_root=tmp_path / f"copy-{i}", results_conn="")
        restore(copy, backup.path, Silent())
        kinds = {finding.kind for finding in verify(copy).findings}
        assert not kinds & {"row_without_response", "missing_parent", "orphan", "no_record"}
        write_all_tables(copy, "demo")
        assert {finding.kind for finding in verify(copy).findings if finding.is_error} <= alike
    last = back_up(each_settings, tmp_path / "last.tar.gz", Silent())
    assert last.manifest.rows["generations"] == len(
        cells_of_run(engine_for(each_settings), "run-1", "generation")
    )


def test_rows_that_come_after_the_snapshot_are_not_in_it(each_settings, tmp_path):
    planned_run(each_settings)
    engine = engine_for(each_settings)
    seen: list[str] = []

    def write_once(_connection, _cursor, statement, *_):
        if "FROM evaluations" in statement and not seen:
            seen.append(statement)
            answer_all(each_settings, "run-1")

    event.listen(engine, "before_cursor_execute", write_once)
    try:
        made = back_up(each_settings, tmp_path / "backup.tar.gz", Silent())
    finally:
        event.remove(engine, "before_cursor_execute", write_once)
    assert seen
    assert (made.manifest.rows["evaluations"], made.manifest.rows["generations"]) == (0, 0)
    assert made.manifest.responses == {"generation": 4, "evaluation": 16}
    assert made.manifest.answers_without_row() == 20


def test_an_answer_that_moves_out_of_the_archive_meanwhile_is_not_passed_by(small, tmp_path, monkeypatch):
    call = open_call(small, "run-1", "generation", 0)
    cell = call.cell.cell_id
    request_hash = call.files.read_provenance("generation", cell)["request_hash"]
    archived = call.files.archive_response("generation", cell, request_hash)
    looks: list[str] = []
    real = stored_files

    def moving(data_root):
        for name in real(data_root):
            if name.startswith("02_tasks") and not looks:  # all responses were listed
                looks.append(name)
                assert call.files.restore_response("generation", cell, request_hash)
            if not name.startswith("archive"):
                yield name

    monkeypatch.setattr("daydreaming.pipeline.backup.stored_files", moving)
    made = back_up(small, tmp_path / "backup.tar.gz", Silent())
    assert not archived.exists()
    assert made.manifest.responses["generation"] == 4


def test_a_file_that_was_deleted_meanwhile_is_left_out(small, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "daydreaming.pipeline.backup.stored_files", lambda _: iter(["gone.txt", "combo_mappings.csv"])
    )
    assert back_up(small, tmp_path / "backup.tar.gz", Silent()).manifest.files == 1


# What is refused


def test_no_backup_is_overwritten(small, tmp_path):
    (tmp_path / "old.tar.gz").write_text("precious")
    with pytest.raises(InputError, match=r"old\.tar\.gz is there already"):
        back_up(small, tmp_path / "old.tar.gz", Silent())
    assert (tmp_path / "old.tar.gz").read_text() == "precious"


def test_a_backup_in_the_data_root_or_in_no_folder_is_refused(small, tmp_path):
    with pytest.raises(InputError, match="lies in the data root"):
        back_up(small, small.data_root / "b.tar.gz", Silent())
    with pytest.raises(InputError, match="no such folder"):
        back_up(small, tmp_path / "none/b.tar.gz", Silent())


def test_without_a_database_there_is_no_backup(small, tmp_path):
    dispose(small)
    (small.data_root / SQLITE_NAME).unlink()
    with pytest.raises(StoreError, match=r"no results database.*daydreaming rebuild"):
        back_up(small, tmp_path / "b.tar.gz", Silent())


@pytest.mark.parametrize(("revision", "say"), [("0001", "daydreaming migrate"), ("9999", "newer release")])
def test_a_database_of_another_schema_is_not_backed_up(small, tmp_path, revision, say):
    with engine_for(small).begin() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '{revision}'"))
    with pytest.raises(StoreError, match=rf"has the schema {revision}.*{say}"):
        back_up(small, tmp_path / "b.tar.gz", Silent())
    assert list(tmp_path.glob("*.gz")) == []


def test_a_full_disk_leaves_no_backup(small, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    target = tmp_path / "target"
    target.mkdir()
    monkeypatch.setattr(tarfile.TarFile, "addfile", full)
    with pytest.raises(StoreError, match=r"b\.tar\.gz cannot be made \(No space left on device\)"):
        back_up(small, target / "b.tar.gz", Silent())
    assert list(target.iterdir()) == []
