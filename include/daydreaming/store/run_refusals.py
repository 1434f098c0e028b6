"""Why the latest run of an experiment sends nothing: it was refused, or it failed before its first call."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import Engine


def last_refusals(engine: Engine, experiment_id: str | None = None) -> dict[str, str]:
    """Refusals of latest runs by experiment; what an earlier run met is over when a later one was started.

    Args:
        engine: The results database.
        experiment_id: Of this experiment alone; None for all.
    """
    from sqlalchemy import func, select

    from daydreaming.store.schema import Run

    place = func.row_number().over(
        partition_by=Run.experiment_id, order_by=(Run.created_at.desc(), Run.run_id.desc())
    )
    runs = select(Run.experiment_id, Run.refusal, place.label("place")).where(Run.parent_run_id.is_(None))
    if experiment_id is not None:
        runs = runs.where(Run.experiment_id == experiment_id)
    run = runs.subquery()
    query = select(run.c.experiment_id, run.c.refusal).where(run.c.place == 1, run.c.refusal.is_not(None))
    with engine.connect() as connection:
        return {row.experiment_id: row.refusal for row in connection.execute(query)}
