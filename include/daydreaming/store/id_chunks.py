"""IDs in as many as one statement takes."""

from __future__ import annotations

from collections.abc import Iterable

#: SQLite allows 32,766 variables in a statement.
IN_CHUNK = 5_000


def id_chunks(ids: Iterable[str]) -> list[list[str]]:
    """The same IDs, at most ``IN_CHUNK`` in a list."""
    listed = list(ids)
    return [listed[start : start + IN_CHUNK] for start in range(0, len(listed), IN_CHUNK)]
