"""Files that come into an empty folder of a bucket together, or not at all.

There is no rename there, and each file is a request, so it takes its time. A mark is put first and deleted
last: while it is there, what lies beside it is a part of something.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from daydreaming.errors import StoreError
from daydreaming.objects.bucket import AT_ONCE
from daydreaming.objects.path import ObjectPath
from daydreaming.store.stored_files import stored_files

T = TypeVar("T")


class ObjectPlaces:
    """The places of the files in the bucket.

    Args:
        root: The folder.
        mark: Name of the mark in it; no file of the data root has it.
    """

    def __init__(self, root: ObjectPath, mark: str) -> None:
        self._root = root
        self._mark = root / mark
        self._is_begun = False
        # Then all goes beside what an earlier one has put that was killed.
        self._goes_on = False
        self._put_here: set[ObjectPath] = set()

    def fill(self, source: Path, advance: Callable[[], None]) -> None:
        """Put the files that lie below a local folder, ten at once; none replaces another.

        What one that was killed has put there is left as it is; it has to be the same.

        Args:
            source: The folder.
            advance: Told of each file.

        Raises:
            StoreError: The store refuses, or holds something else.
        """
        names = [path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file()]
        self._refuse_others(frozenset(names))
        self._is_begun = True
        self._goes_on = not self._mark.bucket.put_new(self._mark.key, b"See docs/backup.md of daydreaming.\n")
        _each(names, lambda name: self._put(source / name, self._root / name), advance)

    def undo(self) -> None:
        """Delete what was put; what was there before stays, for whoever begins again.

        Raises:
            StoreError: The store refuses: it holds a part now.
        """
        if not self._is_begun or self._goes_on:
            return
        try:
            _each(self._put_here, lambda path: path.unlink(missing_ok=True), lambda: None)
            self._mark.unlink(missing_ok=True)
        except StoreError as error:
            raise StoreError(
                f"{self._root} holds a part of the backup, which could not be taken back: {error} Restore "
                "the same backup again: that goes on where this ended."
            ) from error

    def finish(self) -> None:
        """Say that all is there.

        Raises:
            StoreError: The store refuses; the mark stays.
        """
        try:
            self._mark.unlink(missing_ok=True)
        except StoreError as error:
            raise StoreError(f"All was restored; only {self._mark.name} was not deleted: {error}") from error

    def _put(self, source: Path, target: ObjectPath) -> None:
        data, bucket = source.read_bytes(), target.bucket
        self._put_here.add(target)
        if bucket.put_new(target.key, data, source.stat().st_mtime_ns):
            return
        # It may be our own, which the client has sent twice.
        if bucket.read(target.key) != data:
            self._put_here.discard(target)
            raise StoreError(
                f"{target} is there already, and is not what the backup has of this name. Delete what is in "
                f"{self._root}, then restore again."
            )

    def _refuse_others(self, names: frozenset[str]) -> None:
        other = next((name for name in stored_files(self._root) if name not in names), None)
        if other:
            raise StoreError(
                f"{self._root} holds {other}, which is not in this backup. Restore the one whose restore was "
                "killed, or delete what is there."
            )


def _each(items: Iterable[T], do: Callable[[T], None], advance: Callable[[], None]) -> None:
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="daydreaming-places") as threads:
        try:
            for _ in threads.map(do, items):
                advance()
        except BaseException:
            threads.shutdown(cancel_futures=True)
            raise
