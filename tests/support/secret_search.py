"""Look for a secret in everything that a deployment has left behind, however it is packed or written."""

from __future__ import annotations

import base64
import gzip
import io
import sqlite3
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import quote

_SQLITE, _GZIP, _PARQUET = b"SQLite format 3\0", b"\x1f\x8b", b"PAR1"


def ways_to_write(secret: str) -> frozenset[bytes]:
    """A secret as it is, in a URL, in hexadecimal digits, and in base64 with anything around it."""
    data = secret.encode()
    found = {data, quote(secret, safe="").encode(), data.hex().encode()}
    for before in range(3):
        # The characters at both ends hold bits of what stands around.
        start, end = (before * 8 + 5) // 6, (before + len(data)) * 8 // 6
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            found.add(encode(bytes(before) + data)[start:end])
    return frozenset(found)


def holds(data: bytes | str, secret: str) -> bool:
    """Whether the secret is in a text, in any way of writing it."""
    raw = data.encode() if isinstance(data, str) else data
    return any(way in raw for way in ways_to_write(secret))


def places_of(secret: str, folder: Path) -> list[str]:
    """Where a secret is, below a folder: names of files, with what is in them after a ``!``.

    Every file is searched byte for byte; archives and packed files also in what they hold, SQLite files in
    every column of every table, Parquet files in every column.
    """
    ways = ways_to_write(secret)
    found: set[str] = set()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            name = str(path.relative_to(folder))
            found |= {place for place, data in _contents(name, path) if any(way in data for way in ways)}
    return sorted(found)


def _contents(name: str, path: Path) -> Iterator[tuple[str, bytes]]:
    try:
        data = path.read_bytes()
    except FileNotFoundError:  # a service has taken its temporary file away meanwhile
        return
    yield from _unpacked(name, data)
    if data.startswith(_SQLITE):
        yield from _rows(name, path)


def _unpacked(name: str, data: bytes) -> Iterator[tuple[str, bytes]]:
    yield name, data
    if data.startswith(_GZIP):
        yield from _unpacked(f"{name}!", gzip.decompress(data))
    elif data.startswith(_PARQUET):
        yield from _columns(name, data)
    elif data[257:262] == b"ustar":
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            for member in archive:
                file = archive.extractfile(member)
                if file:
                    yield from _unpacked(f"{name}!{member.name}", file.read())


def _columns(name: str, data: bytes) -> Iterator[tuple[str, bytes]]:
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(io.BytesIO(data))
    for column in table.column_names:
        yield f"{name}!{column}", _joined(table.column(column).to_pylist())


def _rows(name: str, path: Path) -> Iterator[tuple[str, bytes]]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=60)) as database:
        tables = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            cursor = database.execute(f'SELECT * FROM "{table}"')
            columns = [column[0] for column in cursor.description]
            for row in cursor:
                for column, value in zip(columns, row, strict=True):
                    yield f"{name}!{table}.{column}", _bytes_of(value)


def _bytes_of(value: object) -> bytes:
    if not isinstance(value, bytes):
        return str(value).encode()
    with suppress(zlib.error):  # as Airflow may keep its DAGs
        return value + zlib.decompress(value)
    return value


def _joined(values: Iterable[object]) -> bytes:
    return b"\n".join(map(_bytes_of, values))
