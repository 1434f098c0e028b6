"""Write a backup: a tar file, packed with gzip, that begins with what is in it.

What a file holds is known when it has been read, and it may change meanwhile: so the files are packed
first, beside the backup, and put behind manifest and list afterwards. Two packed streams in a row are one.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
import tarfile
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from daydreaming.store.backup_manifest import Entry, Manifest

MANIFEST = "manifest.json"
LIST = "files.jsonl"
#: Larger files are not held in memory.
_HELD_BYTES = 8 << 20
_CHUNK_BYTES = 1 << 20
_LEVEL = 6


class BackupWriter:
    """The backup that is being made, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._list = (folder / LIST).open("w+b")
        self._digest = hashlib.sha256()
        self._packed = gzip.GzipFile(folder / "files.tar.gz", "wb", _LEVEL)
        self._tar = tarfile.TarFile(fileobj=self._packed, mode="w", format=tarfile.PAX_FORMAT)

    def add(self, name: str, chunks: Iterable[bytes], modified_ns: int) -> Entry:
        """Add a file as it is read."""
        digest = hashlib.sha256()
        # Its size stands before it, and a file may grow while it is read.
        with tempfile.SpooledTemporaryFile(_HELD_BYTES, dir=str(self._folder)) as held:
            for chunk in chunks:
                held.write(chunk)
                digest.update(chunk)
            size = held.tell()
            held.seek(0)
            _add(self._tar, name, size, held, modified_ns)
            # It would keep every member that was written.
            vars(self._tar)["members"].clear()
        entry = Entry(name, size, digest.hexdigest(), modified_ns)
        line = entry.to_line()
        self._list.write(line)
        self._digest.update(line)
        return entry

    def list_sha256(self) -> str:
        """SHA-256 of the list of the files that were added."""
        return self._digest.hexdigest()

    def finish(self, manifest: Manifest) -> Path:
        """Put everything together; returns where it lies, in the writer's folder."""
        self._tar.close()
        self._packed.close()
        path = self._folder / "backup.tar.gz"
        with path.open("wb") as file:
            with gzip.GzipFile("", "wb", _LEVEL, file) as packed:
                self._write_head(packed, manifest)
            with (self._folder / "files.tar.gz").open("rb") as files:
                shutil.copyfileobj(files, file, _CHUNK_BYTES)
            file.flush()
            os.fsync(file.fileno())
        return path

    def _write_head(self, packed: gzip.GzipFile, manifest: Manifest) -> None:
        # Not closed: that would write the mark of the end, and the files come after it.
        tar = tarfile.TarFile(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT)
        text = json.dumps(manifest.to_json(), indent=2).encode() + b"\n"
        _add(tar, MANIFEST, len(text), io.BytesIO(text), time.time_ns())
        size = self._list.tell()
        self._list.seek(0)
        _add(tar, LIST, size, self._list, time.time_ns())

    def close(self) -> None:
        """Let go of the files."""
        self._list.close()
        self._packed.close()


@contextmanager
def backup_writer(folder: Path) -> Iterator[BackupWriter]:
    """A writer whose files are closed afterwards, and deleted with the folder by whoever made that."""
    writer = BackupWriter(folder)
    try:
        yield writer
    finally:
        writer.close()


def _add(tar: tarfile.TarFile, name: str, size: int, file: BinaryIO | object, modified_ns: int) -> None:
    info = tarfile.TarInfo(name)
    info.size = size
    info.mtime = modified_ns // 1_000_000_000
    tar.addfile(info, file)  # type: ignore[arg-type]


def read_chunks(path: Path) -> Iterator[bytes]:
    """A file, some of it at a time."""
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk
