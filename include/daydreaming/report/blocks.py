"""What sections of the report are made of; the template knows how each looks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal

from markupsafe import Markup

from daydreaming.charts.labels import MISSING, fixed
from daydreaming.charts.widths import both_widths

ROWS: Final = 50
"""A table with more than twice as many rows shows so many of its first and so many of its last."""

RESCALED: Final = "on 0–10, rescaled"
"""The scale of all statistics: each rubric's own range is stretched to it."""

Tone = Literal["text", "note", "waiting"]


@dataclass(frozen=True)
class Paragraph:
    """A paragraph; ``waiting`` says what is not there yet and what will bring it."""

    kind: ClassVar = "paragraph"
    text: str
    tone: Tone = "text"


@dataclass(frozen=True)
class Heading:
    """A heading within a section."""

    kind: ClassVar = "heading"
    text: str


@dataclass(frozen=True)
class Facts:
    """Terms and what there is to say of each."""

    kind: ClassVar = "facts"
    entries: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Items:
    """A list."""

    kind: ClassVar = "items"
    texts: Sequence[str]


@dataclass(frozen=True)
class Figure:
    """A drawing and what it says."""

    kind: ClassVar = "figure"
    chart: Markup
    caption: str = ""


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes:
        style: Classes of the cell.
        hover: Shown to who points at it.
    """

    text: str
    style: str = ""
    hover: str = ""


@dataclass(frozen=True)
class Column:
    """A column of a table; numbers are put right, notes get room for a sentence, what is long may break."""

    name: str
    style: Literal["text", "number", "code", "long", "note"] = "text"


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        rows: Its first rows, or all.
        gap: What is left out between ``rows`` and ``tail``; '' for nothing.
        tail: Its last rows, where it is long.
        file: Where all of it is, relative to the report; '' for nowhere else.
    """

    kind: ClassVar = "table"
    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    gap: str = ""
    tail: Sequence[Sequence[Cell]] = ()
    file: str = ""


@dataclass(frozen=True)
class Text:
    """A text as somebody wrote it, with its line ends.

    Attributes:
        label: Says whose it is.
        note: Says what was cut off; '' for nothing.
    """

    kind: ClassVar = "quote"
    text: str
    label: str = ""
    note: str = ""


@dataclass(frozen=True)
class Code:
    """Text for machines."""

    kind: ClassVar = "code"
    text: str


Block = Paragraph | Heading | Facts | Items | Figure | Table | Text | Code


@dataclass(frozen=True)
class Section:
    """A part of the report.

    Attributes:
        key: Its anchor.
        starts_page: Whether it begins a new page in print.
        scale: What its scores are on; '' where it has none.
    """

    key: str
    title: str
    blocks: Sequence[Block]
    starts_page: bool = False
    scale: str = ""


def table(
    caption: str,
    columns: Sequence[Column],
    rows: Sequence[Sequence[Cell | str]],
    *,
    file: str = "",
    most: int = ROWS,
) -> Table:
    """A table of at most ``2 · most`` rows: the first and the last ones, and how many are between.

    A column of notes without a note is left out.
    """
    cells = [[cell if isinstance(cell, Cell) else Cell(cell) for cell in row] for row in rows]
    said = [
        i for i, column in enumerate(columns) if column.style != "note" or any(row[i].text for row in cells)
    ]
    columns, cells = [columns[i] for i in said], [[row[i] for i in said] for row in cells]
    if len(cells) <= 2 * most:
        return Table(caption, columns, cells, file=file)
    where = f" in {file.rpartition('/')[2]}" if file else ""
    gap = f"{len(cells) - 2 * most:,} more{where}"
    return Table(caption, columns, cells[:most], gap, cells[-most:], file)


def drawn(draw: Callable[..., Markup], *data: Any, caption: str = "", **named: Any) -> Figure:
    """A figure in both widths; ``draw`` is a function of ``charts``, the rest what it takes."""
    return Figure(both_widths(draw, *data, **named), caption)


def with_interval(row: Mapping[str, Any], name: str = "value", decimals: int = 2) -> str:
    """An estimate with its interval: ``6.21 (5.90 to 6.48)``; a dash where there is none.

    An interval of no width came from nothing that varied, and is not shown.
    """
    value, low, high = (row.get(key) for key in (name, "ci_low", "ci_high"))
    if value is None or low is None or high is None or low == high:
        return fixed(value, decimals)
    return f"{fixed(value, decimals)} ({fixed(low, decimals)} to {fixed(high, decimals)})"


def percent(share: float | None, decimals: int = 1) -> str:
    """A share from 0 to 1 in percent."""
    return MISSING if share is None else f"{fixed(100 * share, decimals)}\u00a0%"


def p_value(p: float | None) -> str:
    """A p-value as papers write it."""
    if p is None:
        return MISSING
    return "<\u00a00.001" if p < 0.001 else fixed(p, 3)


def count(number: int, noun: str, plural: str = "") -> str:
    """``1 judge``, ``2 judges``."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
