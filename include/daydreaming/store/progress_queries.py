"""How far plans are, asked of the database alone: who watches asks every few seconds."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from daydreaming.inputs.records import Stage
from daydreaming.store.plans import RunRecord

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Engine

_STAGES: tuple[Stage, ...] = ("generation", "evaluation")
#: (stage, model ID)
ModelKey = tuple[Stage, str]


@dataclass(frozen=True)
class WatchedRun:
    """A run whose plan is watched.

    Attributes:
        refusal: Why nothing of it may be sent; None where it may.
    """

    record: RunRecord
    created_at: datetime
    refusal: str | None

    @property
    def sends_nothing(self) -> bool:
        """Whether its plan is only looked at, or was refused."""
        return self.refusal is not None or bool(self.record.params.get("dry_run"))


@dataclass(frozen=True)
class Landed:
    """Answers of one stage and model that came lately.

    Attributes:
        answers: How many.
        first_at: When the first of them was sent; None where that is unknown.
    """

    answers: int
    first_at: datetime | None


@dataclass(frozen=True)
class Money:
    """What the attempts of one stage and model cost, in billionths of a US dollar.

    Attributes:
        reserved_nanousd: Worst case of those in flight.
        unpriced: Attempts whose price nobody knows.
    """

    spent_nanousd: int = 0
    reserved_nanousd: int = 0
    unpriced: int = 0


def watched_runs(
    engine: Engine, *, experiment_id: str | None = None, run_id: str | None = None
) -> list[WatchedRun]:
    """The runs of an experiment, or a run with the shards that it planned; oldest first."""
    from sqlalchemy import or_, select

    from daydreaming.store.schema import Run

    columns = [getattr(Run, name) for name in RunRecord.__dataclass_fields__]
    mine = (
        Run.experiment_id == experiment_id
        if run_id is None
        else or_(Run.run_id == run_id, Run.parent_run_id == run_id)
    )
    query = select(*columns, Run.created_at, Run.refusal).where(mine).order_by(Run.created_at, Run.run_id)
    with engine.connect() as connection:
        return [WatchedRun(RunRecord(*row[:-2]), row[-2], row[-1]) for row in connection.execute(query)]


def planned_stages(engine: Engine, run_ids: Collection[str]) -> set[tuple[str, str]]:
    """By run: the stages whose plan is written; each is written at once and then never changes."""
    from sqlalchemy import select

    from daydreaming.store.schema import PlannedCall

    query = select(PlannedCall.run_id, PlannedCall.stage).where(PlannedCall.run_id.in_(run_ids)).distinct()
    with engine.connect() as connection:
        return {(run_id, stage) for run_id, stage in connection.execute(query)}


def planned_by_model(engine: Engine, run_ids: Collection[str]) -> dict[ModelKey, int]:
    """Cells that some runs planned, each once, by stage and model."""
    from sqlalchemy import distinct, func, select

    from daydreaming.store.schema import PlannedCall

    model = func.coalesce(PlannedCall.evaluation_model, PlannedCall.generation_model)
    keys = (PlannedCall.stage, model)
    query: Any = (
        select(*keys, func.count(distinct(PlannedCall.cell_id)))
        .where(PlannedCall.run_id.in_(run_ids))
        .group_by(*keys)
    )
    with engine.connect() as connection:
        return {(stage, name): cells for stage, name, cells in connection.execute(query)}


def landed_since(engine: Engine, run_ids: Collection[str], since: datetime) -> dict[ModelKey, Landed]:
    """Answers to planned cells of some runs that came after a point in time, by stage and model."""
    from sqlalchemy import distinct, func, select

    from daydreaming.store.results import response_key, response_model
    from daydreaming.store.schema import PlannedCall

    found: dict[ModelKey, Landed] = {}
    with engine.connect() as connection:
        for stage in _STAGES:
            table, key = response_model(stage), response_key(stage)
            model = getattr(table, f"{stage}_model")
            query = (
                select(model, func.count(distinct(key)), func.min(table.started_at))
                .join(PlannedCall, PlannedCall.cell_id == key)
                .where(PlannedCall.stage == stage, PlannedCall.run_id.in_(run_ids), table.ended_at > since)
                .group_by(model)
            )
            found |= {(stage, name): Landed(count, at) for name, count, at in connection.execute(query)}
    return found


def last_landed_at(engine: Engine, run_ids: Collection[str]) -> datetime | None:
    """When the latest answer to a planned cell of some runs came."""
    from sqlalchemy import func, select

    from daydreaming.store.results import response_key, response_model
    from daydreaming.store.schema import PlannedCall

    times: list[datetime | None] = []
    with engine.connect() as connection:
        for stage in _STAGES:
            table = response_model(stage)
            query = (
                select(func.max(table.ended_at))
                .join(PlannedCall, PlannedCall.cell_id == response_key(stage))
                .where(PlannedCall.stage == stage, PlannedCall.run_id.in_(run_ids))
            )
            times.append(connection.scalar(query))
    return max((at for at in times if at is not None), default=None)


def money_by_model(
    engine: Engine, experiment_id: str, run_ids: Collection[str] | None = None
) -> dict[ModelKey, Money]:
    """What an experiment's attempts cost, by stage and model; those of some runs where they are named."""
    from sqlalchemy import case, func, select

    from daydreaming.store.schema import LLMCall

    keys = (LLMCall.stage, LLMCall.model_id)
    reserved = case((LLMCall.state == "reserved", LLMCall.reserved_nanousd), else_=0)
    unpriced = case((LLMCall.cost_nanousd.is_(None) & (LLMCall.state != "reserved"), 1), else_=0)
    sums = [func.coalesce(func.sum(x), 0) for x in (LLMCall.cost_nanousd, reserved, unpriced)]
    mine: list[ColumnElement[bool]] = [LLMCall.experiment_id == experiment_id, LLMCall.state != "unsent"]
    if run_ids is not None:
        mine.append(LLMCall.run_id.in_(run_ids))
    with engine.connect() as connection:
        rows = connection.execute(select(*keys, *sums).where(*mine).group_by(*keys)).all()
    # PostgreSQL adds up big whole numbers as Decimal.
    return {(stage, model): Money(*map(int, values)) for stage, model, *values in rows}


def mean_tokens(engine: Engine, stage: Stage, model_ids: Collection[str]) -> dict[str, float]:
    """Tokens of a model's answers with their prompts so far, by model; without those of unknown length."""
    from sqlalchemy import func, select

    from daydreaming.store.results import response_model

    table = response_model(stage)
    model = getattr(table, f"{stage}_model")
    tokens = table.prompt_tokens + table.completion_tokens
    query = select(model, func.avg(tokens)).where(tokens.is_not(None), model.in_(model_ids)).group_by(model)
    with engine.connect() as connection:
        return {name: float(mean) for name, mean in connection.execute(query)}
