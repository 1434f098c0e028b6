"""Failed attempts and unread verdicts of an experiment by kind, counted by the database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from daydreaming.errors import StaleResponseError
from daydreaming.store.own_readings import own_column
from daydreaming.store.verdict_sums import counted_verdicts

if TYPE_CHECKING:
    from sqlalchemy import Engine


@dataclass(frozen=True)
class FailureSum:
    """Failed attempts of one kind.

    Attributes:
        cells: At how many different cells.
        example: One of their messages: the first by the alphabet.
    """

    stage: str
    model: str
    error_class: str
    attempts: int
    cells: int
    example: str


def failure_sums(engine: Engine, experiment_id: str) -> list[FailureSum]:
    """Failed calls by kind, the most frequent first; without what only waited for another call."""
    from sqlalchemy import distinct, func, or_, select

    from daydreaming.store.schema import CellFailure

    keys = (CellFailure.stage, CellFailure.model, CellFailure.error_class)
    attempts = func.count()
    # Nothing was sent for the others: they wait for a generation, whose own failure is counted.
    is_own = or_(CellFailure.attempt > 0, CellFailure.error_class == StaleResponseError.__name__)
    query = (
        select(*keys, attempts, func.count(distinct(CellFailure.cell_id)), func.min(CellFailure.message))
        .where(CellFailure.experiment_id == experiment_id, is_own)
        .group_by(*keys)
        .order_by(attempts.desc(), *keys)
    )
    with engine.connect() as connection:
        return [FailureSum(*row) for row in connection.execute(query)]


def unread_reasons(engine: Engine, experiment_id: str) -> list[tuple[str, int]]:
    """Why verdicts have no score, and how many have none for that reason, the most frequent first."""
    from sqlalchemy import func, select

    from daydreaming.store.schema import EvaluationResponse

    count, reason = func.count(), own_column("score_error")
    query = (
        select(reason, count)
        .select_from(EvaluationResponse)
        .where(own_column("score").is_(None))
        .group_by(reason)
        .order_by(count.desc(), reason)
    )
    query = counted_verdicts(query, experiment_id, None, None)
    with engine.connect() as connection:
        return [(text or "", int(number)) for text, number in connection.execute(query)]
