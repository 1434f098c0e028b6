"""Cells of an HTML table as a heat map: a class for each value, and what the colours mean."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from markupsafe import Markup

from daydreaming.charts.colours import HEAT_STEPS, paint
from daydreaming.charts.labels import number, text_width
from daydreaming.charts.rows import is_number
from daydreaming.charts.svg import SMALL, WIDTH, figure, rect, text

NO_VALUE: Final = "heat-none"
"""Class of a cell without a value."""
LEAST_SPAN: Final = 0.3
"""Share of the scale that the colours span at least."""
_ROUND_STEPS = 20
_DIGITS = 9
_SWATCH = 30.0
_HEIGHT = 14.0
_GAP = 12.0


def fair_range(values: Sequence[float], low: float, high: float) -> tuple[float, float]:
    """From which to which value the colours go, so that small differences do not look large.

    Args:
        values: That are to be painted, at least one.
        low: Lowest value of their scale.
        high: Highest.

    Returns:
        The lowest and the highest of the values, or, where they are closer than ``LEAST_SPAN`` of the scale,
        about as much of the scale around them, to round ends.
    """
    first, last = min(values), max(values)
    missing = LEAST_SPAN * (high - low) - (last - first)
    if missing <= 0:
        return first, last
    # To round ends: nobody can tell apart what is between.
    step = (high - low) / _ROUND_STEPS
    first = low + step * math.floor(round((first - missing / 2 - low) / step, _DIGITS))
    last = low + step * math.ceil(round((last + missing / 2 - low) / step, _DIGITS))
    return max(first, low), min(last, high)


def heat_cell(value: float | None, low: float, high: float) -> str:
    """The class that paints a cell, to be used with ``heat_css``: ``heat-0`` … ``heat-8``, or ``heat-none``.

    Args:
        value: Of the cell; None or NaN for none.
        low: Value of the lowest colour; what is below gets it too.
        high: Value of the highest colour. Where both are equal, or one is not finite, every value gets
            the colour in the middle.
    """
    if value is None or not is_number(value):
        return NO_VALUE
    if not (is_number(low) and is_number(high)) or low >= high:
        return f"heat-{HEAT_STEPS // 2}"
    share = min(max((value - low) / (high - low), 0.0), 1.0)
    return f"heat-{min(int(share * HEAT_STEPS), HEAT_STEPS - 1)}"


def heat_css() -> str:
    """Rules of the classes; colours are those of the theme that holds (``colours.theme_css``)."""
    steps = "".join(
        f".heat-{i}{{background:{paint(f'heat-{i}')};color:{paint(f'heat-text-{i}')}}}"
        for i in range(HEAT_STEPS)
    )
    # No colour at all would pass for the lowest one.
    hatch = f"repeating-linear-gradient(135deg,transparent 0 5px,{paint('chart-grid')} 5px 6px)"
    return f"{steps}.{NO_VALUE}{{background:{hatch}}}"


def heat_legend(low: float, high: float, *, unit: str, width: float = WIDTH) -> Markup:
    """The colours from the lowest to the highest with the values that they begin and end with."""
    swatch = min(_SWATCH, (width - text_width(unit, SMALL) - _GAP) / HEAT_STEPS)
    swatches = [rect(i * swatch, 0, swatch, _HEIGHT, paint(f"heat-{i}")) for i in range(HEAT_STEPS)]
    right = HEAT_STEPS * swatch
    below = _HEIGHT + SMALL + 4
    parts = [
        *swatches,
        text(0, below, number(low), size=SMALL),
        text(right, below, number(high), size=SMALL, anchor="end"),
        text(right + _GAP, _HEIGHT - 3, unit, size=SMALL, fill=paint("chart-muted")),
    ]
    told = f"From {number(low)} (lowest) to {number(high)} (highest) {unit}."
    return figure(below + 6, "Colours of the heat map", told, parts, width=width)
