"""Answers that were given and could not be read: no essay in them, or no score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from daydreaming.inputs.records import Stage
from daydreaming.store.own_readings import own_column, with_own_readings

if TYPE_CHECKING:
    from sqlalchemy import CompoundSelect, Engine


@dataclass(frozen=True)
class UnreadAnswer:
    """One answer.

    Attributes:
        generation_task_id: The essay that it is, or judges.
        parser: That found nothing.
        error: What it says.
    """

    stage: Stage
    cell_id: str
    generation_task_id: str
    model: str
    template: str
    parser: str
    error: str


def read_unread(engine: Engine, experiment_id: str, *, limit: int, offset: int = 0) -> list[UnreadAnswer]:
    """Unread answers that serve an experiment: essays first, each by ID."""
    answers = _unread(experiment_id)
    columns = answers.selected_columns
    ordered = answers.order_by(columns.stage.desc(), columns.cell_id).limit(limit).offset(offset)
    with engine.connect() as connection:
        return [UnreadAnswer(*row) for row in connection.execute(ordered)]


def count_unread(engine: Engine, experiment_id: str) -> dict[Stage, int]:
    """How many there are, by stage."""
    from sqlalchemy import func, select

    answers = _unread(experiment_id).subquery()
    query = select(answers.c.stage, func.count()).group_by(answers.c.stage)
    with engine.connect() as connection:
        found = {stage: int(count) for stage, count in connection.execute(query)}
    return {"generation": found.get("generation", 0), "evaluation": found.get("evaluation", 0)}


def _unread(experiment_id: str) -> CompoundSelect[Any]:
    from sqlalchemy import literal, select, union_all

    from daydreaming.store.schema import EvaluationResponse as Evaluation
    from daydreaming.store.schema import GenerationResponse as Generation
    from daydreaming.store.schema import Membership

    members = select(Membership.cell_id).where(Membership.experiment_id == experiment_id)
    essays = select(
        literal("generation").label("stage"),
        Generation.generation_task_id.label("cell_id"),
        Generation.generation_task_id.label("generation_task_id"),
        Generation.generation_model.label("model"),
        Generation.generation_template.label("template"),
        Generation.parser,
        Generation.essay_error.label("error"),
    ).where(
        Generation.essay_error.is_not(None),
        Generation.generation_task_id.in_(members.where(Membership.stage == "generation")),
    )
    error = own_column("score_error")
    verdicts = with_own_readings(
        select(
            literal("evaluation"),
            Evaluation.evaluation_task_id,
            Evaluation.generation_task_id,
            Evaluation.evaluation_model,
            Evaluation.evaluation_template,
            own_column("parser"),
            error,
        ).select_from(Evaluation),
        experiment_id,
    ).where(
        error.is_not(None),
        Evaluation.evaluation_task_id.in_(members.where(Membership.stage == "evaluation")),
    )
    return union_all(essays, verdicts)
