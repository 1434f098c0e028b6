"""What the ledger and the results say, added up: money by model, stage and day; lengths of answers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from daydreaming.inputs.records import Stage
from daydreaming.store.own_readings import own_column, with_own_readings

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Engine

#: How messages of an answer that ``max_tokens`` cut off begin.
CUT_OFF = "The answer was cut off (finish_reason length)"


@dataclass(frozen=True)
class SpendingRow:
    """Attempts of one experiment, stage, model and day that are in one state.

    Attributes:
        state: See ``schema.LLMCall``.
        unpriced: How many of them may have cost something that nobody knows.
        spent_nanousd: Billionths of a US dollar.
        reserved_nanousd: Worst case of those that are not settled yet, else 0.
    """

    experiment_id: str
    stage: Stage
    model_id: str
    day: str
    state: str
    attempts: int
    unpriced: int
    spent_nanousd: int
    reserved_nanousd: int


@dataclass(frozen=True)
class AnswerLength:
    """Completion tokens of a model's answers so far: their mean, and of how many."""

    mean_tokens: float
    answers: int


def read_spending(engine: Engine, experiment_id: str | None = None) -> list[SpendingRow]:
    """The ledger, added up; of one experiment where it is named. What was never sent is left out."""
    from sqlalchemy import case, func, select

    from daydreaming.store.schema import LLMCall

    keys = (LLMCall.experiment_id, LLMCall.stage, LLMCall.model_id, LLMCall.budget_day, LLMCall.state)
    unpriced = case((LLMCall.cost_nanousd.is_(None) & (LLMCall.state != "reserved"), 1), else_=0)
    reserved = case((LLMCall.state == "reserved", LLMCall.reserved_nanousd), else_=0)
    sums = (
        func.count(),
        *(func.coalesce(func.sum(x), 0) for x in (unpriced, LLMCall.cost_nanousd, reserved)),
    )
    query = select(*keys, *sums).where(LLMCall.state != "unsent", *_of(LLMCall.experiment_id, experiment_id))
    with engine.connect() as connection:
        rows = connection.execute(query.group_by(*keys).order_by(*keys)).all()
    # PostgreSQL adds up big whole numbers as Decimal.
    return [SpendingRow(*row[:5], *map(int, row[5:])) for row in rows]


def count_cut_off(engine: Engine, experiment_id: str | None = None) -> dict[tuple[str, str, str], int]:
    """Attempts that ``max_tokens`` cut off, by experiment, stage and model."""
    from sqlalchemy import func, select

    from daydreaming.store.schema import CellFailure

    keys = (CellFailure.experiment_id, CellFailure.stage, CellFailure.model)
    is_cut_off = CellFailure.message.startswith(CUT_OFF, autoescape=True)
    query = select(*keys, func.count()).where(is_cut_off, *_of(CellFailure.experiment_id, experiment_id))
    with engine.connect() as connection:
        rows = connection.execute(query.group_by(*keys)).all()
    return {(experiment, stage, model): count for experiment, stage, model, count in rows}


def count_scored(engine: Engine, experiment_id: str | None = None) -> dict[str, int]:
    """Verdicts that serve an experiment and have a score as it reads them, by experiment, whoever called."""
    from sqlalchemy import and_, func, select

    from daydreaming.store.schema import EvaluationResponse, Membership

    mine = Membership.experiment_id
    serves = and_(
        Membership.stage == "evaluation", Membership.cell_id == EvaluationResponse.evaluation_task_id
    )
    query = select(mine, func.count()).select_from(Membership).join(EvaluationResponse, serves)
    query = (
        with_own_readings(query, mine)
        .where(own_column("score").is_not(None), *_of(mine, experiment_id))
        .group_by(mine)
    )
    with engine.connect() as connection:
        return {experiment: int(scored) for experiment, scored in connection.execute(query)}


def read_caps(engine: Engine) -> dict[str, int]:
    """Caps that are set, in billionths of a US dollar, by scope."""
    from sqlalchemy import select

    from daydreaming.store.schema import Budget

    query = select(Budget.scope, Budget.cap_nanousd)
    with engine.connect() as connection:
        return {scope: cap for scope, cap in connection.execute(query) if cap is not None}


def answer_lengths(engine: Engine, stage: Stage, model_ids: Iterable[str]) -> dict[str, AnswerLength]:
    """How long answers have been, by model; without those that have none of known length."""
    from sqlalchemy import func, select

    from daydreaming.store.results import response_model

    table = response_model(stage)
    model = table.generation_model if stage == "generation" else table.evaluation_model
    tokens = table.completion_tokens
    query = (
        select(model, func.avg(tokens), func.count())
        .where(tokens.is_not(None), model.in_(set(model_ids)))
        .group_by(model)
    )
    with engine.connect() as connection:
        return {m: AnswerLength(float(mean), count) for m, mean, count in connection.execute(query)}


def _of(column: Any, experiment_id: str | None) -> tuple[ColumnElement[bool], ...]:
    return () if experiment_id is None else (column == experiment_id,)
