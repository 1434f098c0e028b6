"""How the factor matrix looks: names, units, the colour of each cell, and what a cell leads to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from daydreaming.charts.heat import fair_range, heat_cell, heat_legend
from daydreaming.charts.labels import fixed
from daydreaming.charts.widths import both_widths
from daydreaming.pipeline.matrix import Axis, Level, Matrix, MatrixCell, Measure, Unit
from daydreaming.ui import formats

AXIS_NAMES: Final[Mapping[Axis, str]] = {
    "combination": "Combinations",
    "concept": "Concepts",
    "generation_template": "Generation templates",
    "generation_model": "Generators",
    "generation_replicate": "Replicates",
    "evaluation_template": "Rubrics",
    "evaluation_model": "Judges",
}
MEASURE_NAMES: Final[Mapping[Measure, str]] = {"mean": "Mean score", "count": "Scores", "cost": "Cost"}
_PERCENT: Final = 100
_SHOWN: Final[Mapping[Unit, Callable[[float | None], str]]] = {
    "points": fixed,
    "share": formats.percent,
    "scores": lambda value: formats.count(None if value is None else round(value)),
    "usd": formats.usd,
}


@dataclass(frozen=True)
class MatrixQuery:
    """What is asked of the matrix."""

    rows: Axis
    columns: Axis
    value: Measure

    @property
    def given(self) -> dict[str, str]:
        """As parameters of an address."""
        return {"rows": self.rows, "columns": self.columns, "value": self.value}

    @property
    def swapped(self) -> dict[str, str]:
        """The same with rows for columns."""
        return {"rows": self.columns, "columns": self.rows, "value": self.value}


@dataclass(frozen=True)
class MatrixView:
    """How a matrix looks.

    Attributes:
        unit: What its values are, in words.
        scale: What scores are on, in words; '' where the values are no scores.
        legend: What its colours mean; None where there is nothing to colour.
        low: Value of the lowest colour.
        high: Value of the highest.
    """

    matrix: Matrix
    unit: str
    legend: Markup | None
    low: float
    high: float
    scale: str = ""

    def text(self, cell: MatrixCell | None) -> str:
        """A cell's value."""
        return _SHOWN[self.matrix.unit](cell.value if cell else None)

    def style(self, cell: MatrixCell | None) -> str:
        """A cell's class."""
        return heat_cell(cell.value if cell else None, self.low, self.high)

    def behind(self, cell: MatrixCell | None) -> str:
        """What a cell is made of."""
        n = cell.n if cell else 0
        noun = "attempt" if self.matrix.unit == "usd" else "score"
        return f"{n:,} {noun}{'' if n == 1 else 's'}"

    def filters(self, row: Level | None, column: Level | None) -> dict[str, str]:
        """Parameters of the list of essays that a cell is about; None for a sum over all levels."""
        given = {self.matrix.rows_by: row, self.matrix.columns_by: column}
        return {str(axis): level.key for axis, level in given.items() if level is not None}


def view_of(matrix: Matrix) -> MatrixView:
    """Colours from the lowest to the highest value that is shown, and over a fair part of the scale."""
    values, unit = matrix.values, _unit(matrix)
    if not values:
        return MatrixView(matrix, unit, None, 0.0, 0.0, _scale(matrix))
    low, high = min(values), max(values)
    ends = (0.0, 1.0) if matrix.unit == "share" else matrix.scale
    if ends:
        low, high = fair_range(values, *ends)
    times = _PERCENT if matrix.unit == "share" else 1
    legend_unit = "% of the range" if matrix.unit == "share" else unit
    legend = both_widths(heat_legend, low * times, high * times, unit=legend_unit)
    return MatrixView(matrix, unit, legend, low, high, _scale(matrix))


def _scale(matrix: Matrix) -> str:
    if matrix.unit == "share":
        return "in per cent of each rubric's own range"
    if matrix.unit == "points" and matrix.scale:
        low, high = (formats.score(end) for end in matrix.scale)
        return f"on {low}–{high}, the rubrics' own scale"
    return ""


def _unit(matrix: Matrix) -> str:
    if matrix.unit == "points" and matrix.scale:
        low, high = (formats.score(end) for end in matrix.scale)
        return f"points, {low} to {high}"
    names = {"points": "points", "share": "share of the rubric's range", "scores": "scores"}
    return names.get(matrix.unit, "US dollars")
