"""A backup of a bucket, and one that is restored into a bucket: the same files, times, rows and findings."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import inspect

from daydreaming.errors import InputError, StoreError
from daydreaming.objects.bucket import Bucket
from daydreaming.pipeline.backup import back_up
from daydreaming.pipeline.plan import start_run
from daydreaming.pipeline.rebuild import rebuild_database
from daydreaming.pipeline.restore import restore
from daydreaming.pipeline.verify import verify
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.object_places import ObjectPlaces
from daydreaming.store.staging import was_cut_off
from daydreaming.store.stored_files import stored_files
from tests.support.backups import Silent, dispose
from tests.support.experiments import NOW

pytestmark = pytest.mark.usefixtures("few_tables")


@pytest.fixture
def far(original, s3, postgres, tmp_path) -> Iterator[Settings]:
    """An empty machine whose data root is a bucket."""
    with postgres.database() as uri:
        settings = replace(
            original.settings, data_root=s3.new_root(), results_conn=uri, cache_root=tmp_path / "cache"
        )
        yield settings
        dispose(settings)


def objects_below(settings: Settings) -> list[str]:
    return [one.key for one in settings.data_root.bucket.list_all(f"{settings.data_root.key}/")]


def is_empty(settings: Settings) -> bool:
    """Whether nothing was left in the bucket, in the database or on this machine's disk."""
    tables = inspect(engine_for(settings)).get_table_names()
    return not objects_below(settings) and not tables and not list(settings.cache_root.rglob("*"))


def test_from_a_folder_to_a_bucket_to_another_and_back(
    original, original_findings, far, s3, postgres, empty_sqlite, tmp_path
):
    restore(far, original.backup, Silent())
    assert original.is_same_as(far)
    assert not was_cut_off(far.data_root)
    assert verify(far).to_json() == original_findings
    made = back_up(far, tmp_path / "second.tar.gz", Silent())
    restore(empty_sqlite, made.path, Silent())
    assert original.is_same_as(empty_sqlite)
    assert verify(empty_sqlite).to_json() == original_findings
    with postgres.database() as uri:
        other = replace(far, data_root=s3.new_root(), results_conn=uri)
        restore(other, made.path, Silent())
        assert original.is_same_as(other)
        assert verify(other).to_json() == original_findings
        dispose(other)
    assert not list(tmp_path.rglob(".~restore*"))


def test_a_bucket_that_holds_something_is_refused_and_stays(original, far):
    (far.data_root / "06_summary/mine.csv").write_text("1")
    with pytest.raises(InputError, match=r"is not empty: it holds 06_summary/mine\.csv"):
        restore(far, original.backup, Silent())
    assert objects_below(far) == [f"{far.data_root.key}/06_summary/mine.csv"]


@pytest.mark.parametrize("moment", ["put", "commit"])
def test_whatever_fails_nothing_is_half_restored(original, far, monkeypatch, moment):
    def fail(*_: object) -> None:
        raise StoreError("the disk of the store is full.")

    real, left = Bucket.put_new, iter(range(30))
    if moment == "put":
        monkeypatch.setattr(
            Bucket, "put_new", lambda *given: real(*given) if next(left, None) is not None else fail()
        )
    else:
        fill = ObjectPlaces.fill
        monkeypatch.setattr(ObjectPlaces, "fill", lambda *given: fail(fill(*given)))
    with pytest.raises(StoreError, match=r"^the disk of the store is full\.$"):
        restore(far, original.backup, Silent())
    assert is_empty(far)


def kill_amidst(settings: Settings, backup, monkeypatch) -> None:
    """Restore in a process of its own, which ends without a word after some files."""
    dispose(settings)
    child = os.fork()
    if not child:
        real, left = Bucket.put_new, iter(range(60))
        Bucket.put_new = lambda *given: real(*given) if next(left, None) is not None else os._exit(9)
        try:
            restore(settings, backup, Silent())
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


def test_what_a_restore_that_was_killed_left_is_no_data_root_until_it_is_done(
    original, original_findings, far, monkeypatch, tmp_path
):
    kill_amidst(far, original.backup, monkeypatch)
    there = set(stored_files(far.data_root))
    assert 0 < len(there) < len(list(stored_files(original.settings.data_root)))
    for use in (
        lambda: verify(far),
        lambda: start_run(far, {}, "run-9", NOW),
        lambda: rebuild_database(far, Silent()),
        lambda: back_up(far, tmp_path / "half.tar.gz", Silent()),
    ):
        with pytest.raises(
            InputError, match=r"^s3://\S+ holds part of a backup: a restore was killed[^\n]*$"
        ):
            use()
    restore(far, original.backup, Silent())
    assert original.is_same_as(far)
    assert not was_cut_off(far.data_root)
    assert verify(far).to_json() == original_findings


def test_what_was_left_is_completed_only_by_the_same_backup(original, far, monkeypatch):
    kill_amidst(far, original.backup, monkeypatch)
    name = next(iter(stored_files(far.data_root)))
    bytes_before = (far.data_root / name).read_bytes()
    (far.data_root / name).write_bytes(b"changed")
    with pytest.raises(StoreError, match=r"is there already, and is not what the backup has"):
        restore(far, original.backup, Silent())
    assert (far.data_root / name).read_bytes() == b"changed"
    (far.data_root / name).write_bytes(bytes_before)
    (far.data_root / "06_summary/mine.csv").write_text("1")
    with pytest.raises(StoreError, match=r"holds 06_summary/mine\.csv, which is not in this backup"):
        restore(far, original.backup, Silent())
    (far.data_root / "06_summary/mine.csv").unlink()
    restore(far, original.backup, Silent())
    assert verify(far)


def test_a_store_that_goes_down_amidst_holds_a_part_which_the_next_restore_completes(
    original, far, s3_server, monkeypatch
):
    monkeypatch.setattr("s3fs.core.S3FileSystem.retries", 1)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    real, left, outage = Bucket.put_new, iter(range(60)), s3_server.outage()
    begun: list[object] = []

    def put_new(*given: object) -> bool:
        if next(left, None) is None and not begun:
            begun.append(outage.__enter__())
        return real(*given)

    monkeypatch.setattr(Bucket, "put_new", put_new)
    try:
        with pytest.raises(StoreError, match=r"^s3://\S+ holds a part of the backup[^\n]*cannot be reached"):
            restore(far, original.backup, Silent())
    finally:
        outage.__exit__(None, None, None)
    assert inspect(engine_for(far)).get_table_names() == []
    with pytest.raises(InputError, match="holds part of a backup"):
        verify(far)
    restore(far, original.backup, Silent())
    assert original.is_same_as(far)
