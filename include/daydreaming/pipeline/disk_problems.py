"""What a disk refuses, in one line for a person."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from daydreaming.errors import StoreError


@contextmanager
def disk_problems_told(what: str, outcome: str) -> Iterator[None]:
    """Turn an OSError of the block into a StoreError.

    Args:
        what: What cannot be done, of which the reason follows in brackets.
        outcome: What is left now.
    """
    try:
        yield
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise StoreError(f"{what} ({where}{error.strerror}). {outcome}") from error
