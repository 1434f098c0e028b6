"""Cells of an HTML table as a heat map: a class for each value, and what the colours mean."""

from __future__ import annotations

from typing import Final

from markupsafe import Markup

from daydreaming.charts.colours import HEAT_STEPS, paint
from daydreaming.charts.labels import number
from daydreaming.charts.rows import is_number
from daydreaming.charts.svg import SMALL, figure, rect, text

NO_VALUE: Final = "heat-none"
"""Class of a cell without a value."""
_SWATCH = 30.0
_HEIGHT = 14.0


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


def heat_legend(low: float, high: float, *, unit: str) -> Markup:
    """The colours from the lowest to the highest with the values that they begin and end with."""
    swatches = [rect(i * _SWATCH, 0, _SWATCH, _HEIGHT, paint(f"heat-{i}")) for i in range(HEAT_STEPS)]
    right = HEAT_STEPS * _SWATCH
    below = _HEIGHT + SMALL + 4
    parts = [
        *swatches,
        text(0, below, number(low), size=SMALL),
        text(right, below, number(high), size=SMALL, anchor="end"),
        text(right + 12, _HEIGHT - 3, unit, size=SMALL, fill=paint("chart-muted")),
    ]
    told = f"From {number(low)} (lowest) to {number(high)} (highest) {unit}."
    return figure(below + 6, "Colours of the heat map", told, parts)
