"""Every file of the data root that cannot be made again from others in a moment: what a backup holds."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from daydreaming.objects.path import ObjectPath
from daydreaming.store.database import SQLITE_NAME

#: Begins the names of locks and of files that are not finished.
_TEMPORARY_PREFIX = ".~"
#: Inputs, which are not outputs, and what can be made again.
_LEFT_OUT_FOLDERS = frozenset({"01_raw", "experiments", "cache"})
_LOCK_ENDING = ".lock"


def stored_files(data_root: Path) -> Iterator[str]:
    """Every stored file, relative to the data root, with forward slashes.

    Each folder is looked into when its turn comes, what is made of something before what it is made of:
    verdicts before essays, a text before its record, tables before answers, plans last. So, while runs
    go on, whatever is listed has its sources listed after it.

    Raises:
        OSError: A folder cannot be read.
    """
    if data_root.is_dir():
        yield from _walk(data_root, "", frozenset())


def first_link(data_root: Path) -> str | None:
    """A link where stored files belong, relative to a local data root; None where there is none."""
    for folder, folders, files in os.walk(data_root):
        is_top = Path(folder) == data_root
        folders[:] = [name for name in folders if not _is_left_out(name, is_top=is_top, is_folder=True)]
        files = [name for name in files if not _is_left_out(name, is_top=is_top, is_folder=False)]
        for name in sorted([*folders, *files]):
            if Path(folder, name).is_symlink():
                return Path(folder, name).relative_to(data_root).as_posix()
    return None


def is_stored_name(name: str) -> bool:
    """Whether a file of this name, relative to the data root, is one of those that are listed."""
    *folders, file = name.split("/")
    is_out = [_is_left_out(f, is_top=not i, is_folder=True) for i, f in enumerate(folders)]
    return not any(is_out) and not _is_left_out(file, is_top=not folders, is_folder=False)


def _walk(folder: Path, prefix: str, above: frozenset[tuple[int, int] | None]) -> Iterator[str]:
    try:
        identity = _identity(folder)
        if identity and identity in above:  # a link to a folder that it lies in
            return
        found = sorted(_entries(folder), reverse=True)
    except FileNotFoundError:  # a person has deleted it meanwhile
        return
    for name, is_folder in found:
        if _is_left_out(name, is_top=not prefix, is_folder=is_folder):
            continue
        if is_folder:
            yield from _walk(folder / name, f"{prefix}{name}/", above | {identity})
        else:
            yield prefix + name


def _identity(folder: Path) -> tuple[int, int] | None:
    """What tells a folder from another; None on an object store, where there are no links."""
    if isinstance(folder, ObjectPath):
        return None
    status = folder.stat()
    return status.st_dev, status.st_ino


def _entries(folder: Path) -> list[tuple[str, bool]]:
    """Names of files and folders, and which are folders."""
    if isinstance(folder, ObjectPath):
        objects, folders = folder.bucket.list_folder(f"{folder.key}/" if folder.key else "")
        return [(one.key.rpartition("/")[2], False) for one in objects] + [(name, True) for name in folders]
    with os.scandir(folder) as entries:
        # Links are followed: a large folder may lie on another disk.
        return [(entry.name, entry.is_dir()) for entry in entries if entry.is_dir() or entry.is_file()]


def _is_left_out(name: str, *, is_top: bool, is_folder: bool) -> bool:
    if name.startswith(_TEMPORARY_PREFIX):
        return True
    if is_folder:
        return is_top and name in _LEFT_OUT_FOLDERS
    return name.endswith(_LOCK_ENDING) or (is_top and name.startswith(SQLITE_NAME))
