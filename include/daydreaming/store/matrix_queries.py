"""Scores and money of an experiment by two factors, added up by the database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from daydreaming.store.own_readings import own_column
from daydreaming.store.verdict_sums import counted_verdicts, score_share

if TYPE_CHECKING:
    from sqlalchemy import Engine

#: What an essay or a verdict is told apart by; ``combination`` by its ``combo_id``.
Factor = Literal[
    "combination",
    "generation_template",
    "generation_model",
    "generation_replicate",
    "evaluation_template",
    "evaluation_model",
]
FACTORS: Final[tuple[Factor, ...]] = (
    "combination",
    "generation_template",
    "generation_model",
    "generation_replicate",
    "evaluation_template",
    "evaluation_model",
)
#: Factors of a verdict: an essay has no level of them.
EVALUATION_FACTORS: Final[frozenset[str]] = frozenset({"evaluation_template", "evaluation_model"})
_PLAN_COLUMNS: Final[Mapping[str, str]] = {"combination": "combo_id"}


@dataclass(frozen=True)
class ScoreSum:
    """Scores of one level of a factor together with one of another.

    Attributes:
        scores: How many.
        points: Their sum on the rubrics' own scales.
        shares: Their sum as shares of the rubrics' ranges.
        scales: Lowest and highest lower end, lowest and highest upper end of these ranges.
    """

    row: str
    column: str
    scores: int
    points: float
    shares: float
    scales: tuple[float, float, float, float]


@dataclass(frozen=True)
class CostSum:
    """Money that an experiment spent on the calls of two levels.

    Attributes:
        attempts: That were sent.
        spent_nanousd: Billionths of a US dollar.
        unpriced: Attempts that may have cost something that nobody knows.
    """

    row: str
    column: str
    attempts: int
    spent_nanousd: int
    unpriced: int


@dataclass(frozen=True)
class ScoreCount:
    """How many verdicts of a judge gave one score on one scale."""

    judge: str
    score: float
    score_min: float
    score_max: float
    verdicts: int


def score_sums(engine: Engine, experiment_id: str, rows: Factor, columns: Factor) -> list[ScoreSum]:
    """Scores by the levels of two factors; without pairs of levels that have none."""
    from sqlalchemy import func, select

    from daydreaming.store.schema import EvaluationResponse as Evaluation
    from daydreaming.store.schema import GenerationResponse as Generation

    row, column = _response_column(rows), _response_column(columns)
    score, low, high = (own_column(name) for name in ("score", "score_min", "score_max"))
    ends = [f(end) for end in (low, high) for f in (func.min, func.max)]
    query = (
        select(row, column, func.count(), func.sum(score), func.sum(score_share()), *ends)
        .select_from(Evaluation)
        .where(score.is_not(None))
        .group_by(row, column)
    )
    query = counted_verdicts(query, experiment_id, None, None)
    if "generation_replicate" in (rows, columns):
        query = query.join(Generation, Generation.generation_task_id == Evaluation.generation_task_id)
    with engine.connect() as connection:
        return [
            ScoreSum(str(r), str(c), scores, points, shares, (low, low_2, high, high_2))
            for r, c, scores, points, shares, low, low_2, high, high_2 in connection.execute(query)
        ]


def cost_sums(engine: Engine, experiment_id: str, rows: Factor, columns: Factor) -> list[CostSum]:
    """The ledger by the levels of two factors: of both stages, or of verdicts alone where one is theirs."""
    from sqlalchemy import and_, case, func, select

    from daydreaming.store.schema import LLMCall, PlannedCall, Run

    keys = [
        getattr(PlannedCall, _PLAN_COLUMNS.get(factor, factor)).label(side)
        for factor, side in ((rows, "row"), (columns, "column"))
    ]
    cell = (
        select(PlannedCall.stage, PlannedCall.cell_id, *keys)
        .join(Run, Run.run_id == PlannedCall.run_id)
        .where(Run.experiment_id == experiment_id)
        .distinct()
        .subquery()
    )
    unpriced = case((LLMCall.cost_nanousd.is_(None) & (LLMCall.state != "reserved"), 1), else_=0)
    query = (
        select(
            cell.c.row,
            cell.c.column,
            func.count(),
            func.coalesce(func.sum(LLMCall.cost_nanousd), 0),
            func.sum(unpriced),
        )
        .join(cell, and_(cell.c.stage == LLMCall.stage, cell.c.cell_id == LLMCall.cell_id))
        .where(LLMCall.experiment_id == experiment_id, LLMCall.state != "unsent")
        .where(cell.c.row.is_not(None), cell.c.column.is_not(None))
        .group_by(cell.c.row, cell.c.column)
    )
    with engine.connect() as connection:
        # PostgreSQL adds up big whole numbers as Decimal.
        return [CostSum(str(r), str(c), *map(int, sums)) for r, c, *sums in connection.execute(query)]


def planned_levels(engine: Engine, experiment_id: str, factor: Factor) -> list[str]:
    """Levels of a factor that an experiment's runs planned, sorted; replicates by number."""
    from sqlalchemy import select

    from daydreaming.store.schema import PlannedCall, Run

    column = getattr(PlannedCall, _PLAN_COLUMNS.get(factor, factor))
    query = (
        select(column)
        .join(Run, Run.run_id == PlannedCall.run_id)
        .where(Run.experiment_id == experiment_id, column.is_not(None))
        .distinct()
    )
    with engine.connect() as connection:
        return [str(level) for level in sorted(connection.scalars(query))]


def count_scores(engine: Engine, experiment_id: str) -> list[ScoreCount]:
    """How often each judge gave each score, by judge, scale and score."""
    from sqlalchemy import func, select

    from daydreaming.store.schema import EvaluationResponse as Evaluation

    score, low, high = (own_column(name) for name in ("score", "score_min", "score_max"))
    keys = (Evaluation.evaluation_model, score, low, high)
    query = select(*keys, func.count()).where(score.is_not(None)).group_by(*keys)
    mine = counted_verdicts(query, experiment_id, None, None)
    ordered = mine.order_by(Evaluation.evaluation_model, low, high, score)
    with engine.connect() as connection:
        return [
            ScoreCount(judge, score, low, high, verdicts)
            for judge, score, low, high, verdicts in connection.execute(ordered)
            if score is not None
        ]


def _response_column(factor: Factor) -> Any:
    from daydreaming.store.schema import EvaluationResponse, GenerationResponse

    if factor == "generation_replicate":
        return GenerationResponse.replicate
    return getattr(EvaluationResponse, _PLAN_COLUMNS.get(factor, factor))
