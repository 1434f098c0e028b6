"""What charts of rows share: a column of names, a plot beside it, an axis below."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, TypeGuard

from markupsafe import Markup

from daydreaming.charts.axis import Axis
from daydreaming.charts.colours import paint
from daydreaming.charts.labels import shorten, text_width, wrap
from daydreaming.charts.svg import SIZE, SMALL, WIDTH, line, text

NAMES_WIDTH: Final = 270.0
"""The most that names take; longer ones get a second line, then an ellipsis."""
_NAMES_SHARE: Final = 0.42
"""Of a narrow drawing, likewise."""
_TICK_ROOM: Final = 45.0
GAP: Final = 12.0
TOP: Final = 8.0
AXIS_HEIGHT: Final = 40.0
_LINE_HEIGHT: Final = 14.0
_ROW_MARGIN: Final = 9.0


def is_number(value: float | None) -> TypeGuard[float]:
    """Whether it is there and finite."""
    return value is not None and math.isfinite(value)


def names_width(names: Sequence[str], width: float = WIDTH) -> float:
    """How wide the column of names is, in a drawing of this width."""
    return min(
        NAMES_WIDTH, _NAMES_SHARE * width, max((text_width(name, SIZE) for name in names), default=0.0)
    )


def row_height(lines: int) -> float:
    """Height of a row whose name has so many lines."""
    return lines * _LINE_HEIGHT + _ROW_MARGIN


def name_lines(name: str, width: float) -> list[str]:
    """A name in one line or two."""
    return wrap(name, width, SIZE)


def row_name(lines: Sequence[str], name: str, middle: float, width: float) -> Markup:
    """A name right-aligned before the plot; whole for who points at it, where it was cut."""
    hover = "" if " ".join(lines) == name else name
    first = middle - (len(lines) - 1) * _LINE_HEIGHT / 2 + SIZE / 3
    return Markup("").join(
        text(width, first + i * _LINE_HEIGHT, content, anchor="end", hover=hover)
        for i, content in enumerate(lines)
    )


def tick_steps(start: float, end: float) -> int:
    """About how many steps an axis has room for."""
    return max(2, min(5, int((end - start) / _TICK_ROOM)))


def grid(axis: Axis, top: float, bottom: float, label: str, width: float = WIDTH) -> list[Markup]:
    """Lines and numbers of a horizontal axis, and below them what is counted."""
    parts = []
    for tick in axis.ticks():
        x = axis.at(tick)
        parts.append(line(x, top, x, bottom, paint("chart-grid")))
        parts.append(
            text(
                x, bottom + 14, axis.tick_label(tick), anchor="middle", size=SMALL, fill=paint("chart-muted")
            )
        )
    middle = (axis.start + axis.end) / 2
    # Centred below the plot, but never beyond the drawing.
    half = text_width(label, SMALL) / 2
    place = min(max(middle, half), width - half)
    shown = shorten(label, width, SMALL)
    return [*parts, text(place, bottom + 31, shown, anchor="middle", size=SMALL, fill=paint("chart-muted"))]
