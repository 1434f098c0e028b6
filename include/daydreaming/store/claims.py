"""Leases on cells: one caller at a time, over all processes that share the results database."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from daydreaming.inputs.records import Stage

if TYPE_CHECKING:
    from sqlalchemy import Engine

#: A lease that its owner has not renewed for this long is free again.
LEASE_S = 90.0
RENEW_EVERY_S = 20.0


def claim_cell(engine: Engine, stage: Stage, cell_id: str, owner: str, now: datetime) -> bool:
    """Take or renew the lease on a cell; False where another owner holds it."""
    from sqlalchemy import or_

    from daydreaming.store.schema import Claim
    from daydreaming.store.upsert import insert_for

    lease = {"owner": owner, "expires_at": now + timedelta(seconds=LEASE_S)}
    with engine.begin() as connection:
        # One statement: of several claimants exactly one finds the row free.
        new = insert_for(connection)(Claim).values(stage=stage, cell_id=cell_id, **lease)
        take = new.on_conflict_do_update(
            index_elements=[Claim.stage, Claim.cell_id],
            set_=lease,
            where=or_(Claim.owner == owner, Claim.expires_at < now),
        )
        return bool(connection.execute(take).rowcount)


def release_cell(engine: Engine, stage: Stage, cell_id: str, owner: str) -> None:
    """Give the lease back, where this owner holds it."""
    from sqlalchemy import delete

    from daydreaming.store.schema import Claim

    mine = delete(Claim).where(Claim.stage == stage, Claim.cell_id == cell_id, Claim.owner == owner)
    with engine.begin() as connection:
        connection.execute(mine)
