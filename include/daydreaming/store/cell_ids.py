"""IDs of all cells that the results database knows, whichever experiment they serve."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daydreaming.inputs.records import Stage

if TYPE_CHECKING:
    from sqlalchemy import Engine


def planned_ids(engine: Engine, stage: Stage) -> set[str]:
    """IDs of the cells that any run of any experiment planned."""
    from sqlalchemy import select

    from daydreaming.store.schema import PlannedCall

    with engine.connect() as connection:
        return set(
            connection.scalars(select(PlannedCall.cell_id).where(PlannedCall.stage == stage).distinct())
        )


def response_ids(engine: Engine, stage: Stage) -> set[str]:
    """IDs of the responses that have a row."""
    from sqlalchemy import select

    from daydreaming.store.results import response_key

    with engine.connect() as connection:
        return set(connection.scalars(select(response_key(stage))))
