"""Amounts as bars, one row each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
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
from daydreaming.charts.svg import SMALL, WIDTH, empty, figure, line, rect, text

_BAR_HEIGHT = 14.0
_EDGE = 14.0


@dataclass(frozen=True)
class Bar:
    """One amount; None or NaN where it is not known."""

    name: str
    value: float | None


def bars(
    rows: Sequence[Bar],
    *,
    title: str,
    unit: str,
    label: Callable[[float], str] = number,
    width: float = WIDTH,
) -> Markup:
    """Horizontal bars from 0, with their amounts.

    Args:
        rows: From top to bottom.
        title: What is shown.
        unit: What the axis counts.
        label: Writes an amount.
        width: Of the drawing.
    """
    if not rows:
        return empty(title, "Nothing to show yet.", width=width)
    known = [row.value for row in rows if is_number(row.value)]
    names = names_width([row.name for row in rows], width)
    amounts = max((text_width(label(value), SMALL) for value in known), default=0.0) + 8
    left = names + GAP + (amounts if any(value < 0 for value in known) else 0)
    start, end = left + _EDGE, width - _EDGE - amounts
    axis = axis_over([0.0, *known], start, end, count=tick_steps(start, end))
    lines = [name_lines(row.name, names) for row in rows]
    bottom = TOP + sum(row_height(len(wrapped)) for wrapped in lines)
    parts = grid(axis, TOP, bottom, unit, width)
    y = TOP
    for row, wrapped in zip(rows, lines, strict=True):
        middle = y + row_height(len(wrapped)) / 2
        y += row_height(len(wrapped))
        parts += [row_name(wrapped, row.name, middle, names), *_bar(row.value, axis, middle, label)]
    parts.append(line(axis.at(0.0), TOP, axis.at(0.0), bottom, paint("chart-muted")))
    told = "; ".join(f"{r.name}: {label(r.value) if is_number(r.value) else MISSING}" for r in rows)
    return figure(bottom + AXIS_HEIGHT, title, f"In {unit}. {told}.", parts, width=width)


def _bar(value: float | None, axis: Axis, middle: float, label: Callable[[float], str]) -> Iterator[Markup]:
    zero, y = axis.at(0.0), middle + SMALL / 3
    if not is_number(value):
        yield text(zero + 4, y, "not known", size=SMALL, fill=paint("chart-muted"))
        return
    end = axis.at(value)
    top = middle - _BAR_HEIGHT / 2
    yield rect(min(zero, end), top, abs(end - zero), _BAR_HEIGHT, paint("chart-mark"))
    if value < 0:
        yield text(end - 4, y, label(value), anchor="end", size=SMALL)
    else:
        yield text(end + 4, y, label(value), size=SMALL)
