"""A backup that is damaged, cut off or forged changes nothing."""

from __future__ import annotations

import tarfile

import pytest
from sqlalchemy import inspect

from daydreaming.errors import DaydreamingError, StoreError
from daydreaming.pipeline.restore import check_backup, restore
from daydreaming.store.database import SQLITE_NAME, engine_for
from tests.support.backups import Silent, changed, cut, forged, nothing_restored, repacked_cut

pytestmark = pytest.mark.usefixtures("few_tables")


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


def test_a_backup_of_a_newer_schema_is_refused(original, empty_sqlite, tmp_path):
    newer = forged(original.backup, tmp_path / "newer.tar.gz", manifest={"schema": "9999"})
    for use in (lambda: restore(empty_sqlite, newer, Silent()), lambda: check_backup(newer, Silent())):
        with pytest.raises(
            StoreError, match=r"The backup .*newer\.tar\.gz has the schema 9999 of a newer release"
        ):
            use()
    assert not empty_sqlite.data_root.exists()


def refused(path, settings, say):
    for use in (lambda: restore(settings, path, Silent()), lambda: check_backup(path, Silent())):
        with pytest.raises(DaydreamingError, match=say) as caught:
            use()
        assert "\n" not in str(caught.value)
    assert not settings.data_root.exists()
    if settings.results_conn:
        assert inspect(engine_for(settings)).get_table_names() == []
