"""Bring a backup back: into a data root and a results database that are empty, all of it or nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from daydreaming.errors import InputError, StoreError
from daydreaming.objects.path import ObjectPath
from daydreaming.pipeline.cut_off import full_table
from daydreaming.pipeline.disk_problems import disk_problems_told
from daydreaming.pipeline.rebuild_progress import Progress
from daydreaming.settings import Settings
from daydreaming.store.backup_manifest import Manifest
from daydreaming.store.backup_reader import BackupReader, open_backup
from daydreaming.store.database import SQLITE_NAME, engine_for, writing_engine
from daydreaming.store.migrate import latest_revision, move_schema, require_known
from daydreaming.store.staging import Staging, staging, was_cut_off
from daydreaming.store.stored_files import first_link, stored_files
from daydreaming.store.table_dump import continue_numbers, first_full_table, load_rows

_UNCHANGED = "Nothing was changed."
_COMPANIONS = ("", "-wal", "-shm")


def check_backup(path: Path, progress: Progress) -> Manifest:
    """Read a backup from its beginning to its end and compare every hash; writes nothing.

    Raises:
        StoreError: It is damaged, cut off, or of a newer release.
    """
    with open_backup(path) as backup:
        require_known(backup.manifest.schema, f"The backup {path}")
        _begin(backup, progress)
        for _, chunks in backup.members():
            for _ in chunks:
                pass
            progress.advance()
        return backup.manifest


def restore(settings: Settings, path: Path, progress: Progress) -> Manifest:
    """Restore a backup.

    Every byte is read and compared before anything takes its place: the rows in one transaction, which
    ends when the files have theirs. On an object store that takes its time: whoever is killed meanwhile
    leaves a mark, and the same restore again goes on.

    Args:
        settings: The deployment's settings; database and data root hold nothing yet.
        path: What ``back_up`` made, on either kind of database.
        progress: Told of each step.

    Raises:
        InputError: Data root or database hold something, or a folder of the data root is a link.
        StoreError: The backup cannot be used, or something cannot be written; nothing is changed then.
    """
    told = disk_problems_told(f"{path} cannot be restored", _UNCHANGED)
    with open_backup(path) as backup, told, _rows_told(path):
        manifest = backup.manifest
        require_known(manifest.schema, f"The backup {path}")
        _require_empty_root(settings)
        _require_empty_database(settings)
        with staging(settings.data_root, settings.cache_folder) as staged:
            _begin(backup, progress)
            for entry, chunks in backup.members():
                staged.write(entry.name, chunks, entry.modified_ns)
                progress.advance()
            _put_in_place(settings, manifest, staged, progress)
    return manifest


def _begin(backup: BackupReader, progress: Progress) -> None:
    progress.begin("reading and comparing", backup.manifest.files + len(backup.manifest.tables))


def _put_in_place(settings: Settings, manifest: Manifest, staged: Staging, progress: Progress) -> None:
    with _no_half_database(settings), writing_engine(settings).begin() as connection:
        _refuse_rows(first_full_table(connection))
        move_schema(connection, manifest.schema)
        progress.begin("tables of the results database", len(manifest.tables))
        for table in manifest.tables:
            lines = _lines(staged.folder / "database" / f"{table.name}.jsonl")
            count = load_rows(connection, table, lines)
            if count != manifest.rows.get(table.name):
                raise ValueError(f"its table {table.name} has {count} rows, which is not what it says")
            progress.advance()
        move_schema(connection, latest_revision())
        continue_numbers(connection)
        if isinstance(settings.data_root, ObjectPath):
            progress.begin("files", manifest.files)
        staged.place(progress.advance)


def _lines(path: Path) -> Iterable[bytes]:
    with path.open("rb") as file:
        yield from file


@contextmanager
def _no_half_database(settings: Settings) -> Iterator[None]:
    """A SQLite file that was made for this goes again where the block fails."""
    file = settings.results_file or settings.data_root / SQLITE_NAME
    is_new = not settings.results_conn and not file.exists()
    try:
        yield
    except BaseException:
        if is_new:
            engine_for(settings).dispose()
            writing_engine(settings).dispose()
            for ending in _COMPANIONS:
                file.with_name(file.name + ending).unlink(missing_ok=True)
        raise


def _require_empty_root(settings: Settings) -> None:
    found, is_far = next(stored_files(settings.data_root), None), isinstance(settings.data_root, ObjectPath)
    if found is None:
        if not is_far:
            _refuse_link(settings.data_root)
        return
    if was_cut_off(settings.data_root):
        if is_far:
            return
        raise InputError(
            f"{settings.data_root} holds part of a backup: an earlier restore was killed. Delete what is in "
            "it, then restore again."
        )
    raise InputError(
        f"{settings.data_root} is not empty: it holds {found}. A backup is restored into an empty data root; "
        "set DAYDREAMING_DATA_ROOT to another folder, or move away what is there."
    )


def _refuse_link(data_root: Path) -> None:
    link = first_link(data_root)
    if link:
        # What is renamed into its place is on the disk of the data root, and the link would be gone.
        raise InputError(
            f"{data_root / link} is a link, and a restore would put its files in the place of it. Delete the "
            "link and restore; then move what is there to the other disk, and make the link again."
        )


def _require_empty_database(settings: Settings) -> None:
    _refuse_rows(full_table(settings))


def _refuse_rows(full: str | None) -> None:
    if full:
        raise InputError(
            f"The results database is not empty: the table {full} holds rows. A backup is restored into an "
            "empty database; give another in AIRFLOW_CONN_DAYDREAMING_RESULTS, or move the data root away."
        )


@contextmanager
def _rows_told(path: Path) -> Iterator[None]:
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (SQLAlchemyError, KeyError, ValueError) as error:
        cause = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        raise StoreError(
            f"{path} cannot be restored: its rows do not fit the results database ({cause}). {_UNCHANGED}"
        ) from error
