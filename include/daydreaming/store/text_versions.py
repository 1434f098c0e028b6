"""Which texts an experiment has, and digests that tell when one of them has changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from daydreaming.inputs.records import Stage

if TYPE_CHECKING:
    from sqlalchemy import Engine


def read_stamp(engine: Engine, experiment_id: str) -> str:
    """A text that changes when an answer comes, goes, changes its length, or is read by another parser."""
    from sqlalchemy import and_, func, select

    from daydreaming.store.results import response_key, response_model
    from daydreaming.store.schema import GenerationResponse, Membership

    stages: tuple[Stage, ...] = ("generation", "evaluation")
    found: list[object] = []
    with engine.connect() as connection:
        for stage in stages:
            table = response_model(stage)
            figures = [func.count(), func.max(table.ended_at), func.sum(table.response_size_bytes)]
            if stage == "generation":
                parser = GenerationResponse.parser
                figures += [func.count(table.essay_error), func.min(parser), func.max(parser)]
            serves = and_(Membership.stage == stage, Membership.cell_id == response_key(stage))
            query = select(*figures).select_from(Membership).join(table, serves)
            found += connection.execute(query.where(Membership.experiment_id == experiment_id)).one()
    return " ".join(map(str, found))


@dataclass(frozen=True)
class AnswerVersion:
    """A generator's answer; its essay changes with the answer and with the parser."""

    generation_task_id: str
    response_sha256: str
    parser: str
    has_essay: bool


def read_answer_versions(engine: Engine, experiment_id: str) -> list[AnswerVersion]:
    """Every generator's answer that serves an experiment, by ID."""
    from sqlalchemy import and_, select

    from daydreaming.store.schema import GenerationResponse as Generation
    from daydreaming.store.schema import Membership

    key = Generation.generation_task_id
    columns = (key, Generation.response_sha256, Generation.parser, Generation.essay_error.is_(None))
    serves = and_(Membership.stage == "generation", Membership.cell_id == key)
    query = select(*columns).join(Membership, serves).where(Membership.experiment_id == experiment_id)
    with engine.connect() as connection:
        return [AnswerVersion(*row) for row in connection.execute(query.order_by(key))]


def read_verdict_versions(engine: Engine, experiment_id: str) -> list[tuple[str, str]]:
    """Every verdict that serves an experiment, by ID: with its digest."""
    from sqlalchemy import and_, select

    from daydreaming.store.schema import EvaluationResponse as Evaluation
    from daydreaming.store.schema import Membership

    key = Evaluation.evaluation_task_id
    serves = and_(Membership.stage == "evaluation", Membership.cell_id == key)
    query = select(key, Evaluation.response_sha256).join(Membership, serves)
    with engine.connect() as connection:
        rows = connection.execute(query.where(Membership.experiment_id == experiment_id).order_by(key))
        return [(cell_id, digest) for cell_id, digest in rows]


def read_prompt_versions(engine: Engine, experiment_id: str, stage: Stage) -> list[tuple[str, str]]:
    """One cell for each different prompt that an experiment's answers were given to, with its digest.

    Replicates, and models that were asked the same, share a prompt.
    """
    from sqlalchemy import and_, func, select

    from daydreaming.store.results import response_key, response_model
    from daydreaming.store.schema import Membership

    table, key = response_model(stage), response_key(stage)
    serves = and_(Membership.stage == stage, Membership.cell_id == key)
    first = func.min(key)
    query = (
        select(first, table.prompt_sha256)
        .join(Membership, serves)
        .where(Membership.experiment_id == experiment_id, table.prompt_sha256.is_not(None))
        .group_by(table.prompt_sha256)
        .order_by(first)
    )
    with engine.connect() as connection:
        return [(cell_id, digest) for cell_id, digest in connection.execute(query)]
