"""What a backup says of itself, before anything else in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from daydreaming.store.table_dump import DumpedTable

#: Changes when an older release could not read the file any more.
FORMAT = 1


@dataclass(frozen=True)
class Entry:
    """A file in a backup: one below the data root, or a table.

    Attributes:
        name: ``data/<path below the data root>`` or ``database/<table>.jsonl``.
        modified_ns: Time of its last change, in nanoseconds since 1970.
    """

    name: str
    size_bytes: int
    sha256: str
    modified_ns: int

    def to_line(self) -> bytes:
        """One line of the list of files."""
        return json.dumps(list(asdict(self).values())).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> Self:
        """Read one line.

        Raises:
            ValueError: It is none.
        """
        name, size, sha256, modified = json.loads(line)
        if not (isinstance(name, str) and isinstance(size, int) and isinstance(modified, int)):
            raise ValueError("a line of the list of files is none")  # noqa: TRY004 - of text, not of a caller
        return cls(name, size, str(sha256), modified)


@dataclass(frozen=True)
class Manifest:
    """What is in a backup.

    Attributes:
        version: Of the package that made it.
        schema: Revision of the database's schema.
        created_at: ISO 8601, UTC.
        tables: In the order in which they are loaded.
        rows: By table.
        files: How many lie below the data root.
        size_bytes: Of all of these together.
        responses: Answers by stage.
        list_sha256: Of the list of files, which names each with its own hash.
    """

    version: str
    schema: str
    created_at: str
    tables: tuple[DumpedTable, ...]
    rows: Mapping[str, int]
    files: int
    size_bytes: int
    responses: Mapping[str, int]
    list_sha256: str
    format: int = FORMAT

    def answers_without_row(self) -> int:
        """Answers that came after the rows were read, and those that nobody planned."""
        return sum(max(0, count - self.rows.get(f"{stage}s", 0)) for stage, count in self.responses.items())

    def to_json(self) -> dict[str, Any]:
        """As it is written."""
        return asdict(self)

    @classmethod
    def from_json(cls, given: Any) -> Self:
        """Read it back.

        Raises:
            ValueError: It is no manifest of this format.
        """
        try:
            if given["format"] != FORMAT:
                raise ValueError(f"its format is {given['format']}, this release reads {FORMAT}")
            tables = [
                DumpedTable(str(table["name"]), tuple((str(n), kind) for n, kind in table["columns"]))
                for table in given["tables"]
            ]
            return cls(**{**given, "tables": tuple(tables)})
        except (TypeError, KeyError) as error:
            raise ValueError(f"its manifest cannot be read: {error}") from error
