"""Backups that are whole, and such as a damage or a stranger would make of them."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import inspect, select

from daydreaming.analysis import tables
from daydreaming.errors import StoreError
from daydreaming.pipeline.backup import back_up
from daydreaming.pipeline.restore import restore
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for, writing_engine
from daydreaming.store.schema import Base
from daydreaming.store.stored_files import stored_files
from tests.support.experiments import make_settings
from tests.support.finished_root import make_finished_root

_TABLES = ("final_results", "evaluator_agreement_analysis", "friedman")
Member = tuple[tarfile.TarInfo, bytes]


class Silent:
    """Shows nothing."""

    def begin(self, step: str, total: int) -> None:
        """Say nothing."""

    def advance(self) -> None:
        """Say nothing."""


@dataclass(frozen=True)
class Original:
    """A finished data root and its backup."""

    settings: Settings
    backup: Path

    def is_same_as(self, settings: Settings) -> bool:
        """Whether another deployment has the same files, times and rows."""
        assert every_file(settings.data_root) == every_file(self.settings.data_root)
        return every_row(settings) == every_row(self.settings)


@contextmanager
def fewest_tables() -> Iterator[None]:
    """What the tables say is no matter to a backup."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "ANALYSES", {name: tables.ANALYSES[name] for name in _TABLES})
        yield


def make_original(folder: Path) -> Original:
    """One in a folder, with what no backup should hold."""
    settings = make_settings(folder)
    with fewest_tables():
        make_finished_root(settings, folder / "legacy")
    (settings.data_root / "cache/search/demo").mkdir(parents=True)
    (settings.data_root / "cache/search/demo/index").write_text("can be made again")
    (settings.data_root / "03_generation/generation_responses/.~half").write_text("half")
    return Original(settings, back_up(settings, folder / "backup.tar.gz", Silent()).path)


def nothing_restored(settings: Settings, path: Path, say: str) -> None:
    """Restoring fails in one line and leaves nothing."""
    with pytest.raises(StoreError, match=say) as caught:
        restore(settings, path, Silent())
    assert "\n" not in str(caught.value)
    assert not settings.data_root.exists()
    if settings.results_conn:
        assert inspect(engine_for(settings)).get_table_names() == []


def column_names(settings: Settings, table: str) -> list[str]:
    """Of a table of the results database."""
    return [column["name"] for column in inspect(engine_for(settings)).get_columns(table)]


def dispose(settings: Settings) -> None:
    """Close the connections to a database that will be copied, moved or dropped."""
    engine_for(settings).dispose()
    writing_engine(settings).dispose()


def every_row(settings: Settings) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, with the numbers that the database gave."""
    with engine_for(settings).connect() as connection:
        return {
            name: sorted(map(tuple, connection.execute(select(table))), key=repr)
            for name, table in Base.metadata.tables.items()
        }


def every_file(data_root: Path) -> dict[str, tuple[bytes, int]]:
    """Bytes and time of every file that a backup holds."""
    return {
        name: ((data_root / name).read_bytes(), (data_root / name).stat().st_mtime_ns)
        for name in stored_files(data_root)
    }


def members(path: Path) -> Iterator[Member]:
    """What is in a backup."""
    with tarfile.open(path, "r:gz") as tar:
        for member in tar:
            file = tar.extractfile(member)
            assert file is not None
            yield member, file.read()


def pack(path: Path, content: Sequence[Member]) -> Path:
    """A backup with other members."""
    with tarfile.open(path, "w:gz", format=tarfile.PAX_FORMAT) as tar:
        for member, data in content:
            if member.isreg():
                member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


def changed(source: Path, target: Path, change: Callable[[list[Member]], None]) -> Path:
    """A copy of a backup with members that were changed; its lists stay as they were."""
    content = list(members(source))
    change(content)
    return pack(target, content)


def forged(
    source: Path, target: Path, *, manifest: dict[str, Any] | None = None, **files: tuple[str, bytes]
) -> Path:
    """A copy with files added, and the lists made to fit: as somebody would who knows how it is made.

    Args:
        source: A backup that is whole.
        target: The copy.
        manifest: Other values in the manifest.
        files: Name in the backup and content, under any keywords.
    """
    (first, said), (listing, lines), *rest = members(source)
    added = list(files.values())
    for name, data in added:
        lines += json.dumps([name, len(data), hashlib.sha256(data).hexdigest(), 0]).encode() + b"\n"
        rest.append((tarfile.TarInfo(name), data))
    given = {**json.loads(said), "list_sha256": hashlib.sha256(lines).hexdigest(), **(manifest or {})}
    return pack(target, [(first, json.dumps(given).encode()), (listing, lines), *rest])


def cut(source: Path, target: Path, share: float) -> Path:
    """The first part of a backup."""
    data = source.read_bytes()
    target.write_bytes(data[: int(len(data) * share)])
    return target


def repacked_cut(source: Path, target: Path, members_kept: int) -> Path:
    """A backup that ends, well packed, after so many members."""
    return pack(target, list(members(source))[:members_kept])
