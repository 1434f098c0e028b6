"""What all experiments come to, counted by the database: pages ask every few seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Engine

from daydreaming.errors import StaleResponseError
from daydreaming.inputs.records import Stage


@dataclass(frozen=True)
class CellCounts:
    """Planned cells of one experiment and stage.

    Attributes:
        answered: Cells with a stored answer, whether or not the experiment may use it.
        last_at: End of the latest call; None where none was recorded.
    """

    experiment_id: str
    stage: Stage
    planned: int
    answered: int
    last_at: datetime | None


@dataclass(frozen=True)
class MeanScore:
    """Scores of one experiment.

    Attributes:
        scores: How many there are.
        mean: In points; None where rubrics differ in their range.
        mean_share: As a share of each rubric's range, from 0 to 1.
        score_min: Of the one range; None where there are several.
        score_max: Likewise.
    """

    experiment_id: str
    scores: int
    mean: float | None
    mean_share: float
    score_min: float | None
    score_max: float | None


def count_cells(engine: Engine, experiment_id: str | None = None) -> list[CellCounts]:
    """Planned cells by experiment and stage; of one experiment where it is named."""
    from sqlalchemy import and_, case, func, or_, select

    from daydreaming.store.schema import EvaluationResponse, GenerationResponse, PlannedCall, Run

    planned = select(Run.experiment_id, PlannedCall.stage, PlannedCall.cell_id).distinct()
    planned = planned.join(Run, Run.run_id == PlannedCall.run_id)
    if experiment_id is not None:
        planned = planned.where(Run.experiment_id == experiment_id)
    cell = planned.subquery()
    generation, evaluation = GenerationResponse.__table__, EvaluationResponse.__table__
    is_answered = or_(
        generation.c.generation_task_id.is_not(None), evaluation.c.evaluation_task_id.is_not(None)
    )
    query = (
        select(
            cell.c.experiment_id,
            cell.c.stage,
            func.count(),
            func.sum(case((is_answered, 1), else_=0)),
            func.max(func.coalesce(generation.c.ended_at, evaluation.c.ended_at)),
        )
        .outerjoin(
            generation,
            and_(cell.c.stage == "generation", generation.c.generation_task_id == cell.c.cell_id),
        )
        .outerjoin(
            evaluation,
            and_(cell.c.stage == "evaluation", evaluation.c.evaluation_task_id == cell.c.cell_id),
        )
        .group_by(cell.c.experiment_id, cell.c.stage)
    )
    with engine.connect() as connection:
        return [CellCounts(*row) for row in connection.execute(query)]


def experiments_with_stale_answers(engine: Engine) -> set[str]:
    """IDs of experiments in which an answer was refused at some time because it was stale."""
    from sqlalchemy import select

    from daydreaming.store.schema import CellFailure

    query = select(CellFailure.experiment_id).where(CellFailure.error_class == StaleResponseError.__name__)
    with engine.connect() as connection:
        return set(connection.scalars(query.distinct()))


def mean_scores(engine: Engine, experiment_id: str | None = None) -> dict[str, MeanScore]:
    """Scores by experiment; of one experiment where it is named."""
    from sqlalchemy import and_, func, select

    from daydreaming.store.schema import EvaluationResponse as Evaluation
    from daydreaming.store.schema import Membership

    share = (Evaluation.score - Evaluation.score_min) / (Evaluation.score_max - Evaluation.score_min)
    query = (
        select(
            Membership.experiment_id,
            func.count(),
            func.avg(Evaluation.score),
            func.avg(share),
            func.min(Evaluation.score_min),
            func.max(Evaluation.score_min),
            func.min(Evaluation.score_max),
            func.max(Evaluation.score_max),
        )
        .join(
            Evaluation,
            and_(Membership.stage == "evaluation", Membership.cell_id == Evaluation.evaluation_task_id),
        )
        .where(Evaluation.score.is_not(None))
        .group_by(Membership.experiment_id)
    )
    if experiment_id is not None:
        query = query.where(Membership.experiment_id == experiment_id)
    with engine.connect() as connection:
        return {row[0]: _mean(row) for row in connection.execute(query)}


def _mean(row: Sequence[Any]) -> MeanScore:
    experiment_id, count, mean, share, low, other_low, high, other_high = row
    if (low, high) != (other_low, other_high):
        return MeanScore(experiment_id, count, None, share, None, None)
    return MeanScore(experiment_id, count, mean, share, low, high)
