"""One row per experiment: what was asked, when, by whom and with which code."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine


def note_experiment(
    connection: Connection,
    experiment_id: str,
    spec: Mapping[str, Any],
    started_at: datetime,
    created_by: str | None,
    code_version: str,
) -> None:
    """Bring the row of an experiment in line with one of its runs, whichever run is noted first.

    Args:
        connection: Within a transaction that has written the run.
        experiment_id: The experiment.
        spec: Effective parameters of the run.
        started_at: Its start.
        created_by: Airflow user who triggered it; None where none did.
        code_version: Of the package that started it.
    """
    from sqlalchemy import func, select, update

    from daydreaming.store.schema import Experiment, Run
    from daydreaming.store.upsert import insert_missing

    first = select(func.min(Run.created_at)).where(
        Run.experiment_id == experiment_id, Run.parent_run_id.is_(None)
    )
    began_at = connection.scalar(first) or started_at
    latest = {"spec": dict(spec), "updated_at": started_at, "code_version": code_version}
    row = {
        "experiment_id": experiment_id,
        **latest,
        "created_at": began_at,
        # Of a run that an earlier release recorded nobody knows who triggered it.
        "created_by": created_by if began_at == started_at else None,
    }
    insert_missing(connection, Experiment, [row])
    mine = update(Experiment).where(Experiment.experiment_id == experiment_id)
    connection.execute(mine.where(Experiment.updated_at <= started_at).values(**latest))
    connection.execute(
        mine.where(Experiment.created_at > started_at).values(created_at=started_at, created_by=created_by)
    )


def read_experiments(engine: Engine) -> list[dict[str, Any]]:
    """Every experiment, oldest first."""
    from sqlalchemy import select

    from daydreaming.store.schema import Experiment

    query = select(Experiment.__table__).order_by(Experiment.created_at, Experiment.experiment_id)
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]
