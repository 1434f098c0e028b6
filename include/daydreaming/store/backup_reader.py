"""Read a backup and check every byte of it; trust nothing that it says."""

from __future__ import annotations

import gzip
import hashlib
import json
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from daydreaming.errors import StoreError
from daydreaming.store.backup_manifest import Entry, Manifest
from daydreaming.store.backup_writer import LIST, MANIFEST
from daydreaming.store.stored_files import is_stored_name

_CHUNK_BYTES = 1 << 20
_MOST_MANIFEST_BYTES = 16 << 20
_DAMAGES = (
    tarfile.TarError,
    EOFError,
    zlib.error,
    gzip.BadGzipFile,
    ValueError,
)


@dataclass(frozen=True)
class BackupReader:
    """A backup that is read from its beginning to its end, once.

    Attributes:
        manifest: What it says of itself.
    """

    path: Path
    manifest: Manifest
    _tar: tarfile.TarFile
    _list: IO[bytes]

    def members(self) -> Iterator[tuple[Entry, Iterator[bytes]]]:
        """Each file with its content, which has to be read before the next: in full, so that it is checked.

        Raises:
            StoreError: The backup is damaged, cut off, or was tampered with.
        """
        with _as_damage(self.path):
            yield from self._members()

    def _members(self) -> Iterator[tuple[Entry, Iterator[bytes]]]:
        seen: set[str] = set()
        for line in self._list:
            entry = Entry.from_line(line)
            _require_safe(entry.name)
            if entry.name in seen:
                raise ValueError(f"{entry.name!r} is in it twice")
            seen.add(entry.name)
            member = _next(self._tar, entry.name)
            if member.size != entry.size_bytes:
                raise ValueError(f"{entry.name} has {member.size} bytes; listed are {entry.size_bytes}")
            yield entry, self._content(member, entry)
        left = self._tar.next()
        if left is not None:
            raise ValueError(f"{left.name!r} is not in its list")

    def _content(self, member: tarfile.TarInfo, entry: Entry) -> Iterator[bytes]:
        with _as_damage(self.path):
            digest = hashlib.sha256()
            file = self._tar.extractfile(member)
            while file is not None and (chunk := file.read(_CHUNK_BYTES)):
                digest.update(chunk)
                yield chunk
            if digest.hexdigest() != entry.sha256:
                raise ValueError(f"{entry.name} does not have the listed SHA-256")


@contextmanager
def open_backup(path: Path) -> Iterator[BackupReader]:
    """Open a backup, with manifest and list read.

    Raises:
        StoreError: It cannot be read, is none, or is damaged.
    """
    try:
        packed = gzip.open(path, "rb")  # noqa: SIM115 - closed below
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}. Give a file that `daydreaming backup` made.") from error
    with packed, tempfile.TemporaryFile() as listed:
        with _as_damage(path):
            tar = tarfile.open(fileobj=packed, mode="r|")  # noqa: SIM115 - holds nothing but the file
            manifest = _read_manifest(tar)
            if _copy(tar, listed) != manifest.list_sha256:
                raise ValueError("its list of files does not have the SHA-256 of the manifest")
            listed.seek(0)
        yield BackupReader(path, manifest, tar, listed)


def _read_manifest(tar: tarfile.TarFile) -> Manifest:
    member = _next(tar, MANIFEST)
    file = tar.extractfile(member)
    if file is None or member.size > _MOST_MANIFEST_BYTES:
        raise ValueError("its manifest is none")
    return Manifest.from_json(json.loads(file.read()))


def _copy(tar: tarfile.TarFile, target: IO[bytes]) -> str:
    digest = hashlib.sha256()
    file = tar.extractfile(_next(tar, LIST))
    while file is not None and (chunk := file.read(_CHUNK_BYTES)):
        digest.update(chunk)
        target.write(chunk)
    return digest.hexdigest()


def _next(tar: tarfile.TarFile, name: str) -> tarfile.TarInfo:
    member = tar.next()
    # It would keep every member that was read.
    vars(tar)["members"].clear()
    if member is None:
        raise ValueError(f"{name!r} is missing")
    if member.name != name or not member.isreg():
        raise ValueError(f"{member.name!r} is where the file {name!r} should be")
    return member


def _require_safe(name: str) -> None:
    """A name that leads nowhere but below the folder that it is put into."""
    path = PurePosixPath(name)
    folder, _, rest = name.partition("/")
    is_below = ".." not in path.parts and str(path) == name and "\0" not in name
    if not (is_below and rest and (folder == "database" or (folder == "data" and is_stored_name(rest)))):
        raise ValueError(f"{name!r} is no name of a file in a backup")


@contextmanager
def _as_damage(path: Path) -> Iterator[None]:
    try:
        yield
    except _DAMAGES as error:
        raise StoreError(
            f"{path}: damaged, cut off, or not made by `daydreaming backup` ({error}). Nothing was changed. "
            "Use another backup."
        ) from error
