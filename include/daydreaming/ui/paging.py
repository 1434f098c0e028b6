"""Long lists in pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Generic, TypeVar

from fastapi import Query

Row = TypeVar("Row")

#: The query parameter ``page`` of every list, from 1. The bound keeps offsets within what databases count.
PageNumber = Annotated[int, Query(alias="page", ge=1, le=1_000_000, description="Page, from 1")]


class Paged(Generic[Row]):
    """One page of rows.

    Args:
        rows: All of them; with ``total``, this page's alone.
        number: Page, from 1; one past the end is empty.
        size: Rows per page.
        total: How many there are in all, where the database has cut the page.
    """

    def __init__(self, rows: Sequence[Row], number: int, size: int, total: int | None = None) -> None:
        first = (number - 1) * size
        self.rows = rows[first : first + size] if total is None else rows
        self.total = len(rows) if total is None else total
        self.number, self.size = number, size

    @property
    def last(self) -> int:
        """Number of the last page; 1 where there is nothing."""
        return max(1, -(-self.total // self.size))

    @property
    def first_row(self) -> int:
        """Place of the page's first row among all, from 1; 0 where there is none."""
        return (self.number - 1) * self.size + 1 if self.rows else 0

    @property
    def last_row(self) -> int:
        """Place of the page's last row among all."""
        return self.first_row + len(self.rows) - 1 if self.rows else 0
