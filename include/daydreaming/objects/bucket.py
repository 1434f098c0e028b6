"""What is done to the objects of one bucket. Each call is one request or more: none is a look at a disk."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from daydreaming.errors import ObjectStoreError, StoreError
from daydreaming.objects.file_system import open_file_system
from daydreaming.objects.problems import is_conflict, is_taken, told

#: Requests that are under way at the same time; the client keeps ten connections.
AT_ONCE = 10
#: Beside an object: when its content came to be, where that is not when it was put.
_CHANGED_NS = "daydreaming-changed-ns"
#: How long a bucket that refuses is left as it is: to open it costs more than a request.
_ANEW_AFTER_S = 10.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class ObjectInfo:
    """What a store says of an object.

    Attributes:
        key: Its name in the bucket.
        size: Bytes.
        changed_ns: When its content came to be, in nanoseconds since 1970: when it was put, unless whoever
            put it said otherwise.
        tag: Another text has another.
    """

    key: str
    size: int
    changed_ns: int
    tag: str


class Bucket:
    """The objects of one bucket.

    Args:
        url: As people name it, for messages.
        name: The bucket's.
        files: The fsspec file system that reaches it.

    Attributes:
        is_refused: Whether a request was refused for its credentials.
        tried_at: When it was opened, or could not be opened anew (of the monotonic clock).
    """

    def __init__(self, url: str, name: str, files: Any) -> None:
        self._url = url
        self._name = name
        self._files = files
        self._ahead = threading.local()
        self.is_refused = False
        self.tried_at = time.monotonic()

    def is_refused_for_long(self) -> bool:
        """Whether it has refused, and was not tried to be opened for a while."""
        return self.is_refused and time.monotonic() - self.tried_at > _ANEW_AFTER_S

    def read(self, key: str) -> bytes:
        """An object's bytes.

        Raises:
            FileNotFoundError: There is none.
            ObjectStoreError: The store refuses, or does not answer; likewise below.
        """
        ahead = self._read_ahead()
        if key in ahead:
            found = ahead[key]
            if found is None:
                raise FileNotFoundError(self._where(key))
            return found
        with self._told(self._where(key)):
            return bytes(self._files.cat_file(self._path(key)))

    def put(self, key: str, data: bytes) -> None:
        """Put an object, in the place of the one that is there."""
        self._forget(key)
        with self._told(self._where(key)):
            self._files.pipe_file(self._path(key), data)

    def put_new(self, key: str, data: bytes, changed_ns: int | None = None) -> bool:
        """Put an object that is not there yet; False, and nothing put, where it is.

        Args:
            key: Its name.
            data: Its bytes.
            changed_ns: When these came to be, as of ``ObjectInfo``; None for now.
        """
        noted = {} if changed_ns is None else {"Metadata": {_CHANGED_NS: str(changed_ns)}}
        self._forget(key)
        with self._told(self._where(key)):
            for is_last in (False, False, True):
                try:
                    self._files.pipe_file(self._path(key), data, mode="create", **noted)
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
        with self._told(self._where(key)):
            self._files.put_file(str(path), self._path(key))

    def copy(self, key: str, target: str) -> None:
        """Copy an object within the bucket.

        Raises:
            FileNotFoundError: There is none.
        """
        self._forget(target)
        with self._told(self._where(key)):
            self._files.cp_file(self._path(key), self._path(target))

    def remove(self, key: str) -> None:
        """Delete an object; nothing is done where there is none."""
        self._forget(key)
        with self._told(self._where(key)):
            self._files.rm_file(self._path(key))

    def info(self, key: str) -> ObjectInfo | None:
        """What the store says of an object, now; None where there is none."""
        with self._told(self._where(key)):
            try:
                found = self._files.call_s3("head_object", Bucket=self._name, Key=key)
            except FileNotFoundError:
                return None
        noted = str(found.get("Metadata", {}).get(_CHANGED_NS, ""))
        changed_ns = int(noted) if noted.isdecimal() else _ns(found["LastModified"])
        return ObjectInfo(key, int(found["ContentLength"]), changed_ns, str(found["ETag"]))

    def has(self, key: str) -> bool:
        """Whether an object is there."""
        ahead = self._read_ahead()
        return ahead[key] is not None if key in ahead else self.info(key) is not None

    def has_below(self, prefix: str) -> bool:
        """Whether any object's key begins with ``prefix``."""
        with self._told(self._where(prefix)):
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

    @contextmanager
    def _told(self, where: str) -> Iterator[None]:
        try:
            with told(where):
                yield
        except ObjectStoreError as error:
            self.is_refused = self.is_refused or error.reason == "refused"
            raise

    def _read_many(self, keys: Iterable[str]) -> Mapping[str, bytes | None]:
        paths = {self._path(key): key for key in keys}
        if not paths:
            return {}
        with self._told(self._url):
            found = self._files.cat(list(paths), on_error="return", batch_size=AT_ONCE)
            for error in found.values():
                if isinstance(error, Exception) and not isinstance(error, FileNotFoundError):
                    raise error
        return {paths[path]: data if isinstance(data, bytes) else None for path, data in found.items()}

    def _pages(self, prefix: str, **options: str) -> Iterator[Mapping[str, Any]]:
        token: dict[str, str] = {}
        while True:
            with self._told(self._where(prefix)):
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
    return ObjectInfo(listed["Key"], int(listed["Size"]), _ns(listed["LastModified"]), str(listed["ETag"]))


def _ns(time: datetime) -> int:
    return (time - _EPOCH) // timedelta(microseconds=1) * 1_000


_opening = threading.Lock()
_opened: dict[tuple[str, str, int], Bucket] = {}


def open_bucket(protocol: str, place: str) -> Bucket:
    """The bucket of a URL, once per process; arguments and errors as of `open_file_system`.

    Where it refuses, it is opened anew for a later look: the key in its connection may have been corrected.
    """
    key = protocol, place, os.getpid()  # a fork needs a client of its own
    with _opening:
        known = _opened.get(key)
        if known is not None and not known.is_refused_for_long():
            return known
        try:
            made = Bucket(
                f"{protocol}://{place}", place.rpartition("@")[2], open_file_system(protocol, place)
            )
        except StoreError:
            if known is None:
                raise
            known.tried_at = time.monotonic()
            return known
        _opened[key] = made
        return made
