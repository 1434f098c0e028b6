"""Files that take their place in the data root together, or not at all."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from daydreaming.objects.path import ObjectPath
from daydreaming.store.object_places import ObjectPlaces

_PREFIX = ".~restore-"
_DATA, _REPLACED = "data", "replaced"


class Staging:
    """A local folder that no other part of the package looks into.

    Args:
        data_root: Where the files belong.
        scratch: Where the folder is made: in a local data root, for it has to be on the same disk.
    """

    def __init__(self, data_root: Path, scratch: Path) -> None:
        self.folder = scratch / f"{_PREFIX}{uuid.uuid4().hex}"
        self._places: ObjectPlaces | _LocalPlaces = (
            ObjectPlaces(data_root, f"{_PREFIX}unfinished")
            if isinstance(data_root, ObjectPath)
            else _LocalPlaces(data_root, self.folder / _REPLACED)
        )

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

    def place(self, advance: Callable[[], None]) -> None:
        """Let what lies below ``data`` take its place.

        Args:
            advance: Told of each file, where that takes its time.
        """
        self._places.fill(self.folder / _DATA, advance)

    def undo(self) -> None:
        """Take everything back."""
        self._places.undo()

    def finish(self) -> None:
        """Say that all is there for good."""
        self._places.finish()


class _LocalPlaces:
    """The places in a local folder: what lies at its top is renamed."""

    def __init__(self, root: Path, replaced: Path) -> None:
        self._root = root
        self._replaced = replaced
        self._moved: list[tuple[Path, Path]] = []

    def fill(self, source: Path, _advance: Callable[[], None]) -> None:
        """Move everything; what has one of the names, an empty folder or one of locks, steps aside."""
        self._replaced.mkdir()
        for path in sorted(source.glob("*")):
            target = self._root / path.name
            if target.exists():
                self._move(target, self._replaced / path.name)
            self._move(path, target)

    def undo(self) -> None:
        """Move everything back."""
        while self._moved:
            source, target = self._moved.pop()
            target.rename(source)

    def finish(self) -> None:
        """Nothing: the folder that goes now says it."""

    def _move(self, source: Path, target: Path) -> None:
        source.rename(target)
        self._moved.append((source, target))


@contextmanager
def staging(data_root: Path, cache_folder: Path) -> Iterator[Staging]:
    """A staging folder; where the block fails, nothing of it stays.

    Args:
        data_root: Where the files belong.
        cache_folder: A local folder, where the data root is none.
    """
    scratch = cache_folder if isinstance(data_root, ObjectPath) else data_root
    is_new = not scratch.exists()
    scratch.mkdir(parents=True, exist_ok=True)
    for left in scratch.glob(f"{_PREFIX}*"):  # of a process that was killed
        shutil.rmtree(left)
    made = Staging(data_root, scratch)
    made.folder.mkdir()
    try:
        yield made
    except BaseException:
        try:
            made.undo()
        finally:
            shutil.rmtree(scratch if is_new else made.folder, ignore_errors=True)
        raise
    try:
        made.finish()
    finally:
        shutil.rmtree(made.folder, ignore_errors=True)


def was_cut_off(data_root: Path) -> bool:
    """Whether a process that placed files here was killed before it was done, or is at it now."""
    return any(data_root.glob(f"{_PREFIX}*"))
