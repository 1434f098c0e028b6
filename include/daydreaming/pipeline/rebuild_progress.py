"""How far a rebuild is, for whoever shows it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Progress(Protocol):
    """Something that shows the steps of a long work."""

    def begin(self, step: str, total: int) -> None:
        """A step of so many parts begins; the one before it has ended."""

    def advance(self) -> None:
        """One part of it is done."""


class LineProgress:
    """Progress as one line per step: for pipes and logs."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say

    def begin(self, step: str, total: int) -> None:
        """Say the step and how much it is."""
        self._say(f"{step} ({total:,})")

    def advance(self) -> None:
        """Say nothing."""
