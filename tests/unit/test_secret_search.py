"""The search for secrets finds one wherever it is put: else the tests that rely on it could not fail."""

from __future__ import annotations

import base64
import gzip
import json
import sqlite3
import tarfile
import zlib
from contextlib import closing
from urllib.parse import quote

import pandas as pd
import pytest

from tests.support.secret_search import holds, places_of

SECRET = "sk-or/v1+0f8e2d71c6"


def as_it_is(folder):
    (folder / "a.log").write_text(f"401: {SECRET}")
    return "a.log"


def packed(folder):
    (folder / "a.gz").write_bytes(gzip.compress(SECRET.encode()))
    return "a.gz!"


def archived(folder):
    (folder / "in.txt").write_text(SECRET)
    with tarfile.open(folder / "a.tar.gz", "w:gz") as archive:
        archive.add(folder / "in.txt", "deep/in.txt")
    (folder / "in.txt").unlink()
    return "a.tar.gz!!deep/in.txt"


def in_parquet(folder):
    pd.DataFrame({"n": [1, 2], "text": ["quiet", SECRET]}).to_parquet(
        folder / "a.parquet", compression="zstd"
    )
    return "a.parquet!text"


def in_sqlite(folder):
    with closing(sqlite3.connect(folder / "a.db")) as database:
        database.execute("CREATE TABLE t (n, data)")
        database.execute("INSERT INTO t VALUES (1, ?)", (zlib.compress(json.dumps([SECRET]).encode()),))
        database.commit()
    return "a.db!t.data"


@pytest.mark.parametrize("put", [as_it_is, packed, archived, in_parquet, in_sqlite])
def test_it_is_found_in_files_of_every_kind(tmp_path, put):
    place = put(tmp_path)
    assert place in places_of(SECRET, tmp_path)
    assert places_of("sk-another-0123456789", tmp_path) == []


def test_rows_that_are_only_in_the_write_ahead_log_are_found(tmp_path):
    with closing(sqlite3.connect(tmp_path / "a.db")) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE TABLE t (data)")
        database.execute("INSERT INTO t VALUES (?)", (SECRET,))
        database.commit()
        assert places_of(SECRET, tmp_path) == ["a.db!t.data", "a.db-wal"]


@pytest.mark.parametrize(
    "written",
    [
        f"Bearer {SECRET}",
        quote(SECRET, safe=""),
        SECRET.encode().hex(),
        *(
            base64.b64encode(f"{before}{SECRET}{after}".encode())
            for before in ("", "a", "me:")
            for after in "xy"
        ),
        base64.urlsafe_b64encode(f"Bearer {SECRET}".encode()),
    ],
)
def test_it_is_found_however_it_is_written(written):
    assert holds(written, SECRET)
    assert not holds(written, "sk-another-0123456789")
