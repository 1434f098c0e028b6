"""What is done to the objects of one bucket. Each call is one request or more: none is a look at a disk."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from daydreaming.objects.file_system import open_file_system
from daydreaming.objects.problems import is_conflict, is_taken, told

#: Requests that are under way at the same time; the client keeps ten connections.
_AT_ONCE = 10


@dataclass(frozen=True)
class ObjectInfo:
    """What a store says of an object.

    Attributes:
        key: Its name in the bucket.
        size: Bytes.
        changed_at: When it was put.
        tag: Another text has another.
    """

    key: str
    size: int
    changed_at: datetime
    tag: str


class Bucket:
    """The objects of one bucket.

    Args:
        url: As people name it, for messages.
        name: The bucket's.
        files: The fsspec file system that reaches it.
    """

    def __init__(self, url: str, name: str, files: Any) -> None:
        self._url = url
        self._name = name
        self._files = files
        self._ahead = threading.local()

    def read(self, key: str) -> bytes:
        """An object's bytes.

        Raises:
            FileNotFoundError: There is none.
            StoreError: The store refuses; likewise below.
        """
        ahead = self._read_ahead()
        if key in ahead:
            found = ahead[key]
            if found is None:
                raise FileNotFoundError(self._where(key))
            return found
        with told(self._where(key)):
            return bytes(self._files.cat_file(self._path(key)))

    def put(self, key: str, data: bytes) -> None:
        """Put an object, in the place of the one that is there."""
        self._forget(key)
        with told(self._where(key)):
            self._files.pipe_file(self._path(key), data)

    def put_new(self, key: str, data: bytes) -> bool:
        """Put an object that is not there yet; False, and nothing put, where it is."""
        self._forget(key)
        with told(self._where(key)):
            for is_last in (False, False, True):
                try:
                    self._files.pipe_file(self._path(key), data, mode="create")
                except OSError as error:
                    if is_taken(error):
                        return False
                    if is_last or not is_conflict(error):
                        raise
                else:
                    break
        return True

    def put_file(self, key: str, path: Path) -> None:
        """Put what a local file holds, in parts where it is large."""
        self._forget(key)
        with told(self._where(key)):
            self._files.put_file(str(path), self._path(key))

    def copy(self, key: str, target: str) -> None:
        """Copy an object within the bucket.

        Raises:
            FileNotFoundError: There is none.
        """
        self._forget(target)
        with told(self._where(key)):
            self._files.cp_file(self._path(key), self._path(target))

    def remove(self, key: str) -> None:
        """Delete an object; nothing is done where there is none."""
        self._forget(key)
        with told(self._where(key)):
            self._files.rm_file(self._path(key))

    def info(self, key: str) -> ObjectInfo | None:
        """What the store says of an object, now; None where there is none."""
        with told(self._where(key)):
            try:
                found = self._files.call_s3("head_object", Bucket=self._name, Key=key)
            except FileNotFoundError:
                return None
        return ObjectInfo(key, int(found["ContentLength"]), found["LastModified"], str(found["ETag"]))

    def has(self, key: str) -> bool:
        """Whether an object is there."""
        ahead = self._read_ahead()
        return ahead[key] is not None if key in ahead else self.info(key) is not None

    def has_below(self, prefix: str) -> bool:
        """Whether any object's key begins with ``prefix``."""
        with told(self._where(prefix)):
            found = self._files.call_s3("list_objects_v2", Bucket=self._name, Prefix=prefix, MaxKeys=1)
        return bool(found.get("Contents"))

    def list_folder(self, prefix: str) -> tuple[list[ObjectInfo], list[str]]:
        """Objects whose key goes on after ``prefix`` without a slash, and the folders beside them, by name.

        Args:
            prefix: Ends with a slash, or is empty.
        """
        objects: list[ObjectInfo] = []
        folders: list[str] = []
        for page in self._pages(prefix, Delimiter="/"):
            objects += [_info(one) for one in page.get("Contents", ()) if one["Key"] != prefix]
            folders += [one["Prefix"][len(prefix) : -1] for one in page.get("CommonPrefixes", ())]
        return objects, folders

    def list_all(self, prefix: str) -> Iterator[ObjectInfo]:
        """All objects whose key begins with ``prefix``, by key."""
        for page in self._pages(prefix):
            yield from (_info(one) for one in page.get("Contents", ()) if not one["Key"].endswith("/"))

    @contextmanager
    def reading_ahead(self, keys: Iterable[str]) -> Iterator[None]:
        """Read many objects at once, and give them out in this thread until the block ends.

        What this process writes meanwhile is read anew.
        """
        before = self._read_ahead()
        self._ahead.found = {**before, **self._read_many(keys)}
        try:
            yield
        finally:
            self._ahead.found = before

    def _read_many(self, keys: Iterable[str]) -> Mapping[str, bytes | None]:
        paths = {self._path(key): key for key in keys}
        if not paths:
            return {}
        with told(self._url):
            found = self._files.cat(list(paths), on_error="return", batch_size=_AT_ONCE)
            for error in found.values():
                if isinstance(error, Exception) and not isinstance(error, FileNotFoundError):
                    raise error
        return {paths[path]: data if isinstance(data, bytes) else None for path, data in found.items()}

    def _pages(self, prefix: str, **options: str) -> Iterator[Mapping[str, Any]]:
        token: dict[str, str] = {}
        while True:
            with told(self._where(prefix)):
                page = self._files.call_s3(
                    "list_objects_v2", Bucket=self._name, Prefix=prefix, **options, **token
                )
            yield page
            if not page.get("IsTruncated"):
                return
            token = {"ContinuationToken": page["NextContinuationToken"]}

    def _read_ahead(self) -> dict[str, bytes | None]:
        found: dict[str, bytes | None] = getattr(self._ahead, "found", {})
        return found

    def _forget(self, key: str) -> None:
        self._read_ahead().pop(key, None)

    def _path(self, key: str) -> str:
        return f"{self._name}/{key}"

    def _where(self, key: str) -> str:
        return f"{self._url}/{key}"


def _info(listed: Mapping[str, Any]) -> ObjectInfo:
    return ObjectInfo(listed["Key"], int(listed["Size"]), listed["LastModified"], str(listed["ETag"]))


_opening = threading.Lock()


def open_bucket(protocol: str, place: str) -> Bucket:
    """The bucket of a URL, once per process; arguments and errors as of `open_file_system`."""
    import os

    with _opening:
        return _open(protocol, place, os.getpid())


@lru_cache(maxsize=8)
def _open(protocol: str, place: str, pid: int) -> Bucket:  # noqa: ARG001 - a fork needs a client of its own
    return Bucket(f"{protocol}://{place}", place.rpartition("@")[2], open_file_system(protocol, place))
