"""What the verdicts on each essay come to, in SQL: the mean of all, and how far its judges are apart.

Scores are shares of their rubric's range here, from 0 to 1, so that those of all rubrics can be compared.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from daydreaming.store.own_readings import own_column, with_own_readings

if TYPE_CHECKING:
    from sqlalchemy import Subquery

#: Shares that differ by less are equal: their digits past it are what sums of binary numbers leave.
PRECISION = 1e-9


def score_share() -> Any:
    """The score of a verdict as a share of its rubric's range; NULL without one.

    As the experiment of the query reads it: for queries of ``counted_verdicts``.
    """
    low, high = own_column("score_min"), own_column("score_max")
    return (own_column("score") - low) / (high - low)


def verdict_sums(
    experiment_id: str, evaluation_template: str | None, evaluation_model: str | None
) -> Subquery:
    """Sums over the verdicts that serve an experiment; over those of a rubric or a judge where one is named.

    Returns:
        One row per essay that has any: ``generation_task_id``; ``verdicts``, scored or not, and ``unscored``
        of them; ``mean`` of all scores, NULL without one; ``variance`` (n − 1) over judges of each one's
        mean, NULL below two judges with a score.
    """
    from sqlalchemy import Integer, case, cast, func, select

    from daydreaming.store.schema import EvaluationResponse as Evaluation

    share = score_share()
    by_judge = select(
        Evaluation.generation_task_id,
        func.count().label("verdicts"),
        func.count(share).label("scored"),
        func.sum(share).label("total"),
        func.avg(share).label("mean"),
    ).group_by(Evaluation.generation_task_id, Evaluation.evaluation_model)
    judge = counted_verdicts(by_judge, experiment_id, evaluation_template, evaluation_model).subquery("judge")
    # PostgreSQL adds up counts as Decimal.
    verdicts, scored = (cast(func.sum(judge.c[name]), Integer) for name in ("verdicts", "scored"))
    judges, total = func.count(judge.c.mean), func.sum(judge.c.mean)
    variance = case(
        (judges < 2, None),
        (func.max(judge.c.mean) - func.min(judge.c.mean) < PRECISION, 0.0),
        else_=(func.sum(judge.c.mean * judge.c.mean) - total * total / judges) / (judges - 1),
    )
    return (
        select(
            judge.c.generation_task_id,
            verdicts.label("verdicts"),
            (verdicts - scored).label("unscored"),
            (func.sum(judge.c.total) / func.nullif(scored, 0)).label("mean"),
            variance.label("variance"),
        )
        .group_by(judge.c.generation_task_id)
        .subquery("verdict")
    )


def counted_verdicts(
    query: Any, experiment_id: str, evaluation_template: str | None, evaluation_model: str | None
) -> Any:
    """Of the evaluations that a query reads, those that serve the experiment, by one rubric or judge.

    Their readings of this experiment are joined: ``own_column`` has what it makes of each.
    """
    from sqlalchemy import and_

    from daydreaming.store.schema import EvaluationResponse as Evaluation
    from daydreaming.store.schema import Membership

    serves = and_(Membership.stage == "evaluation", Membership.cell_id == Evaluation.evaluation_task_id)
    query = with_own_readings(query.join(Membership, serves), experiment_id)
    query = query.where(Membership.experiment_id == experiment_id)
    if evaluation_template:
        query = query.where(Evaluation.evaluation_template == evaluation_template)
    if evaluation_model:
        query = query.where(Evaluation.evaluation_model == evaluation_model)
    return query


def root(variance: float | None) -> float | None:
    """Its square root; None of None."""
    # The sums may end a hair below zero.
    return None if variance is None else math.sqrt(max(variance, 0.0))
