"""Failures that are still open when a run has ended: what a message about it names."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from daydreaming.errors import DaydreamingError, StaleResponseError
from daydreaming.inputs.records import Stage

if TYPE_CHECKING:
    from sqlalchemy import Engine

_STAGES: tuple[Stage, ...] = ("generation", "evaluation")


@dataclass(frozen=True)
class RunFailure:
    """The last failure of a cell that has no answer."""

    stage: str
    cell_id: str
    model: str
    error_class: str
    message: str
    occurred_at: datetime


def open_failures(
    engine: Engine, run_ids: Collection[str], error: type[DaydreamingError] | None = None
) -> list[RunFailure]:
    """Failures of some runs' cells that have no answer of use, the last of each, oldest first.

    Args:
        engine: The results database.
        run_ids: Whose failures.
        error: Only those of this class.
    """
    from sqlalchemy import exists, func, or_, select

    from daydreaming.store.results import response_key
    from daydreaming.store.schema import CellFailure

    last = select(func.max(CellFailure.id)).where(CellFailure.run_id.in_(run_ids))
    if error is not None:
        last = last.where(CellFailure.error_class == error.__name__)
    is_answered = or_(
        *(
            exists().where(CellFailure.stage == stage, response_key(stage) == CellFailure.cell_id)
            for stage in _STAGES
        )
    )
    # The answer that is there is the one that was refused.
    is_open = or_(~is_answered, CellFailure.error_class == StaleResponseError.__name__)
    columns = [getattr(CellFailure, name) for name in RunFailure.__dataclass_fields__]
    newest = last.group_by(CellFailure.stage, CellFailure.cell_id)
    query = select(*columns).where(CellFailure.id.in_(newest), is_open).order_by(CellFailure.id)
    with engine.connect() as connection:
        return [RunFailure(*row) for row in connection.execute(query)]
