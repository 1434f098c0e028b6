"""Put the data root and the results database into one file, while runs go on.

The database is read first, in one snapshot, and the files afterwards: a call stores its answer before its
row, so every row has its file. Answers that came later have no row; the next tables of their experiment,
or a rebuild, give them one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from daydreaming import __version__
from daydreaming.errors import InputError, StoreError
from daydreaming.inputs.records import Stage
from daydreaming.pipeline.cut_off import refuse_half_restored
from daydreaming.pipeline.disk_problems import disk_problems_told
from daydreaming.pipeline.rebuild_progress import Progress
from daydreaming.settings import Settings
from daydreaming.store.backup_manifest import Entry, Manifest
from daydreaming.store.backup_writer import BackupWriter, backup_writer, read_chunks
from daydreaming.store.database import engine_for
from daydreaming.store.files import DataRoot
from daydreaming.store.migrate import current_revision, latest_revision, read_revision, require_known
from daydreaming.store.stored_files import stored_files
from daydreaming.store.table_dump import dump_rows, dumped_tables

if TYPE_CHECKING:
    from sqlalchemy import Connection

_STAGES: tuple[Stage, ...] = ("generation", "evaluation")
#: Twice: an answer that moves to the archive, or back, would else be passed by.
_LOOKS = 2


@dataclass(frozen=True)
class BackedUp:
    """A backup that was made.

    Attributes:
        size_bytes: Of the file.
    """

    path: Path
    size_bytes: int
    manifest: Manifest


def back_up(settings: Settings, path: Path, progress: Progress) -> BackedUp:
    """Make a backup.

    Args:
        settings: The deployment's settings.
        path: The file to make.
        progress: Told of each step.

    Raises:
        InputError: The file is there already, or cannot lie there.
        StoreError: There is no results database, or its schema is not this release's; or something cannot
            be read or written. No file is left then.
    """
    path = path.absolute()
    _require_place(settings, path)
    refuse_half_restored(settings)
    _require_schema(read_revision(settings))
    told = disk_problems_told(f"The backup {path} cannot be made", "No file was left.")
    with told, TemporaryDirectory(prefix=".~backup-", dir=path.parent) as folder:
        with backup_writer(Path(folder)) as writer:
            manifest = _fill(settings, writer, progress)
            made = writer.finish(manifest)
        _require_new(path)
        made.replace(path)
        return BackedUp(path, path.stat().st_size, manifest)


def _fill(settings: Settings, writer: BackupWriter, progress: Progress) -> Manifest:
    created_at = datetime.now(UTC).isoformat(timespec="seconds")
    rows = _add_tables(settings, writer, progress)
    progress.begin("files", sum(1 for _ in stored_files(settings.data_root)))
    entries = _Counted(settings.data_root)
    for name in _names(settings.data_root):
        entry = _add_file(settings.data_root / name, f"data/{name}", writer)
        if entry:
            entries.count(name, entry)
            progress.advance()
    return Manifest(
        version=__version__,
        schema=latest_revision(),
        created_at=created_at,
        tables=tuple(dumped_tables()),
        rows=rows,
        files=entries.files,
        size_bytes=entries.size_bytes,
        responses=entries.responses,
        list_sha256=writer.list_sha256(),
    )


def _add_tables(settings: Settings, writer: BackupWriter, progress: Progress) -> dict[str, int]:
    tables, rows = dumped_tables(), {}
    progress.begin("tables of the results database", len(tables))
    with _snapshot(settings) as connection:
        _require_schema(current_revision(connection))
        for table in tables:
            lines = _CountedLines(dump_rows(connection, table))
            writer.add(f"database/{table.name}.jsonl", lines, 0)
            rows[table.name] = lines.count
            progress.advance()
    return rows


@contextmanager
def _snapshot(settings: Settings) -> Iterator[Connection]:
    """A connection that sees the database as it is now, whatever is written meanwhile."""
    engine = engine_for(settings)
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            # Python's driver begins a transaction only where something is written.
            connection.exec_driver_sql("BEGIN")
        else:
            connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        yield connection


def _names(data_root: Path) -> Iterator[str]:
    seen: set[str] = set()
    for _ in range(_LOOKS):
        for name in stored_files(data_root):
            if name not in seen:
                seen.add(name)
                yield name


def _add_file(path: Path, name: str, writer: BackupWriter) -> Entry | None:
    """None where a person has deleted it meanwhile, or it has moved."""
    try:
        return writer.add(name, read_chunks(path), path.stat().st_mtime_ns)
    except FileNotFoundError:
        return None


class _CountedLines:
    """Lines, counted as they go by."""

    def __init__(self, lines: Iterator[bytes]) -> None:
        self._lines = lines
        self.count = 0

    def __iter__(self) -> Iterator[bytes]:
        for line in self._lines:
            self.count += 1
            yield line


class _Counted:
    """Files, and the answers among them."""

    def __init__(self, data_root: Path) -> None:
        root = DataRoot(data_root)
        self._folders: dict[str, Stage] = {
            root.relative(root.response(stage, "x").parent): stage for stage in _STAGES
        }
        self.files = self.size_bytes = 0
        self.responses: dict[str, int] = dict.fromkeys(_STAGES, 0)

    def count(self, name: str, entry: Entry) -> None:
        """Count one more."""
        self.files += 1
        self.size_bytes += entry.size_bytes
        folder, _, file = name.rpartition("/")
        if folder in self._folders and file.endswith(".txt"):
            self.responses[self._folders[folder]] += 1


def _require_place(settings: Settings, path: Path) -> None:
    _require_new(path)
    if not path.parent.is_dir():
        raise InputError(f"{path.parent}: no such folder. Make it, or give another file.")
    if not settings.data_root.is_dir():
        raise InputError(f"{settings.data_root}: no such folder. Set DAYDREAMING_DATA_ROOT to the data root.")
    if path.resolve().is_relative_to(settings.data_root.resolve()):
        raise InputError(
            f"{path} lies in the data root, so the next backup would hold it. Give a file elsewhere, best on "
            "another disk."
        )


def _require_new(path: Path) -> None:
    if path.exists():
        raise InputError(f"{path} is there already, and no backup is overwritten. Give another name.")


def _require_schema(revision: str | None) -> None:
    if revision is None:
        raise StoreError(
            "There is no results database to back up. Check DAYDREAMING_DATA_ROOT and "
            "AIRFLOW_CONN_DAYDREAMING_RESULTS; if it was lost, run: daydreaming rebuild"
        )
    require_known(revision, "The results database")
    if revision != latest_revision():
        raise StoreError(
            f"The results database has the schema {revision}, this release works with {latest_revision()}. "
            "Make the backup with the release that made the database, or run first: daydreaming migrate"
        )
