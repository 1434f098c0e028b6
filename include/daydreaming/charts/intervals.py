"""Estimates with intervals, one row each: leaderboards, leniency, reliability."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from daydreaming.charts.axis import Axis, axis_over
from daydreaming.charts.colours import paint
from daydreaming.charts.labels import MISSING, number, text_width
from daydreaming.charts.rows import (
    AXIS_HEIGHT,
    GAP,
    TOP,
    grid,
    is_number,
    name_lines,
    names_width,
    row_height,
    row_name,
    tick_steps,
)
from daydreaming.charts.svg import SMALL, WIDTH, circle, empty, figure, line, text

_COUNT_MARGIN = 16.0
_EDGE = 14.0
_RADIUS = 4.0
_CAP = 4.0


@dataclass(frozen=True)
class IntervalRow:
    """One estimate.

    Attributes:
        estimate: None or NaN where there is none.
        low, high: Ends of its interval; None or NaN where there is none.
        n: What it rests on, shown at the right; None to show nothing.
    """

    name: str
    estimate: float | None
    low: float | None = None
    high: float | None = None
    n: int | None = None


@dataclass(frozen=True)
class Reference:
    """A value to compare with, as a line through all rows."""

    value: float
    label: str


def dot_intervals(
    rows: Sequence[IntervalRow],
    *,
    title: str,
    unit: str,
    reference: Reference | None = None,
    n_label: str = "n",
    width: float = WIDTH,
) -> Markup:
    """A dot for each estimate, with whiskers for its interval.

    Args:
        rows: From top to bottom.
        title: What is shown.
        unit: What the axis counts.
        reference: A line to compare with; none where its value is not finite.
        n_label: Heads the column of ``n``.
        width: Of the drawing.
    """
    if not rows:
        return empty(title, "Nothing to show yet.", width=width)
    if reference and not is_number(reference.value):
        reference = None
    names = names_width([row.name for row in rows], width)
    counts = [f"{row.n:,}" for row in rows if row.n is not None]
    has_counts = bool(counts)
    counted = max(text_width(shown, SMALL) for shown in [n_label, *counts]) + _COUNT_MARGIN
    start, end = names + GAP + _EDGE, width - _EDGE - (counted if has_counts else 0)
    axis = axis_over(_values(rows, reference), start, end, count=tick_steps(start, end))
    top = TOP + (20 if has_counts or reference else 0)
    lines = [name_lines(row.name, names) for row in rows]
    bottom = top + sum(row_height(len(wrapped)) for wrapped in lines)
    parts = grid(axis, top, bottom, unit, width)
    parts += _head(axis, reference, top, bottom, width - (counted if has_counts else 0))
    if has_counts:
        parts.append(text(width, top - 8, n_label, anchor="end", size=SMALL, fill=paint("chart-muted")))
    y = top
    for row, wrapped in zip(rows, lines, strict=True):
        middle = y + row_height(len(wrapped)) / 2
        y += row_height(len(wrapped))
        parts += [row_name(wrapped, row.name, middle, names), *_marks(row, axis, middle, width)]
    return figure(bottom + AXIS_HEIGHT, title, _description(rows, unit, reference), parts, width=width)


def _values(rows: Sequence[IntervalRow], reference: Reference | None) -> list[float]:
    found = [value for row in rows for value in (row.estimate, row.low, row.high)]
    return [value for value in [*found, reference.value if reference else None] if value is not None]


def _head(
    axis: Axis, reference: Reference | None, top: float, bottom: float, right: float
) -> Iterator[Markup]:
    if reference:
        x = axis.at(reference.value)
        yield line(x, top - 4, x, bottom, paint("chart-accent"), width=1.5, dash="4 3")
        # Beside its line where it would else run into the column of counts.
        at = min(x, right - text_width(reference.label, SMALL) / 2)
        yield text(at, top - 8, reference.label, anchor="middle", size=SMALL, fill=paint("chart-accent"))


def _marks(row: IntervalRow, axis: Axis, middle: float, width: float) -> Iterator[Markup]:
    if row.n is not None:
        y = middle + SMALL / 3
        yield text(width, y, f"{row.n:,}", anchor="end", size=SMALL, fill=paint("chart-muted"))
    if not is_number(row.estimate):
        yield text(axis.start, middle + SMALL / 3, "no value", size=SMALL, fill=paint("chart-muted"))
        return
    if is_number(row.low) and is_number(row.high):
        low, high = axis.at(row.low), axis.at(row.high)
        yield line(low, middle, high, middle, paint("chart-mark"), width=2)
        for end in (low, high):
            yield line(end, middle - _CAP, end, middle + _CAP, paint("chart-mark"), width=1.5)
    yield circle(axis.at(row.estimate), middle, _RADIUS, paint("chart-mark"), hover=_sentence(row))


def _description(rows: Sequence[IntervalRow], unit: str, reference: Reference | None) -> str:
    line = f" Reference line: {reference.label}, {number(reference.value)}." if reference else ""
    return f"In {unit}. {'; '.join(map(_sentence, rows))}.{line}"


def _sentence(row: IntervalRow) -> str:
    if not is_number(row.estimate):
        return f"{row.name}: {MISSING}"
    interval = f" ({number(row.low)} to {number(row.high)})" if is_number(row.low) else ""
    return f"{row.name}: {number(row.estimate)}{interval}"
