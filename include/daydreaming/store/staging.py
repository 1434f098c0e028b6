"""Files that take their place in the data root together, or not at all."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

_PREFIX = ".~restore-"
_DATA, _REPLACED = "data", "replaced"


class Staging:
    """A folder inside the data root, on its disk, which no other part of the package looks into."""

    def __init__(self, data_root: Path) -> None:
        self.folder = data_root / f"{_PREFIX}{uuid.uuid4().hex}"
        self._data_root = data_root
        self._moved: list[tuple[Path, Path]] = []

    def write(self, name: str, chunks: Iterable[bytes], modified_ns: int) -> Path:
        """Write a new file, ``name`` with forward slashes.

        Raises:
            FileExistsError: It is there already.
        """
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            for chunk in chunks:
                file.write(chunk)
        os.utime(path, ns=(modified_ns, modified_ns))
        return path

    def place(self) -> None:
        """Move what lies below ``data`` into the data root.

        What has one of its names there, an empty folder or one of locks, steps aside.
        """
        (self.folder / _REPLACED).mkdir()
        for source in sorted((self.folder / _DATA).glob("*")):
            target = self._data_root / source.name
            if target.exists():
                self._move(target, self.folder / _REPLACED / source.name)
            self._move(source, target)

    def undo(self) -> None:
        """Move everything back."""
        while self._moved:
            source, target = self._moved.pop()
            target.rename(source)

    def _move(self, source: Path, target: Path) -> None:
        source.rename(target)
        self._moved.append((source, target))


@contextmanager
def staging(data_root: Path) -> Iterator[Staging]:
    """A staging folder; where the block fails, nothing of it stays."""
    is_new = not data_root.exists()
    data_root.mkdir(parents=True, exist_ok=True)
    for left in data_root.glob(f"{_PREFIX}*"):  # of a process that was killed
        shutil.rmtree(left)
    made = Staging(data_root)
    made.folder.mkdir()
    try:
        yield made
    except BaseException:
        made.undo()
        shutil.rmtree(made.folder, ignore_errors=True)
        if is_new:
            shutil.rmtree(data_root, ignore_errors=True)
        raise
    shutil.rmtree(made.folder, ignore_errors=True)


def was_cut_off(data_root: Path) -> bool:
    """Whether a process that placed files here was killed before it was done."""
    return any(data_root.glob(f"{_PREFIX}*"))
