"""A full-text index of one experiment's texts: an SQLite file on this machine, which may be deleted.

Each part of a document has a column of its own, so that a search in one part is a search in one column.
Several processes may use the file: one writes at a time, and who comes meanwhile reads what is there.
"""

from __future__ import annotations

import os
import sqlite3
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

from daydreaming.errors import StoreError
from daydreaming.objects.path import each_read_ahead

Kind = Literal["answer", "verdict", "generation_prompt", "evaluation_prompt"]
Part = Literal["essay", "rest", "verdict", "prompt"]
PARTS: Final[tuple[Part, ...]] = ("essay", "rest", "verdict", "prompt")
#: Around what was found in a snippet; no indexed text holds them.
FOUND_START: Final = "\x02"
FOUND_END: Final = "\x03"

#: In the file's name: another layout is another file.
_VERSION = 1
#: How long a reader waits while somebody moves the log into the file.
_READ_WAIT_S = 5.0
_SNIPPET_WORDS = 32
#: Seconds until all documents are looked at again, though their stamp is the same.
LOOK_EVERY_S = 60.0
#: Where documents come all the time, there are at most so many looked at per second.
_DOCUMENTS_PER_S = 5_000
#: Of one text; bounds what a document costs.
_MAX_CHARS = 1_000_000
_CONTROLS: Final = {code: " " for code in range(32) if chr(code) not in "\t\n\r"} | {0x7F: " "}
_SCHEMA = (
    "PRAGMA journal_mode = WAL",
    f"CREATE VIRTUAL TABLE texts USING fts5({', '.join(PARTS)}, tokenize = 'unicode61 remove_diacritics 2')",
    """CREATE TABLE documents (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, cell_id TEXT NOT NULL,
        version TEXT NOT NULL, UNIQUE (kind, cell_id))""",
    """CREATE TABLE pending (place INTEGER PRIMARY KEY, kind TEXT NOT NULL, cell_id TEXT NOT NULL,
        version TEXT NOT NULL)""",
    "CREATE TABLE looked (stamp TEXT NOT NULL, at REAL NOT NULL)",
)


@dataclass(frozen=True)
class DocumentKey:
    """One document: what it is, of which cell."""

    kind: Kind
    cell_id: str


@dataclass(frozen=True)
class Hit:
    """A document in which something was found.

    Attributes:
        part: Where in it.
        snippet: The words around it, with what was found between ``FOUND_START`` and ``FOUND_END``.
    """

    key: DocumentKey
    part: Part
    snippet: str


@dataclass(frozen=True)
class IndexState:
    """How far the index is.

    Attributes:
        indexed: Documents that are in it.
        wanted: Documents that there are.
        is_busy: Whether another process was adding some, so that none was added now.
    """

    indexed: int
    wanted: int
    is_busy: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether every document is in it."""
        return self.indexed == self.wanted


def _no_files(_: DocumentKey) -> Iterable[Path]:
    return ()


@dataclass(frozen=True)
class Source:
    """Where the documents come from.

    Attributes:
        stamp: Changes when documents came or went; of a large index this is seen some seconds later. What
            it does not tell of, such as an edit that leaves a text as long as it was, is seen with the next
            full look (``LOOK_EVERY_S``).
        list_all: Gives the version (a digest) of every document that there is.
        read: Gives the parts of a document, by key and version; none where it cannot be read.
        files: Gives the files that will be read for a document.
    """

    stamp: str
    list_all: Callable[[], Mapping[DocumentKey, str]]
    read: Callable[[DocumentKey, str], Mapping[Part, str]]
    files: Callable[[DocumentKey], Iterable[Path]] = _no_files


class TextIndex:
    """The index of one experiment.

    Args:
        folder: Where its file is, and is made.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / f"texts-{_VERSION}.sqlite3"

    def update(self, source: Source, now: datetime, *, max_documents: int, max_chars: int) -> IndexState:
        """Bring the index closer to what there is, by a bounded amount of work.

        Args:
            source: The documents.
            now: The time.
            max_documents: Most to add.
            max_chars: Stop when so many characters were added.

        Raises:
            StoreError: The file cannot be written.
        """
        with self._opened() as connection:
            # A writer does not wait for another: that one does the same work.
            connection.execute("PRAGMA busy_timeout = 0")
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if _code(error) != sqlite3.SQLITE_BUSY:
                    raise
                return replace(_state(connection), is_busy=True)
            if _needs_a_look(connection, source.stamp, now):
                _look(connection, source, now)
            _add_pending(connection, source, max_documents, max_chars)
            state = _state(connection)
            connection.execute("COMMIT")
            return state

    def search(
        self, expression: str, parts: Sequence[Part], *, limit: int, offset: int
    ) -> tuple[list[Hit], int]:
        """Documents that an FTS5 expression matches, the best first, and how many there are.

        Args:
            expression: As ``search_terms.match_expression`` makes it; not empty.
            parts: Where to look.
            limit: Most hits to return.
            offset: Hits to leave out before.

        Raises:
            StoreError: The file cannot be read.
        """
        match = f"{{{' '.join(parts)}}} : ({expression})"
        snippets = ", ".join(f"snippet(texts, {PARTS.index(part)}, ?, ?, '…', ?)" for part in parts)
        hits = (
            f"SELECT kind, cell_id, {snippets} FROM texts JOIN documents ON id = texts.rowid"  # noqa: S608 - numbers
            " WHERE texts MATCH ? ORDER BY rank, id LIMIT ? OFFSET ?"
        )
        marks = (FOUND_START, FOUND_END, _SNIPPET_WORDS) * len(parts)
        with self._opened() as connection:
            count = "SELECT count(*) FROM texts WHERE texts MATCH ?"
            (total,) = connection.execute(count, (match,)).fetchone()
            rows = connection.execute(hits, (*marks, match, limit, offset)) if offset < total else ()
            return [_hit(DocumentKey(kind, cell_id), parts, found) for kind, cell_id, *found in rows], total

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        """A connection; a file that is no index is taken away, to be made anew."""
        try:
            self._create()
            connection = sqlite3.connect(self._path, timeout=_READ_WAIT_S, isolation_level=None)
            with closing(connection):
                connection.execute("PRAGMA synchronous = NORMAL")
                yield connection
        except sqlite3.DatabaseError as error:
            what = "the search index cannot be used"
            if _code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
                self._delete()
                what = "the search index was damaged and has been deleted; search again, and it is made anew"
            raise StoreError(f"{self._path}: {what} ({error}).") from error
        except OSError as error:
            raise StoreError(
                f"{self._path}: the search index cannot be written ({error}). Let Airflow's API server write "
                "to the folder."
            ) from error

    def _create(self) -> None:
        """Make an empty index under another name, then give it its own: nobody sees half of one."""
        if self._path.exists():
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        made = self._path.with_name(f".~{uuid.uuid4().hex}")
        try:
            with closing(sqlite3.connect(made)) as connection:
                for statement in _SCHEMA:
                    connection.execute(statement)
            with suppress(FileExistsError):
                os.link(made, self._path)
        finally:
            made.unlink(missing_ok=True)

    def _delete(self) -> None:
        for ending in ("", "-wal", "-shm"):
            self._path.with_name(f"{self._path.name}{ending}").unlink(missing_ok=True)


def _code(error: sqlite3.Error) -> int:
    """SQLite's primary code of an error; 0 where Python itself raised it."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _hit(key: DocumentKey, parts: Sequence[Part], snippets: Sequence[str]) -> Hit:
    found = zip(parts, snippets, strict=True)
    part, snippet = next((one for one in found if FOUND_START in one[1]), (parts[0], snippets[0]))
    return Hit(key, part, snippet)


def _state(connection: sqlite3.Connection) -> IndexState:
    query = "SELECT (SELECT count(*) FROM documents), (SELECT count(*) FROM pending)"
    indexed, pending = connection.execute(query).fetchone()
    return IndexState(indexed, indexed + pending)


def _needs_a_look(connection: sqlite3.Connection, stamp: str, now: datetime) -> bool:
    looked = connection.execute("SELECT stamp, at FROM looked").fetchone()
    if looked is None:
        return True
    age = now.timestamp() - looked[1]
    if not 0 <= age < LOOK_EVERY_S:
        return True
    return bool(looked[0] != stamp) and age >= _state(connection).wanted // _DOCUMENTS_PER_S


def _look(connection: sqlite3.Connection, source: Source, now: datetime) -> None:
    """Remove what is gone or has changed, and note what is missing."""
    wanted = {(key.kind, key.cell_id): version for key, version in source.list_all().items()}
    rows = connection.execute("SELECT id, kind, cell_id, version FROM documents").fetchall()
    gone = [(number,) for number, kind, cell_id, version in rows if wanted.get((kind, cell_id)) != version]
    for statement in ("DELETE FROM texts WHERE rowid = ?", "DELETE FROM documents WHERE id = ?"):
        connection.executemany(statement, gone)
    known = {(kind, cell_id): version for _, kind, cell_id, version in rows}
    missing = [(*key, version) for key, version in wanted.items() if known.get(key) != version]
    connection.execute("DELETE FROM pending")
    connection.executemany("INSERT INTO pending (kind, cell_id, version) VALUES (?, ?, ?)", missing)
    connection.execute("DELETE FROM looked")
    connection.execute("INSERT INTO looked VALUES (?, ?)", (source.stamp, now.timestamp()))


def _key(row: tuple[int, Kind, str, str]) -> DocumentKey:
    _, kind, cell_id, _ = row
    return DocumentKey(kind, cell_id)


def _add_pending(connection: sqlite3.Connection, source: Source, max_documents: int, max_chars: int) -> None:
    query = "SELECT place, kind, cell_id, version FROM pending ORDER BY place LIMIT ?"
    chars = last = 0
    pending = connection.execute(query, (max_documents,)).fetchall()
    for place, kind, cell_id, version in each_read_ahead(pending, lambda row: source.files(_key(row))):
        if chars >= max_chars:
            break
        parts = source.read(DocumentKey(kind, cell_id), version)
        texts = [parts.get(part, "")[:_MAX_CHARS].translate(_CONTROLS) for part in PARTS]
        document = connection.execute(
            "INSERT INTO documents (kind, cell_id, version) VALUES (?, ?, ?)", (kind, cell_id, version)
        )
        connection.execute(
            "INSERT INTO texts (rowid, essay, rest, verdict, prompt) VALUES (?, ?, ?, ?, ?)",
            (document.lastrowid, *texts),
        )
        chars, last = chars + sum(map(len, texts)), place
    connection.execute("DELETE FROM pending WHERE place <= ?", (last,))
