"""Evaluations of the results database by what they are: experiment, templates, models, date, score."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from daydreaming.inputs.records import Stage
from daydreaming.store.own_readings import READ_COLUMNS, own_column, with_own_readings

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Engine, Select


@dataclass(frozen=True)
class EvaluationFilter:
    """Which evaluations are asked for; what is empty or None leaves none out.

    Attributes:
        experiments: Experiments that the evaluation serves, whichever of them paid for it: any of these.
        generation_templates: Any of these; likewise the four that follow.
        since: First day (UTC) on which the verdict may have come.
        until: Last such day.
        min_score: Lowest score, on the template's own scale; leaves unscored evaluations out.
        max_score: Highest score, likewise.
    """

    experiments: tuple[str, ...] = ()
    generation_templates: tuple[str, ...] = ()
    evaluation_templates: tuple[str, ...] = ()
    generation_models: tuple[str, ...] = ()
    evaluation_models: tuple[str, ...] = ()
    parsers: tuple[str, ...] = ()
    since: date | None = None
    until: date | None = None
    min_score: float | None = None
    max_score: float | None = None


ALL_EVALUATIONS = EvaluationFilter()
#: Column of ``evaluations`` by the field of the filter that lists values of it.
CHOICE_COLUMNS: Mapping[str, str] = {
    "generation_templates": "generation_template",
    "evaluation_templates": "evaluation_template",
    "generation_models": "generation_model",
    "evaluation_models": "evaluation_model",
    "parsers": "parser",
}


def is_of_one(wanted: EvaluationFilter) -> bool:
    """Whether one experiment alone is asked for: then its own readings of the verdicts count."""
    return len(set(wanted.experiments)) == 1


def read_evaluations(engine: Engine, wanted: EvaluationFilter) -> list[dict[str, Any]]:
    """Rows of ``evaluations`` by ID.

    Where one experiment alone is asked for, each is read as that experiment reads it; else as its row says:
    by the newest run that planned it.

    Each row has two values more, of the essay that was judged: ``generation_replicate`` and
    ``generation_ended_at``; None where the generation has no row.
    """
    from sqlalchemy import select

    from daydreaming.store.schema import EvaluationResponse, GenerationResponse

    evaluations, generations = EvaluationResponse.__table__, GenerationResponse.__table__
    query = (
        select(
            *(c for c in evaluations.c if c.name not in READ_COLUMNS),
            *(_read_column(wanted, name).label(name) for name in READ_COLUMNS),
            generations.c.replicate.label("generation_replicate"),
            generations.c.ended_at.label("generation_ended_at"),
        )
        .outerjoin(generations, generations.c.generation_task_id == evaluations.c.generation_task_id)
        .where(*_conditions(wanted))
        .order_by(evaluations.c.evaluation_task_id)
    )
    if is_of_one(wanted):
        query = with_own_readings(query, wanted.experiments[0])
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]


def experiments_by_cell(engine: Engine, stage: Stage) -> dict[str, list[str]]:
    """By cell ID: the experiments, sorted, that its response serves."""
    from sqlalchemy import select

    from daydreaming.store.schema import Membership

    query = (
        select(Membership.cell_id, Membership.experiment_id)
        .where(Membership.stage == stage)
        .order_by(Membership.experiment_id)
    )
    found: dict[str, list[str]] = {}
    with engine.connect() as connection:
        for cell_id, experiment_id in connection.execute(query):
            found.setdefault(cell_id, []).append(experiment_id)
    return found


def known_values(engine: Engine, field: str) -> list[str]:
    """What a filter's field may name: values of stored evaluations, or experiments that were run."""
    from sqlalchemy import select, union

    from daydreaming.store.schema import EvaluationResponse, Membership, OwnReading, Run

    if field == "experiments":
        query: Select[Any] = select(
            union(
                select(Run.experiment_id),
                select(Membership.experiment_id),
                select(EvaluationResponse.experiment_id),
            ).subquery()
        )
    elif field == "parsers":
        query = select(union(select(EvaluationResponse.parser), select(OwnReading.parser)).subquery())
    else:
        query = select(getattr(EvaluationResponse, CHOICE_COLUMNS[field])).distinct()
    with engine.connect() as connection:
        return sorted(connection.scalars(query))


def _conditions(wanted: EvaluationFilter) -> list[ColumnElement[bool]]:
    from daydreaming.store.schema import EvaluationResponse

    table = EvaluationResponse
    found = [
        _read_column(wanted, column).in_(getattr(wanted, field))
        for field, column in CHOICE_COLUMNS.items()
        if getattr(wanted, field)
    ]
    if wanted.experiments:
        found.append(_serves(wanted.experiments))
    if wanted.since:
        found.append(table.ended_at >= _midnight(wanted.since))
    # After the last day that there is comes nothing, and no date.
    if wanted.until and wanted.until < date.max:
        found.append(table.ended_at < _midnight(wanted.until) + timedelta(days=1))
    if wanted.min_score is not None:
        found.append(_read_column(wanted, "score") >= wanted.min_score)
    if wanted.max_score is not None:
        found.append(_read_column(wanted, "score") <= wanted.max_score)
    return found


def _read_column(wanted: EvaluationFilter, name: str) -> Any:
    from daydreaming.store.schema import EvaluationResponse

    is_read = name in READ_COLUMNS and is_of_one(wanted)
    return own_column(name) if is_read else getattr(EvaluationResponse, name)


def _serves(experiments: tuple[str, ...]) -> ColumnElement[bool]:
    from sqlalchemy import and_, or_, select

    from daydreaming.store.schema import EvaluationResponse, Membership

    members = select(Membership.cell_id).where(Membership.stage == "evaluation")
    mine = members.where(Membership.experiment_id.in_(experiments))
    key = EvaluationResponse.evaluation_task_id
    # Rows of a database that is older than memberships serve whoever called for them.
    called = and_(EvaluationResponse.experiment_id.in_(experiments), key.not_in(members))
    return or_(key.in_(mine), called)


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
