"""What an experiment comes to, counted by the database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine

from daydreaming.inputs.records import Stage
from daydreaming.store.own_readings import own_column
from daydreaming.store.verdict_sums import counted_verdicts, score_share


@dataclass(frozen=True)
class CellCounts:
    """Planned cells of one stage.

    Attributes:
        answered: Cells with a stored answer, whether or not the experiment may use it.
        last_at: End of the latest call; None where none was recorded.
    """

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

    scores: int
    mean: float | None
    mean_share: float
    score_min: float | None
    score_max: float | None


def count_cells(engine: Engine, experiment_id: str) -> list[CellCounts]:
    """Planned cells of an experiment, by stage."""
    from sqlalchemy import and_, case, func, or_, select

    from daydreaming.store.schema import EvaluationResponse, GenerationResponse, PlannedCall, Run

    planned = select(PlannedCall.stage, PlannedCall.cell_id).distinct()
    planned = planned.join(Run, Run.run_id == PlannedCall.run_id)
    cell = planned.where(Run.experiment_id == experiment_id).subquery()
    generation, evaluation = GenerationResponse.__table__, EvaluationResponse.__table__
    is_answered = or_(
        generation.c.generation_task_id.is_not(None), evaluation.c.evaluation_task_id.is_not(None)
    )
    query = (
        select(
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
        .group_by(cell.c.stage)
    )
    with engine.connect() as connection:
        return [CellCounts(*row) for row in connection.execute(query)]


def mean_scores(engine: Engine, experiment_id: str) -> MeanScore | None:
    """The scores of an experiment; None where there is none."""
    from sqlalchemy import func, select

    from daydreaming.store.schema import EvaluationResponse

    score, *ends = (own_column(name) for name in ("score", "score_min", "score_max"))
    query = (
        select(
            func.count(),
            func.avg(score),
            func.avg(score_share()),
            *(f(end) for end in ends for f in (func.min, func.max)),
        )
        .select_from(EvaluationResponse)
        .where(score.is_not(None))
    )
    query = counted_verdicts(query, experiment_id, None, None)
    with engine.connect() as connection:
        count, mean, share, low, other_low, high, other_high = connection.execute(query).one()
    if not count:
        return None
    if (low, high) != (other_low, other_high):
        return MeanScore(count, None, share, None, None)
    return MeanScore(count, mean, share, low, high)
