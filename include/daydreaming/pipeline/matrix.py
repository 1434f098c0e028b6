"""The factor matrix: mean score, number of scores or money for each pair of levels of two factors."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final, Literal, TypeVar, get_args

from daydreaming.design.combinations import Combination
from daydreaming.llm.price import to_usd
from daydreaming.pipeline.concept_names import combination_labels, names_by_concept
from daydreaming.pipeline.frozen import inputs_of_experiment
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.matrix_queries import (
    EVALUATION_FACTORS,
    Factor,
    ScoreSum,
    cost_sums,
    planned_levels,
    score_sums,
)
from daydreaming.store.plans import combinations_of_experiment

#: A factor, or the concepts that combinations are made of.
Axis = Literal[
    "combination",
    "concept",
    "generation_template",
    "generation_model",
    "generation_replicate",
    "evaluation_template",
    "evaluation_model",
]
Measure = Literal["mean", "count", "cost"]
Unit = Literal["points", "share", "scores", "usd"]
Key = TypeVar("Key")
AXES: Final[tuple[Axis, ...]] = get_args(Axis)
MEASURES: Final[tuple[Measure, ...]] = get_args(Measure)
#: More would be no table to look at.
MOST_ROWS: Final = 60
MOST_COLUMNS: Final = 30


@dataclass(frozen=True)
class Level:
    """One level of a factor.

    Attributes:
        key: What the factor's column holds.
        label: What a person reads; a combination's concepts.
    """

    key: str
    label: str


@dataclass(frozen=True)
class MatrixCell:
    """What is known of two levels together, or of one over all levels of the other.

    Attributes:
        value: In the unit of the matrix; None where there is nothing.
        n: Scores or, of money, attempts behind it.
    """

    value: float | None
    n: int


@dataclass(frozen=True)
class Matrix:
    """Two factors against each other, highest first.

    Attributes:
        rows: Levels of ``rows_by``, at most ``MOST_ROWS`` of ``all_rows``; columns likewise.
        cells: By the keys of row and column; without those that hold nothing.
        row_totals: Over all columns, also those that are not shown, by key; ``column_totals`` likewise.
        scale: The one scale of all points; None in other units.
        unpriced: Attempts whose price nobody knows; they are not in the sums.
        total: Over all rows and columns.
    """

    rows_by: Axis
    columns_by: Axis
    unit: Unit
    rows: Sequence[Level]
    columns: Sequence[Level]
    cells: Mapping[tuple[str, str], MatrixCell]
    row_totals: Mapping[str, MatrixCell]
    column_totals: Mapping[str, MatrixCell]
    all_rows: int
    all_columns: int
    scale: tuple[float, float] | None = None
    unpriced: int = 0
    total: MatrixCell | None = None

    @property
    def values(self) -> list[float]:
        """Of the cells that are shown."""
        rows, columns = {level.key for level in self.rows}, {level.key for level in self.columns}
        return [
            cell.value
            for (row, column), cell in self.cells.items()
            if cell.value is not None and row in rows and column in columns
        ]

    @property
    def is_of_verdicts(self) -> bool:
        """Whether a factor is one that essays have no level of."""
        return bool(EVALUATION_FACTORS & {self.rows_by, self.columns_by})


def matrix(
    settings: Settings, experiment_id: str, rows_by: Axis, columns_by: Axis, measure: Measure
) -> Matrix:
    """Add up an experiment's scores or money by two factors, which must differ."""
    engine = engine_for(settings)
    combinations = combinations_of_experiment(engine, experiment_id)
    row_factor, column_factor = _factor(rows_by), _factor(columns_by)
    found = (
        _of_money(settings, experiment_id, row_factor, column_factor)
        if measure == "cost"
        else _of_scores(score_sums(engine, experiment_id, row_factor, column_factor), measure)
    )
    members = {c.combo_id: c.concept_ids for c in combinations}
    expand_row, expand_column = _expansion(rows_by, members), _expansion(columns_by, members)
    # A concept is in many combinations: sums over concepts would count each of these several times.
    row_sums = _added((r, s) for (row, _), s in found.sums.items() for r in expand_row(row))
    column_sums = _added((c, s) for (_, column), s in found.sums.items() for c in expand_column(column))
    cell_sums = _added(
        ((r, c), s)
        for (row, column), s in found.sums.items()
        for r in expand_row(row)
        for c in expand_column(column)
    )
    row_totals = {key: found.cell(s) for key, s in row_sums.items()}
    column_totals = {key: found.cell(s) for key, s in column_sums.items()}
    names = _concept_names(settings, experiment_id, {rows_by, columns_by})
    rows = _levels(settings, experiment_id, rows_by, combinations, names, row_totals)
    columns = _levels(settings, experiment_id, columns_by, combinations, names, column_totals)
    return Matrix(
        rows_by,
        columns_by,
        found.unit,
        rows[:MOST_ROWS],
        columns[:MOST_COLUMNS],
        {key: found.cell(s) for key, s in cell_sums.items()},
        row_totals,
        column_totals,
        len(rows),
        len(columns),
        found.scale,
        found.unpriced,
        found.cell(_sum(found.sums.values())) if found.sums else None,
    )


@dataclass(frozen=True)
class _Sum:
    """An amount and what it is the sum of."""

    n: int
    amount: float


@dataclass(frozen=True)
class _Found:
    """Sums by row and column, and what they are."""

    sums: Mapping[tuple[str, str], _Sum]
    unit: Unit
    scale: tuple[float, float] | None = None
    unpriced: int = 0

    def cell(self, of: _Sum) -> MatrixCell:
        """A sum as what is shown."""
        is_mean = self.unit in ("points", "share")
        return MatrixCell(of.amount / of.n if is_mean else of.amount, of.n)


def _of_scores(sums: Sequence[ScoreSum], measure: Measure) -> _Found:
    if measure == "count":
        return _Found({(s.row, s.column): _Sum(s.scores, s.scores) for s in sums}, "scores")
    ends = [s.scales for s in sums]
    lows, highs = {x for e in ends for x in e[:2]}, {x for e in ends for x in e[2:]}
    if len(lows) == len(highs) == 1:
        points = {(s.row, s.column): _Sum(s.scores, s.points) for s in sums}
        return _Found(points, "points", (lows.pop(), highs.pop()))
    return _Found({(s.row, s.column): _Sum(s.scores, s.shares) for s in sums}, "share")


def _of_money(settings: Settings, experiment_id: str, rows: Factor, columns: Factor) -> _Found:
    sums = cost_sums(engine_for(settings), experiment_id, rows, columns)
    return _Found(
        {(s.row, s.column): _Sum(s.attempts, to_usd(s.spent_nanousd)) for s in sums},
        "usd",
        unpriced=sum(s.unpriced for s in sums),
    )


def _factor(axis: Axis) -> Factor:
    return "combination" if axis == "concept" else axis


def _expansion(axis: Axis, concepts: Mapping[str, Sequence[str]]) -> Callable[[str], Sequence[str]]:
    return (lambda key: concepts.get(key, ())) if axis == "concept" else lambda key: (key,)


def _added(sums: Iterable[tuple[Key, _Sum]]) -> dict[Key, _Sum]:
    added: dict[Key, _Sum] = {}
    for key, one in sums:
        other = added.get(key, _Sum(0, 0.0))
        added[key] = _Sum(other.n + one.n, other.amount + one.amount)
    return added


def _sum(sums: Iterable[_Sum]) -> _Sum:
    listed = list(sums)
    return _Sum(sum(one.n for one in listed), sum(one.amount for one in listed))


def _levels(
    settings: Settings,
    experiment_id: str,
    axis: Axis,
    combinations: Sequence[Combination],
    names: Mapping[str, str],
    totals: Mapping[str, MatrixCell],
) -> list[Level]:
    """Every planned level: replicates by number, others by what they come to, those without it last."""
    if axis == "concept":
        used = set(chain.from_iterable(c.concept_ids for c in combinations))
        return _ordered((Level(concept, names.get(concept, concept)) for concept in used), totals)
    keys = planned_levels(engine_for(settings), experiment_id, axis)
    if axis == "generation_replicate":
        return [Level(key, key) for key in keys]
    labels = combination_labels(combinations, names) if axis == "combination" else {}
    return _ordered((Level(key, labels.get(key, key)) for key in keys), totals)


def _concept_names(settings: Settings, experiment_id: str, axes: Collection[Axis]) -> dict[str, str]:
    """Names by concept ID; none where no axis needs them."""
    if not {"combination", "concept"} & set(axes):
        return {}
    return names_by_concept(inputs_of_experiment(settings, experiment_id))


def _ordered(levels: Iterable[Level], totals: Mapping[str, MatrixCell]) -> list[Level]:
    def place(level: Level) -> tuple[bool, float, str]:
        total = totals.get(level.key)
        value = total.value if total else None
        return value is None, -(value or 0.0), level.label

    return sorted(levels, key=place)
