"""Where planned cells stand: those without an answer, listed and counted by the database.

What is planned and not open is answered. Whoever tells where a cell stands asks here; the files alone are
counted by ``pipeline.status``.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal

from daydreaming.errors import LLMTransientError, StaleResponseError
from daydreaming.inputs.records import Stage

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Engine, FromClause, ScalarSelect, Subquery

    from daydreaming.settings import Settings

State = Literal["failed", "running", "waiting", "blocked", "held"]
#: In the order in which they are listed.
STATES: Final[tuple[State, ...]] = ("failed", "running", "waiting", "blocked", "held")
_ANSWERED: Final = "answered"
#: Airflow's retry of a call may begin this much later than its delay says.
_RETRY_GRACE: Final = timedelta(minutes=5)


@dataclass(frozen=True)
class Scope:
    """Whose planned cells are asked for.

    Attributes:
        experiment_id: Of all the runs.
        run_ids: What these runs planned; None for all runs of the experiment.
        cell_ids: These cells alone; None for all.
    """

    experiment_id: str
    run_ids: Collection[str] | None = None
    cell_ids: Collection[str] | None = None


@dataclass(frozen=True)
class Moment:
    """What tells a failure that is tried again from one that is not.

    Attributes:
        now: The time.
        tries: Tries of an instance before Airflow gives it up.
        retried_since: A failure before this would have been tried again by now.
    """

    now: datetime
    tries: int
    retried_since: datetime


def moment_of(settings: Settings, now: datetime) -> Moment:
    """Which failures are final at a point in time."""
    return Moment(now, settings.task_retries + 1, now - settings.retry_delay - _RETRY_GRACE)


@dataclass(frozen=True)
class OpenFilter:
    """Which open cells are asked for; None leaves none out."""

    state: State | None = None
    stage: Stage | None = None
    model: str | None = None
    error_class: str | None = None

    def holds(self, group: OpenGroup) -> bool:
        """Whether the cells of a group are asked for."""
        return all(wanted in (None, getattr(group, name)) for name, wanted in vars(self).items())


@dataclass(frozen=True)
class OpenGroup:
    """Open cells that are alike.

    Attributes:
        error_class: Of the last failure in the run that is to answer them; None where there was none.
        message: Of one of these failures.
        cells: How many.
    """

    state: State
    stage: Stage
    model: str
    run_id: str
    error_class: str | None
    message: str | None
    cells: int


@dataclass(frozen=True)
class OpenCell:
    """A planned cell without an answer that the experiment may use.

    Attributes:
        state: ``running``: sent and not answered; ``failed``: given up; ``blocked``: an evaluation of an
            answer in which no essay was found; ``held``: no run may send it; else ``waiting``.
        run_id: The run that is to answer it, with ``map_index`` its instance there.
        error_class: Of its last failure in that run; None, like what follows, where there was none.
        attempt: Number of the call, from 1; 0 where nothing was sent.
    """

    state: State
    stage: Stage
    cell_id: str
    generation_task_id: str
    model: str
    run_id: str
    map_index: int
    error_class: str | None
    message: str | None
    attempt: int | None
    occurred_at: datetime | None


def count_open(engine: Engine, scope: Scope, moment: Moment) -> list[OpenGroup]:
    """All open cells, counted by what they have in common."""
    from sqlalchemy import func, select

    cell = _cells(scope, moment)
    keys = (cell.c.state, cell.c.stage, cell.c.model, cell.c.run_id, cell.c.error_class)
    query = (
        select(*keys, func.min(cell.c.message), func.count())
        .where(cell.c.state != _ANSWERED)
        .group_by(*keys)
        .order_by(*keys)
    )
    with engine.connect() as connection:
        return [OpenGroup(*row) for row in connection.execute(query)]


def read_open(
    engine: Engine, scope: Scope, moment: Moment, wanted: OpenFilter, *, limit: int, offset: int = 0
) -> list[OpenCell]:
    """Open cells: by state in the order of ``STATES``, then as they were planned."""
    from sqlalchemy import case, select

    cell = _cells(scope, moment)
    place = case({state: i for i, state in enumerate(STATES)}, value=cell.c.state)
    query = (
        select(*(cell.c[name] for name in OpenCell.__dataclass_fields__))
        .where(cell.c.state != _ANSWERED)
        .where(*(cell.c[name] == value for name, value in vars(wanted).items() if value is not None))
        # Generations first: what hangs on them comes after.
        .order_by(place, cell.c.stage.desc(), cell.c.created_at, cell.c.run_id, cell.c.map_index)
        .limit(limit)
        .offset(offset)
    )
    with engine.connect() as connection:
        return [OpenCell(*row) for row in connection.execute(query)]


def _cells(scope: Scope, moment: Moment) -> Subquery:
    """Every planned cell that may be open once, with its state and its last failure."""
    from sqlalchemy import and_, case, func, or_, select

    from daydreaming.store.schema import CellFailure, EvaluationResponse, GenerationResponse

    plan = _plan(scope)
    generation, evaluation = GenerationResponse.__table__, EvaluationResponse.__table__
    judged, failure = generation.alias("judged"), CellFailure.__table__
    is_evaluation = plan.c.stage == "evaluation"
    is_there = or_(generation.c.generation_task_id.is_not(None), evaluation.c.evaluation_task_id.is_not(None))
    answered_at = func.coalesce(generation.c.ended_at, evaluation.c.ended_at)
    is_refused = and_(
        failure.c.final,
        failure.c.error_class == StaleResponseError.__name__,
        # A newer answer is another one.
        or_(answered_at.is_(None), answered_at <= failure.c.occurred_at),
    )
    state = case(
        (and_(is_there, or_(plan.c.is_held, func.coalesce(is_refused, False).is_(False))), _ANSWERED),
        (plan.c.is_held, "held"),
        (_is_in_flight(plan, moment.now), "running"),
        (_is_given_up(failure, plan, moment), "failed"),
        (judged.c.essay_error.is_not(None), "blocked"),
        else_="waiting",
    )
    return (
        select(
            state.label("state"),
            *(plan.c[name] for name in _PLAN_COLUMNS),
            *(failure.c[name] for name in ("error_class", "message", "attempt", "occurred_at")),
        )
        .select_from(plan)
        .outerjoin(
            generation,
            and_(plan.c.stage == "generation", generation.c.generation_task_id == plan.c.cell_id),
        )
        .outerjoin(evaluation, and_(is_evaluation, evaluation.c.evaluation_task_id == plan.c.cell_id))
        .outerjoin(judged, and_(is_evaluation, judged.c.generation_task_id == plan.c.generation_task_id))
        .outerjoin(failure, failure.c.id == _last_failure(plan, scope.experiment_id))
        .where(plan.c.place == 1)
        .subquery()
    )


def _plan(scope: Scope) -> Subquery:
    """Each cell in every run that planned it; place 1 is the last run that may send, else the last."""
    from sqlalchemy import func, select

    from daydreaming.store.schema import PlannedCall

    run = _runs(scope)
    place = func.row_number().over(
        partition_by=(PlannedCall.stage, PlannedCall.cell_id), order_by=run.c.precedence
    )
    query = (
        select(
            PlannedCall.stage,
            PlannedCall.cell_id,
            PlannedCall.generation_task_id,
            func.coalesce(PlannedCall.evaluation_model, PlannedCall.generation_model).label("model"),
            PlannedCall.run_id,
            PlannedCall.map_index,
            run.c.created_at,
            run.c.is_held,
            place.label("place"),
        )
        .join(run, run.c.run_id == PlannedCall.run_id)
        .where(_may_be_open(scope.experiment_id))
    )
    if scope.cell_ids is not None:
        query = query.where(PlannedCall.cell_id.in_(scope.cell_ids))
    return query.subquery("plan")


def _runs(scope: Scope) -> Subquery:
    """The runs, numbered: of those that planned a cell the one with the lowest number is to answer it.

    Numbered before they are joined, so that a run's parameters are read once and not once for each cell.
    """
    from sqlalchemy import false, func, or_, select

    from daydreaming.store.schema import Run

    is_dry = func.coalesce(Run.params["dry_run"].as_boolean(), false())
    is_held = or_(Run.refusal.is_not(None), is_dry)
    precedence = func.row_number().over(order_by=(is_held, Run.created_at.desc(), Run.run_id.desc()))
    query = select(
        Run.run_id, Run.created_at, is_held.label("is_held"), precedence.label("precedence")
    ).where(Run.experiment_id == scope.experiment_id)
    if scope.run_ids is not None:
        query = query.where(Run.run_id.in_(scope.run_ids))
    return query.subquery("run")


def _may_be_open(experiment_id: str) -> ColumnElement[bool]:
    """Leaves out, before anything is sorted or joined, what has an answer that nobody has refused."""
    from sqlalchemy import and_, exists, or_, select

    from daydreaming.store.schema import CellFailure, EvaluationResponse, GenerationResponse, PlannedCall

    refused = select(CellFailure.cell_id).where(
        CellFailure.experiment_id == experiment_id,
        CellFailure.error_class == StaleResponseError.__name__,
    )
    generation = exists().where(GenerationResponse.generation_task_id == PlannedCall.cell_id)
    evaluation = exists().where(EvaluationResponse.evaluation_task_id == PlannedCall.cell_id)
    return or_(
        and_(PlannedCall.stage == "generation", ~generation),
        and_(PlannedCall.stage == "evaluation", ~evaluation),
        PlannedCall.cell_id.in_(refused),
    )


# By index for each cell: joined as tables of their own, SQLite would go through all of them for each.
def _last_failure(plan: Subquery, experiment_id: str) -> ScalarSelect[Any]:
    """Number of the last failure of a cell in its run."""
    from sqlalchemy import func, select

    from daydreaming.store.schema import CellFailure

    of = CellFailure.__table__.alias("earlier")
    return (
        select(func.max(of.c.id)).where(*_of_cell(of, plan, experiment_id)).correlate(plan).scalar_subquery()
    )


def _is_given_up(failure: FromClause, plan: Subquery, moment: Moment) -> ColumnElement[bool]:
    """Whether nobody tries again by himself."""
    from sqlalchemy import and_, func, or_, select

    from daydreaming.store.schema import CellFailure

    of = CellFailure.__table__.alias("tried")
    transient = LLMTransientError.__name__
    tries = (
        select(func.count())
        .where(*_of_cell(of, plan, failure.c.experiment_id), of.c.final, of.c.error_class == transient)
        .correlate(plan, failure)
        .scalar_subquery()
    )
    return and_(
        failure.c.final,
        or_(
            failure.c.error_class != transient,
            failure.c.occurred_at < moment.retried_since,
            tries % moment.tries == 0,
        ),
    )


def _of_cell(failure: FromClause, plan: Subquery, experiment_id: Any) -> tuple[ColumnElement[bool], ...]:
    return (
        failure.c.experiment_id == experiment_id,
        failure.c.cell_id == plan.c.cell_id,
        failure.c.stage == plan.c.stage,
        failure.c.run_id == plan.c.run_id,
    )


def _is_in_flight(plan: Subquery, now: datetime) -> ColumnElement[bool]:
    """Whether a call of the cell was sent and is not over; by whichever experiment, for cells are shared."""
    from sqlalchemy import and_, exists

    from daydreaming.store.schema import Claim, LLMCall

    return exists().where(
        and_(
            Claim.stage == plan.c.stage,
            Claim.cell_id == plan.c.cell_id,
            Claim.expires_at > now,
            LLMCall.cell_id == Claim.cell_id,
            LLMCall.stage == Claim.stage,
            LLMCall.owner == Claim.owner,
            LLMCall.state == "reserved",
            LLMCall.start_at <= now.timestamp(),
        )
    )


_PLAN_COLUMNS = ("stage", "cell_id", "generation_task_id", "model", "run_id", "map_index", "created_at")
