"""What changes whenever the counts of an experiment do, and is read much faster than they are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from daydreaming.errors import StaleResponseError

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine


@dataclass(frozen=True)
class Marker:
    """What there is of one experiment.

    Attributes:
        written: To be compared only: numbers of its runs, refusals, plans, responses, attempts, failures.
        scored: To be compared only: what the statistics of every experiment were made of. Of every one,
            because a verdict that several share may be read anew with any of them.
        is_in_flight: Whether a call of one of its cells is not over, whoever made it.
        has_refused: Whether an answer was refused at some time because it was stale.
        last_failure_at: None for none.
    """

    written: tuple[object, ...]
    scored: str
    is_in_flight: bool
    has_refused: bool
    last_failure_at: datetime | None


def read_markers(engine: Engine, experiment_ids: Collection[str]) -> dict[str, Marker]:
    """Markers of experiments, by ID."""
    with engine.connect() as connection:
        scored = _scored(connection, experiment_ids)
        plans, failures = _plans(connection), _failures(connection)
        in_flight = _in_flight(connection, experiment_ids)
        return {
            name: Marker(
                (plans.get(name), failures.get(name), *_counts(connection, name)),
                scored,
                name in in_flight,
                bool(failures[name][-1]) if name in failures else False,
                failures[name][2] if name in failures else None,
            )
            for name in experiment_ids
        }


def _scored(connection: Connection, experiment_ids: Collection[str]) -> str:
    from sqlalchemy import select

    from daydreaming.store.schema import Statistic
    from daydreaming.store.statistics import SOURCE_NAME

    query = select(Statistic.experiment_id, Statistic.row).where(
        Statistic.table_name == SOURCE_NAME, Statistic.experiment_id.in_(experiment_ids)
    )
    sources = sorted((name, json.dumps(row, sort_keys=True)) for name, row in connection.execute(query))
    return hashlib.sha256(json.dumps(sources).encode()).hexdigest()


def _plans(connection: Connection) -> dict[str, tuple[Any, ...]]:
    """Runs, those that were refused, and the sums of their last map indices, by experiment.

    A plan is written once and whole, so that its last index tells of it.
    """
    from sqlalchemy import func, select

    from daydreaming.store.schema import PlannedCall, Run

    last = [
        select(func.max(PlannedCall.map_index))
        .where(PlannedCall.run_id == Run.run_id, PlannedCall.stage == stage)
        .scalar_subquery()
        for stage in ("generation", "evaluation")
    ]
    sums = [func.sum(func.coalesce(index, -1)) for index in last]
    query = select(Run.experiment_id, func.count(), func.count(Run.refusal), *sums)
    return {name: tuple(row) for name, *row in connection.execute(query.group_by(Run.experiment_id))}


def _failures(connection: Connection) -> dict[str, tuple[Any, ...]]:
    """Failed attempts, the last one's number and time, and how many refused a stale answer."""
    from sqlalchemy import case, func, select

    from daydreaming.store.schema import CellFailure

    refused = func.sum(case((CellFailure.error_class == StaleResponseError.__name__, 1), else_=0))
    sums = (func.count(), func.max(CellFailure.id), func.max(CellFailure.occurred_at), refused)
    query = select(CellFailure.experiment_id, *sums).group_by(CellFailure.experiment_id)
    return {name: tuple(row) for name, *row in connection.execute(query)}


def _counts(connection: Connection, experiment_id: str) -> tuple[int, ...]:
    """Responses that serve an experiment, and attempts that it made: both counted in an index alone."""
    from sqlalchemy import func, select

    from daydreaming.store.schema import LLMCall, Membership

    # Each by itself: grouped over all experiments, SQLite takes twice as long.
    return tuple(
        connection.scalar(select(func.count()).where(table.experiment_id == experiment_id)) or 0
        for table in (Membership, LLMCall)
    )


def _in_flight(connection: Connection, experiment_ids: Collection[str]) -> set[str]:
    """Experiments that planned a cell of which a call is not settled."""
    from sqlalchemy import and_, select

    from daydreaming.store.schema import LLMCall, PlannedCall, Run

    query = (
        select(Run.experiment_id)
        .select_from(LLMCall)
        .join(PlannedCall, and_(PlannedCall.cell_id == LLMCall.cell_id, PlannedCall.stage == LLMCall.stage))
        .join(Run, Run.run_id == PlannedCall.run_id)
        # Named, for the index of the attempts begins with them.
        .where(LLMCall.experiment_id.in_(experiment_ids), LLMCall.state == "reserved")
        .distinct()
    )
    return set(connection.scalars(query))
