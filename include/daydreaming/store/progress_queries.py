"""How far plans are, asked of the database alone: who watches asks every few seconds."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from daydreaming.errors import LLMTransientError
from daydreaming.inputs.records import Stage
from daydreaming.store.plans import RunRecord

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Engine

#: SQLite allows 32,766 variables in a statement.
_IN_CHUNK = 5_000
_STAGES: tuple[Stage, ...] = ("generation", "evaluation")
#: (stage, cell ID)
CellKey = tuple[str, str]
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
class WatchedCell:
    """A planned cell, as far as counting needs it."""

    stage: Stage
    cell_id: str
    model_id: str
    generation_task_id: str


@dataclass(frozen=True)
class LastFailure:
    """The last failure of a cell in one run.

    Attributes:
        final: Whether it ended its instance's try.
        transient_tries: Tries that ended in a failure after which Airflow tries again.
    """

    final: bool
    error_class: str
    message: str
    occurred_at: datetime
    transient_tries: int


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


def watched_cells(engine: Engine, run_id: str) -> list[WatchedCell]:
    """A run's plan, in both stages; it is written once per stage and then never changes."""
    from sqlalchemy import func, select

    from daydreaming.store.schema import PlannedCall

    columns = (
        PlannedCall.stage,
        PlannedCall.cell_id,
        func.coalesce(PlannedCall.evaluation_model, PlannedCall.generation_model),
        PlannedCall.generation_task_id,
    )
    query: Any = select(*columns).where(PlannedCall.run_id == run_id)
    with engine.connect() as connection:
        return [WatchedCell(*row) for row in connection.execute(query)]


def answered_cells(engine: Engine, run_ids: Collection[str]) -> set[CellKey]:
    """Planned cells of some runs that have a response."""
    from daydreaming.store.results import response_key

    return {
        (stage, cell) for stage in _STAGES for cell in _answers(engine, run_ids, stage, response_key(stage))
    }


def essayless_generations(engine: Engine, run_ids: Collection[str]) -> set[str]:
    """Generations that evaluations of some runs judge, and in whose answer no essay was found."""
    from sqlalchemy import select

    from daydreaming.store.schema import GenerationResponse, PlannedCall

    query = select(GenerationResponse.generation_task_id).where(
        GenerationResponse.essay_error.is_not(None),
        GenerationResponse.generation_task_id.in_(
            select(PlannedCall.generation_task_id).where(PlannedCall.run_id.in_(run_ids))
        ),
    )
    with engine.connect() as connection:
        return set(connection.scalars(query))


def answered_at(engine: Engine, cells: Collection[CellKey]) -> dict[CellKey, datetime | None]:
    """When some cells were answered, by cell; without those that are not."""
    from sqlalchemy import select

    from daydreaming.store.results import response_key, response_model

    found: dict[CellKey, datetime | None] = {}
    with engine.connect() as connection:
        for stage in _STAGES:
            key, ids = response_key(stage), [cell_id for of, cell_id in cells if of == stage]
            for first in range(0, len(ids), _IN_CHUNK):
                query = select(key, response_model(stage).ended_at).where(
                    key.in_(ids[first : first + _IN_CHUNK])
                )
                found |= {(stage, cell_id): at for cell_id, at in connection.execute(query)}
    return found


def last_failures(engine: Engine, run_ids: Collection[str]) -> dict[tuple[str, CellKey], LastFailure]:
    """By run and cell: its last failure."""
    from sqlalchemy import and_, case, func, select

    from daydreaming.store.schema import CellFailure

    is_try = and_(CellFailure.final, CellFailure.error_class == LLMTransientError.__name__)
    last = (
        select(func.max(CellFailure.id).label("id"), func.sum(case((is_try, 1), else_=0)).label("tries"))
        .where(CellFailure.run_id.in_(run_ids))
        .group_by(CellFailure.run_id, CellFailure.stage, CellFailure.cell_id)
        .subquery()
    )
    query = select(
        CellFailure.run_id,
        CellFailure.stage,
        CellFailure.cell_id,
        CellFailure.final,
        CellFailure.error_class,
        CellFailure.message,
        CellFailure.occurred_at,
        last.c.tries,
    ).join(last, last.c.id == CellFailure.id)
    with engine.connect() as connection:
        return {
            (run_id, (stage, cell_id)): LastFailure(*values)
            for run_id, stage, cell_id, *values in connection.execute(query)
        }


def cells_in_flight(engine: Engine, now: datetime) -> set[CellKey]:
    """Cells whose call was sent and is not over; of all experiments, for cells may be shared."""
    from sqlalchemy import and_, select

    from daydreaming.store.schema import Claim, LLMCall

    held = and_(Claim.stage == LLMCall.stage, Claim.cell_id == LLMCall.cell_id, Claim.owner == LLMCall.owner)
    query = (
        select(LLMCall.stage, LLMCall.cell_id)
        .join(Claim, held)
        .where(LLMCall.state == "reserved", LLMCall.start_at <= now.timestamp(), Claim.expires_at > now)
    )
    with engine.connect() as connection:
        return {(stage, cell_id) for stage, cell_id in connection.execute(query)}


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
    from sqlalchemy import func

    from daydreaming.store.results import response_model

    times = [_answers(engine, run_ids, stage, func.max(response_model(stage).ended_at)) for stage in _STAGES]
    return max((at for found in times for at in found if at is not None), default=None)


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


def _answers(engine: Engine, run_ids: Collection[str], stage: Stage, what: Any) -> list[Any]:
    """Something of the responses to planned cells of some runs."""
    from sqlalchemy import select

    from daydreaming.store.results import response_key
    from daydreaming.store.schema import PlannedCall

    query = (
        select(what)
        .select_from(PlannedCall)
        .join(response_key(stage).class_, response_key(stage) == PlannedCall.cell_id)
        .where(PlannedCall.stage == stage, PlannedCall.run_id.in_(run_ids))
    )
    with engine.connect() as connection:
        return list(connection.scalars(query))
