"""Paths on an object store, which everything that takes a path below the data root can take.

A path is no more than its text: the bucket behind it is opened with the first look. What is not
written down here would ask the local disk, so it fails: such a path has no name there.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import Path, PosixPath
from typing import IO, Any, Self, TypeVar

from daydreaming.objects.bucket import Bucket, ObjectInfo, open_bucket

T = TypeVar("T")
_CHUNK = 200


class ObjectPath(PosixPath):
    """``s3://BUCKET/KEY``, maybe with ``CONNECTION_ID@`` before the bucket.

    A folder is there while it holds an object.
    """

    def __str__(self) -> str:
        first, *rest = self.parts or ("",)
        return "/".join([f"{first}/", *rest]) if first.endswith(":") else "/".join([first, *rest])

    def __fspath__(self) -> str:
        raise TypeError(f"{self} is on an object store: it has no name on this machine's disk")

    def as_uri(self) -> str:
        """The URL, without the ID of a connection."""
        return f"{self.parts[0]}//{self.bucket_name}/{self.key}"

    @property
    def bucket(self) -> Bucket:
        """The bucket; it is opened with the first look of a process.

        Raises:
            StoreError: It cannot be opened.
        """
        return open_bucket(self.parts[0].removesuffix(":"), self.parts[1])

    @property
    def bucket_name(self) -> str:
        """The bucket's name."""
        return self.parts[1].rpartition("@")[2]

    @property
    def key(self) -> str:
        """The name of the object in its bucket."""
        return "/".join(self.parts[2:])

    @property
    def _prefix(self) -> str:
        return f"{self.key}/" if self.key else ""

    def absolute(self) -> Self:
        """It is absolute."""
        return self

    def resolve(self, strict: bool = False) -> Self:  # noqa: ARG002 - there are no links
        """The path itself."""
        return self

    def exists(self, *_: Any, **__: Any) -> bool:
        """Whether there is an object of this name, or one below it."""
        return self.is_file() or self.is_dir()

    def is_file(self, *_: Any, **__: Any) -> bool:
        """Whether there is an object of this name."""
        return bool(self.key) and self.bucket.has(self.key)

    def is_dir(self, *_: Any, **__: Any) -> bool:
        """Whether there are objects below this name; the bucket itself is always there."""
        return not self.key or self.bucket.has_below(self._prefix)

    def stat(self, *_: Any, **__: Any) -> os.stat_result:
        """Size, time of the last change, and as inode a number that another text does not have.

        Raises:
            FileNotFoundError: There is no such object.
        """
        info = self.bucket.info(self.key)
        if info is None:
            raise FileNotFoundError(str(self))
        return _stat_result(info)

    def read_bytes(self) -> bytes:
        """The object.

        Raises:
            FileNotFoundError: There is no such object.
        """
        return self.bucket.read(self.key)

    def read_text(
        self, encoding: str | None = None, errors: str | None = None, newline: str | None = None
    ) -> str:
        """The object as text."""
        with self.open("r", -1, encoding, errors, newline) as file:
            return str(file.read())

    def write_bytes(self, data: Any) -> int:
        """Put the object, whole."""
        content = bytes(data)
        self.bucket.put(self.key, content)
        return len(content)

    def write_text(
        self,
        data: str,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,  # noqa: ARG002 - line ends are put as they are
    ) -> int:
        """Put the object, whole, as UTF-8 unless another encoding is named."""
        self.write_bytes(data.encode(encoding or "utf-8", errors or "strict"))
        return len(data)

    def open(  # type: ignore[override]
        self,
        mode: str = "r",
        buffering: int = -1,  # noqa: ARG002 - all of it is in memory
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> IO[Any]:
        """The object as a file to read, in memory.

        Raises:
            FileNotFoundError: There is no such object.
            ValueError: It was to be written: objects are put whole.
        """
        if mode not in {"r", "rb"}:
            raise ValueError(f"{self}: mode must be r or rb on an object store; got {mode!r}.")
        data = io.BytesIO(self.read_bytes())
        return data if mode == "rb" else io.TextIOWrapper(data, encoding or "utf-8", errors, newline)

    def unlink(self, missing_ok: bool = False) -> None:
        """Delete the object.

        Raises:
            FileNotFoundError: There is none.
        """
        if not missing_ok and not self.is_file():
            raise FileNotFoundError(str(self))
        self.bucket.remove(self.key)

    def mkdir(self, *_: Any, **__: Any) -> None:
        """Nothing: a folder comes with what is put into it."""

    def iterdir(self) -> Iterator[Self]:  # type: ignore[override]
        """What is in the folder, by name."""
        files, folders = self.listed()
        return iter([self / name for name in sorted(files + folders)])

    def listed(self) -> tuple[list[str], list[str]]:
        """Names of the objects in the folder, and of the folders in it: a request for each thousand."""
        objects, folders = self.bucket.list_folder(self._prefix)
        return [one.key.rpartition("/")[2] for one in objects], folders

    def glob(self, pattern: str, **_: Any) -> Iterator[Self]:  # type: ignore[override]
        """What is in the folder and has such a name; with ``*/NAME``, in the folders below."""
        *above, last = pattern.split("/")
        folders: list[Self] = [self]
        for wanted in above:
            names = [(folder, name) for folder in folders for name in folder.listed()[1]]
            folders = [f / name for f, name in names if fnmatchcase(name, wanted)]
        return (path for folder in folders for path in folder.iterdir() if fnmatchcase(path.name, last))

    def files_below(self, pattern: str) -> Iterator[Self]:
        """Objects whose name below this folder fits: a request for each thousand that are below it."""
        start, depth = len(self._prefix), pattern.count("/")
        for one in self.bucket.list_all(self._prefix):
            below = one.key[start:]
            if below.count("/") == depth and fnmatchcase(below, pattern):
                yield self / below

    def names(self) -> list[str]:
        """Names of the objects in the folder."""
        return self.listed()[0]

    def sizes(self) -> dict[str, int]:
        """Bytes of the objects in the folder by name."""
        return {one.key.rpartition("/")[2]: one.size for one in self.bucket.list_folder(self._prefix)[0]}


@contextmanager
def reading_ahead(paths: Iterable[Path]) -> Iterator[None]:
    """Read many small objects at once, and hand them out within the block; paths on a disk are left alone.

    Args:
        paths: Of one bucket.
    """
    there = [path for path in paths if isinstance(path, ObjectPath)]
    if not there:
        yield
        return
    with there[0].bucket.reading_ahead(path.key for path in there):
        yield


def each_read_ahead(items: Iterable[T], paths_of: Callable[[T], Iterable[Path]]) -> Iterator[T]:
    """Go through items whose files are to be read; while the loop is at some, those of these are at hand."""
    rest = iter(items)
    while chunk := list(islice(rest, _CHUNK)):
        with reading_ahead({path for item in chunk for path in paths_of(item)}):
            yield from chunk


def _stat_result(info: ObjectInfo) -> os.stat_result:
    inode = int.from_bytes(hashlib.sha256(info.tag.encode()).digest()[:7], "big")
    seconds, ns = divmod(info.changed_ns, 1_000_000_000)
    fields = (stat.S_IFREG | 0o644, inode, 0, 1, 0, 0, info.size, seconds, seconds, seconds)
    times = {"st_mtime": seconds + 1e-9 * ns, "st_mtime_ns": info.changed_ns}
    return os.stat_result(fields, times)
