"""A backup brings everything back, from either kind of database into either, or changes nothing."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import event, inspect, text

from daydreaming.analysis import tables
from daydreaming.errors import DaydreamingError, InputError, StoreError
from daydreaming.objects.bucket import ObjectInfo
from daydreaming.objects.path import ObjectPath
from daydreaming.pipeline.backup import back_up
from daydreaming.pipeline.call import open_call
from daydreaming.pipeline.restore import check_backup, restore
from daydreaming.pipeline.tables import write_all_tables
from daydreaming.pipeline.verify import verify
from daydreaming.settings import Settings
from daydreaming.store.database import SQLITE_NAME, engine_for, writing_engine
from daydreaming.store.migrate import VERSION_TABLE, latest_revision, move_schema, upgrade_database
from daydreaming.store.plans import cells_of_run
from daydreaming.store.results import insert_failure
from daydreaming.store.staging import Staging
from daydreaming.store.stored_files import stored_files
from daydreaming.store.table_dump import dumped_tables
from tests.support.backups import Silent, changed, cut, every_file, every_row, forged, repacked_cut
from tests.support.experiments import answer_all, make_settings, planned_run, tree_of
from tests.support.finished_root import buy_all, make_finished_root

FEW = ("final_results", "evaluator_agreement_analysis", "friedman")


@dataclass(frozen=True)
class Original:
    """A finished data root and its backup."""

    settings: Settings
    backup: Path


@pytest.fixture(scope="module")
def few_tables() -> Iterator[None]:
    """What the tables say is no matter here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "ANALYSES", {name: tables.ANALYSES[name] for name in FEW})
        yield


@pytest.fixture(scope="module")
def original(few_tables, tmp_path_factory) -> Original:
    folder = tmp_path_factory.mktemp("original")
    settings = make_settings(folder)
    make_finished_root(settings, folder / "legacy")
    (settings.data_root / "cache/search/demo").mkdir(parents=True)
    (settings.data_root / "cache/search/demo/index").write_text("can be made again")
    (settings.data_root / "03_generation/generation_responses/.~half").write_text("half")
    made = back_up(settings, folder / "backup.tar.gz", Silent())
    return Original(settings, made.path)


@pytest.fixture(scope="module")
def original_findings(original) -> dict:
    return verify(original.settings).to_json()


@pytest.fixture(params=["sqlite", "postgres"])
def empty(request, original, tmp_path) -> Iterator[Settings]:
    """An empty machine, with each kind of database."""
    settings = replace(original.settings, data_root=tmp_path / "restored")
    if request.param == "sqlite":
        yield settings
        return
    with request.getfixturevalue("postgres").database() as uri:
        yield replace(settings, results_conn=uri)
        dispose(replace(settings, results_conn=uri))


@pytest.fixture
def empty_sqlite(original, tmp_path) -> Settings:
    return replace(original.settings, data_root=tmp_path / "restored")


@pytest.fixture
def small(tmp_path) -> Settings:
    """One experiment, answered."""
    settings = make_settings(tmp_path)
    planned_run(settings)
    answer_all(settings, "run-1")
    return settings


def dispose(settings):
    engine_for(settings).dispose()
    writing_engine(settings).dispose()


def assert_same(settings, original):
    assert every_file(settings.data_root) == every_file(original.settings.data_root)
    assert every_row(settings) == every_row(original.settings)


def test_a_restore_gives_the_same_files_rows_and_findings(original, original_findings, empty):
    manifest = restore(empty, original.backup, Silent())
    assert_same(empty, original)
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
    assert_same(empty_sqlite, original)


def test_a_restored_database_goes_on_numbering(original, empty):
    restore(empty, original.backup, Silent())
    row = dict(zip(inspect_columns(empty, "failures"), every_row(empty)["failures"][-1], strict=True))
    insert_failure(engine_for(empty), {name: row[name] for name in row if name != "id"})
    numbers = [failure[0] for failure in every_row(empty)["failures"]]
    assert len(numbers) == len(set(numbers))
    assert max(numbers) == len(numbers)


def inspect_columns(settings, table):
    return [column["name"] for column in inspect(engine_for(settings)).get_columns(table)]


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


def test_inputs_in_the_data_root_are_no_hindrance_and_stay(original, empty_sqlite):
    raw = empty_sqlite.data_root / "01_raw"
    raw.mkdir(parents=True)
    (raw / "llm_models.csv").write_text("id")
    restore(empty_sqlite, original.backup, Silent())
    assert (raw / "llm_models.csv").read_text() == "id"
    assert_same(empty_sqlite, original)


def test_migrated_tables_and_empty_folders_are_still_empty(original, empty):
    upgrade_database(empty)
    (empty.data_root / "03_generation/generation_responses").mkdir(parents=True)
    (empty.data_root / "03_generation/generation_responses/.~lock").touch()
    restore(empty, original.backup, Silent())
    assert_same(empty, original)


def test_a_backup_tells_what_is_in_it(original):
    manifest = check_backup(original.backup, Silent())
    assert manifest.schema == latest_revision()
    assert manifest.files == len(every_file(original.settings.data_root))
    assert dict(manifest.rows) == {name: len(rows) for name, rows in every_row(original.settings).items()}


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


class Bucket:
    """An object store, of what lies in a local folder."""

    def __init__(self, folder):
        self.folder = folder

    def _all(self):
        return [path for path in self.folder.rglob("*") if path.is_file() and SQLITE_NAME not in path.name]

    def _info(self, key):
        path = self.folder / key
        changed_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        return ObjectInfo(key, path.stat().st_size, changed_at, "tag") if path.is_file() else None

    info = _info

    def has(self, key):
        return self._info(key) is not None

    def has_below(self, prefix):
        return (self.folder / prefix).is_dir()

    def read(self, key):
        return (self.folder / key).read_bytes()

    def list_folder(self, prefix):
        keys = [path.relative_to(self.folder).as_posix() for path in self._all()]
        below = [key[len(prefix) :] for key in keys if key.startswith(prefix)]
        folders = sorted({key.split("/")[0] for key in below if "/" in key})
        return [self._info(prefix + key) for key in below if "/" not in key], folders


def test_a_data_root_on_an_object_store_is_backed_up_and_not_restored_there(small, tmp_path, monkeypatch):
    monkeypatch.setattr("daydreaming.objects.path.open_bucket", lambda *_: Bucket(small.data_root))
    stored = replace(small, data_root=ObjectPath("s3://bucket"), results_file=small.data_root / SQLITE_NAME)
    made = back_up(stored, tmp_path / "backup.tar.gz", Silent())
    assert made.manifest.responses == {"generation": 4, "evaluation": 16}
    copy = replace(small, data_root=tmp_path / "copy")
    restore(copy, made.path, Silent())
    found, expected = every_file(copy.data_root), every_file(small.data_root)
    assert {name: data for name, (data, _) in found.items()} == {n: data for n, (data, _) in expected.items()}
    with pytest.raises(InputError, match=r"restored into a local folder; got s3://bucket\."):
        restore(stored, made.path, Silent())


# While runs go on


def answer_beside(settings, started):
    started.set()
    buy_all(settings, "run-1")


def test_while_another_process_writes_every_row_has_its_file(few_tables, each_settings, tmp_path):
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
    archived = call.files.archive_response("generation", cell, "abc")
    looks: list[str] = []
    real = stored_files

    def moving(data_root):
        for name in real(data_root):
            if name.startswith("02_tasks") and not looks:  # all responses were listed
                looks.append(name)
                assert call.files.restore_response("generation", cell, "abc")
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


@pytest.fixture(params=["sqlite", "postgres"])
def each_settings(request, tmp_path) -> Iterator[Settings]:
    if request.param == "sqlite":
        yield make_settings(tmp_path)
        return
    with request.getfixturevalue("postgres").database(request.getfixturevalue("migrated_template")) as uri:
        settings = make_settings(tmp_path, results_conn=uri)
        yield settings
        dispose(settings)


# An older and a newer schema


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


def test_a_backup_of_a_newer_schema_is_refused(original, empty_sqlite, tmp_path):
    newer = forged(original.backup, tmp_path / "newer.tar.gz", manifest={"schema": "9999"})
    for use in (lambda: restore(empty_sqlite, newer, Silent()), lambda: check_backup(newer, Silent())):
        with pytest.raises(
            StoreError, match=r"The backup .*newer\.tar\.gz has the schema 9999 of a newer release"
        ):
            use()
    assert not empty_sqlite.data_root.exists()


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


def test_a_data_root_that_holds_something_is_refused_and_named(original, empty_sqlite):
    (empty_sqlite.data_root / "06_summary").mkdir(parents=True)
    (empty_sqlite.data_root / "06_summary/mine.csv").write_text("1")
    before = tree_of(empty_sqlite.data_root)
    with pytest.raises(InputError, match=r"is not empty: it holds 06_summary/mine\.csv"):
        restore(empty_sqlite, original.backup, Silent())
    assert tree_of(empty_sqlite.data_root) == before


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


def edit_answer(content):
    index = next(i for i, (m, _) in enumerate(content) if "generation_responses/" in m.name)
    member, data = content[index]
    content[index] = (member, data[:-1] + b"?")


def make_link(content):
    member = tarfile.TarInfo(content[-1][0].name)
    member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
    content[-1] = (member, b"")


def add_member(content):
    content.append((tarfile.TarInfo("data/more.txt"), b"more"))


def swap_members(content):
    content[-1], content[-2] = content[-2], content[-1]


def edit_list(content):
    content[1] = (content[1][0], content[1][1].replace(b'"data/', b'"data/x'))


def grow_answer(content):
    content[-1] = (content[-1][0], content[-1][1] + b"more")


@pytest.mark.parametrize(
    ("change", "say"),
    [
        (edit_answer, "does not have the listed SHA-256"),
        (make_link, "is where the file"),
        (add_member, r"'data/more\.txt' is not in its list"),
        (swap_members, "is where the file"),
        (edit_list, "list of files does not have the SHA-256"),
        (grow_answer, "bytes; listed are"),
        (lambda content: content.pop(0), r"'files\.jsonl' is where the file 'manifest\.json' should be"),
    ],
)
def test_a_backup_that_was_tampered_with_changes_nothing(original, empty, tmp_path, change, say):
    bad = changed(original.backup, tmp_path / "bad.tar.gz", change)
    refused(bad, empty, say)


@pytest.mark.parametrize(
    "name",
    [
        "data/../../outside.txt",
        "/etc/outside.txt",
        "data//etc/outside.txt",
        "outside.txt",
        "data/./outside.txt",
        f"data/{SQLITE_NAME}",
        "data/01_raw/llm_models.csv",
        "data/.~restore-x/data/y",
        "data",
    ],
)
def test_a_name_that_leads_elsewhere_is_refused_even_where_the_lists_agree(
    original, empty_sqlite, tmp_path, name
):
    bad = forged(original.backup, tmp_path / "bad.tar.gz", file=(name, b"x"))
    refused(bad, empty_sqlite, "is no name of a file in a backup")
    assert not list(tmp_path.rglob("outside.txt"))


def test_a_name_that_is_there_twice_is_refused(original, empty_sqlite, tmp_path):
    bad = forged(original.backup, tmp_path / "bad.tar.gz", one=("data/a", b"x"), two=("data/a", b"x"))
    refused(bad, empty_sqlite, "is in it twice")


def test_a_folder_where_a_file_is_changes_nothing(original, empty_sqlite, tmp_path):
    bad = forged(original.backup, tmp_path / "bad.tar.gz", one=("data/a", b"x"), two=("data/a/b", b"x"))
    with pytest.raises(StoreError, match="cannot be restored"):
        restore(empty_sqlite, bad, Silent())
    assert not empty_sqlite.data_root.exists()


@pytest.mark.parametrize("share", [0.0, 0.002, 0.1, 0.5, 0.999])
def test_a_backup_that_is_cut_off_changes_nothing(original, empty_sqlite, tmp_path, share):
    refused(cut(original.backup, tmp_path / "bad.tar.gz", share), empty_sqlite, "damaged, cut off")


@pytest.mark.parametrize("kept", [0, 1, 2, 10, -1])
def test_members_that_are_missing_are_noticed(original, empty_sqlite, tmp_path, kept):
    refused(repacked_cut(original.backup, tmp_path / "bad.tar.gz", kept), empty_sqlite, "is missing")


@pytest.mark.parametrize(
    ("manifest", "say"),
    [
        ({"format": 2}, "its format is 2, this release reads 1"),
        ({"tables": [{"name": "x"}]}, "its manifest cannot be read"),
        ({"tables": [{"name": "x", "columns": [["a", "odd"]]}]}, "unknown kind 'odd'"),
        ({"surprise": 1}, "its manifest cannot be read"),
    ],
)
def test_a_manifest_that_is_none_is_refused(original, empty_sqlite, tmp_path, manifest, say):
    refused(forged(original.backup, tmp_path / "bad.tar.gz", manifest=manifest), empty_sqlite, say)


def test_what_is_no_backup_is_refused(empty_sqlite, tmp_path):
    (tmp_path / "notes.txt").write_text("notes")
    refused(tmp_path / "notes.txt", empty_sqlite, "not made by `daydreaming backup`")
    with pytest.raises(StoreError, match="No such file"):
        restore(empty_sqlite, tmp_path / "none.tar.gz", Silent())


def refused(path, settings, say):
    for use in (lambda: restore(settings, path, Silent()), lambda: check_backup(path, Silent())):
        with pytest.raises(DaydreamingError, match=say) as caught:
            use()
        assert "\n" not in str(caught.value)
    assert not settings.data_root.exists()
    if settings.results_conn:
        assert inspect(engine_for(settings)).get_table_names() == []


@pytest.mark.parametrize(
    ("manifest", "say"),
    [
        ({"rows": {}}, "rows, which is not what it says"),
        ({"tables": [{"name": "pg_tables", "columns": [["a", "plain"]]}]}, "is not that of its own schema"),
    ],
)
def test_rows_that_do_not_fit_change_nothing(original, empty, tmp_path, manifest, say):
    extra = ("database/pg_tables.jsonl", b"[1]\n")
    bad = forged(original.backup, tmp_path / "bad.tar.gz", manifest=manifest, extra=extra)
    nothing_restored(empty, bad, say)


def test_a_line_that_is_no_row_changes_nothing(original, empty, tmp_path):
    said = {"name": "budgets", "columns": [[c, "plain"] for c in budget_columns(original.settings)]}
    bad = forged(
        original.backup,
        tmp_path / "bad.tar.gz",
        manifest={"tables": [{**said, "name": "budgets"}], "rows": {"budgets": 3}},
    )
    restore(empty, bad, Silent())  # the table alone fits
    assert len(every_row(empty)["budgets"]) == 3


def budget_columns(settings):
    return inspect_columns(settings, "budgets")


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

        def place_and_fail(staged):
            place(staged)
            fail()

        monkeypatch.setattr(Staging, "place", place_and_fail)
    nothing_restored(empty, original.backup, r"cannot be restored \(disk: No space left on device\)")


def nothing_restored(settings, path, say):
    with pytest.raises(StoreError, match=say) as caught:
        restore(settings, path, Silent())
    assert "\n" not in str(caught.value)
    assert not settings.data_root.exists()
    if settings.results_conn:
        assert inspect(engine_for(settings)).get_table_names() == []


def test_after_a_failure_the_same_place_can_be_restored_into(original, empty, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(Staging, "place", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            restore(empty, original.backup, Silent())
    restore(empty, original.backup, Silent())
    assert_same(empty, original)


def test_what_a_restore_that_was_killed_left_is_named(original, empty_sqlite):
    (empty_sqlite.data_root / ".~restore-abc/data").mkdir(parents=True)
    (empty_sqlite.data_root / "combo_mappings.csv").write_text("half")
    with pytest.raises(InputError, match="an earlier restore was killed"):
        restore(empty_sqlite, original.backup, Silent())
    (empty_sqlite.data_root / "combo_mappings.csv").unlink()
    restore(empty_sqlite, original.backup, Silent())
    assert not list(empty_sqlite.data_root.glob(".~restore*"))


def test_the_list_of_a_backup_is_json(original):
    with tarfile.open(original.backup) as tar:
        listed = [json.loads(line) for line in tar.extractfile("files.jsonl").read().splitlines()]
        manifest = json.load(tar.extractfile("manifest.json"))
    assert len(listed) == manifest["files"] + len(manifest["tables"])
    assert all(len(sha256) == 64 for _, _, sha256, _ in listed)
