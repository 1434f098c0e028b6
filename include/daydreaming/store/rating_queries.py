"""What can be rated and what was: each page of rating asks.

A rating of another response than its generation has now is of another essay, and is nowhere here.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from daydreaming.store.id_chunks import id_chunks
from daydreaming.store.own_readings import own_column, with_own_readings
from daydreaming.store.ratings import RatingRecord
from daydreaming.store.verdict_sums import root, verdict_sums

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

_SCALE = 10.0
_DECIMALS = 9


def list_rubrics(engine: Engine, experiment_id: str) -> list[str]:
    """Evaluation templates that the runs of an experiment planned, by name."""
    from sqlalchemy import select

    from daydreaming.store.schema import PlannedCall

    query = select(PlannedCall.evaluation_template).distinct().where(*_planned(experiment_id))
    with engine.connect() as connection:
        return sorted(str(rubric) for rubric in connection.scalars(query))


def ratable_essays(engine: Engine, experiment_id: str, rubric: str, only: str | None = None) -> set[str]:
    """IDs of the essays that an experiment has and is to judge by a rubric.

    Args:
        engine: The results database.
        experiment_id: The experiment.
        rubric: Evaluation template.
        only: Look for this one alone.
    """
    from sqlalchemy import and_, select

    from daydreaming.store.schema import GenerationResponse, Membership, PlannedCall

    planned = (
        select(PlannedCall.generation_task_id)
        .distinct()
        .where(*_planned(experiment_id), PlannedCall.evaluation_template == rubric)
    )
    there = (
        select(Membership.cell_id)
        .join(
            GenerationResponse,
            and_(
                GenerationResponse.generation_task_id == Membership.cell_id,
                GenerationResponse.essay_error.is_(None),
            ),
        )
        .where(Membership.experiment_id == experiment_id, Membership.stage == "generation")
    )
    if only is not None:
        planned = planned.where(PlannedCall.generation_task_id == only)
        there = there.where(Membership.cell_id == only)
    with engine.connect() as connection:
        # Two queries: joined, a database without statistics goes through the plan for each essay.
        return set(connection.scalars(planned)) & set(connection.scalars(there))


def judges_sd(engine: Engine, experiment_id: str, rubric: str) -> dict[str, float]:
    """How far judges differ on an essay, by generation ID; without essays that fewer than two have scored.

    Returns:
        Standard deviations over judges of each one's mean (n − 1), in points on 0–10.
    """
    from sqlalchemy import select

    verdict = verdict_sums(experiment_id, rubric, None)
    query = select(verdict.c.generation_task_id, verdict.c.variance).where(verdict.c.variance.is_not(None))
    with engine.connect() as connection:
        # Rounded, so that the noise of binary sums breaks no tie.
        return {
            essay: round(_SCALE * (root(variance) or 0.0), _DECIMALS)
            for essay, variance in connection.execute(query)
        }


def planned_run_of(engine: Engine, experiment_id: str, rubric: str, generation_task_id: str) -> str | None:
    """The run that planned to judge an essay by a rubric last; None where none did."""
    from sqlalchemy import select

    from daydreaming.store.schema import PlannedCall, Run

    query = (
        select(Run.run_id)
        .join(PlannedCall, PlannedCall.run_id == Run.run_id)
        .where(
            Run.experiment_id == experiment_id,
            PlannedCall.stage == "evaluation",
            PlannedCall.evaluation_template == rubric,
            PlannedCall.generation_task_id == generation_task_id,
        )
        .order_by(Run.created_at.desc(), Run.run_id.desc())
        .limit(1)
    )
    with engine.connect() as connection:
        return connection.scalar(query)


def row_sha256(engine: Engine, generation_task_id: str) -> str | None:
    """Of the response that the row of a generation is made of; None where there is no row."""
    from sqlalchemy import select

    from daydreaming.store.schema import GenerationResponse

    query = select(GenerationResponse.response_sha256).where(
        GenerationResponse.generation_task_id == generation_task_id
    )
    with engine.connect() as connection:
        return connection.scalar(query)


def read_rating(engine: Engine, rating_id: str) -> RatingRecord | None:
    """One rating; None where there is none of this ID."""
    from sqlalchemy import select

    from daydreaming.store.schema import Rating

    columns = [getattr(Rating, name) for name in RatingRecord.__dataclass_fields__]
    with engine.connect() as connection:
        row = connection.execute(select(*columns).where(Rating.rating_id == rating_id)).one_or_none()
    return RatingRecord(*row) if row else None


def latest_rating(engine: Engine, generation_task_id: str, rubric: str, rater: str) -> RatingRecord | None:
    """What a person said last of an essay as it is now; None where nothing."""
    from sqlalchemy import select

    from daydreaming.store.schema import GenerationResponse, Rating

    columns = [getattr(Rating, name) for name in RatingRecord.__dataclass_fields__]
    query = (
        select(*columns)
        .join(GenerationResponse, GenerationResponse.generation_task_id == Rating.generation_task_id)
        .where(
            Rating.generation_task_id == generation_task_id,
            Rating.evaluation_template == rubric,
            Rating.rater == rater,
            _is_of(GenerationResponse),
        )
        .order_by(Rating.rated_at.desc(), Rating.rating_id.desc())
        .limit(1)
    )
    with engine.connect() as connection:
        row = connection.execute(query).one_or_none()
    return RatingRecord(*row) if row else None


def ratings_of_experiment(engine: Engine, experiment_id: str) -> list[RatingRecord]:
    """Ratings of the essays that an experiment has now, on the rubrics that judge them, oldest first.

    Of several by one person all are there.
    """
    from sqlalchemy import and_, select

    from daydreaming.store.schema import GenerationResponse, Membership, Rating

    columns = [getattr(Rating, name) for name in RatingRecord.__dataclass_fields__]
    query = (
        select(*columns)
        .join(GenerationResponse, GenerationResponse.generation_task_id == Rating.generation_task_id)
        .join(
            Membership,
            and_(Membership.stage == "generation", Membership.cell_id == Rating.generation_task_id),
        )
        .where(
            Membership.experiment_id == experiment_id,
            GenerationResponse.essay_error.is_(None),
            _is_of(GenerationResponse),
        )
        .order_by(Rating.rated_at, Rating.rating_id)
    )
    with engine.connect() as connection:
        found = [RatingRecord(*row) for row in connection.execute(query)]
        # Asked for apart: joined, a database without statistics looks through the plan for each rating.
        planned = _planned_pairs(connection, experiment_id, {r.generation_task_id for r in found})
    return [r for r in found if (r.generation_task_id, r.evaluation_template) in planned]


def verdicts_on_rated(engine: Engine, experiment_id: str) -> list[dict[str, Any]]:
    """Planned evaluations of essays that people rated, each with its score; None where it has none.

    A verdict that does not serve the experiment, such as one that it refuses as stale, is no score.

    Returns:
        Rows of ``generation_task_id, evaluation_template, evaluation_model, score, score_min, score_max``.
    """
    from sqlalchemy import and_, select

    from daydreaming.store.schema import EvaluationResponse as Evaluation
    from daydreaming.store.schema import Membership, PlannedCall, Rating

    rated = select(Rating.generation_task_id)
    columns = (
        PlannedCall.cell_id,
        PlannedCall.generation_task_id,
        PlannedCall.evaluation_template,
        PlannedCall.evaluation_model,
    )
    planned = (
        select(*columns)
        .distinct()
        .where(*_planned(experiment_id), PlannedCall.generation_task_id.in_(rated))
        .subquery()
    )
    serves = and_(
        Membership.experiment_id == experiment_id,
        Membership.stage == "evaluation",
        Membership.cell_id == planned.c.cell_id,
    )
    query = (
        select(
            planned.c.generation_task_id,
            planned.c.evaluation_template,
            planned.c.evaluation_model,
            *(own_column(name).label(name) for name in ("score", "score_min", "score_max")),
        )
        .outerjoin_from(planned, Membership, serves)
        .outerjoin(Evaluation, Evaluation.evaluation_task_id == Membership.cell_id)
        .order_by(planned.c.cell_id)
    )
    query = with_own_readings(query, experiment_id)
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]


def _planned(experiment_id: str) -> tuple[Any, ...]:
    """What holds of the evaluations that an experiment's runs planned."""
    from sqlalchemy import select

    from daydreaming.store.schema import PlannedCall, Run

    mine = select(Run.run_id).where(Run.experiment_id == experiment_id)
    return PlannedCall.run_id.in_(mine), PlannedCall.stage == "evaluation"


def _planned_pairs(
    connection: Connection, experiment_id: str, essays: Collection[str]
) -> set[tuple[str, str]]:
    """Of some essays: by which rubrics an experiment is to judge them."""
    from sqlalchemy import select

    from daydreaming.store.schema import PlannedCall

    found = set[tuple[str, str]]()
    for chunk in id_chunks(sorted(essays)):
        query = (
            select(PlannedCall.generation_task_id, PlannedCall.evaluation_template)
            .distinct()
            .where(
                *_planned(experiment_id),
                PlannedCall.generation_task_id.in_(chunk),
            )
        )
        found |= {(essay, str(rubric)) for essay, rubric in connection.execute(query)}
    return found


def _is_of(generation: Any) -> Any:
    """Whether a rating is of the answer that is there now.

    One of an earlier release does not say which it is of: its time decides, and of an answer without a
    record nobody can tell.
    """
    from sqlalchemy import and_, or_

    from daydreaming.store.schema import Rating

    # An answer without a record has the time of its file as its end, which a copy of the file changes.
    is_later = or_(generation.started_at.is_(None), Rating.rated_at >= generation.ended_at)
    return or_(
        Rating.response_sha256 == generation.response_sha256,
        and_(Rating.response_sha256.is_(None), is_later),
    )
