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
    from sqlalchemy import insert, or_, update
    from sqlalchemy.exc import IntegrityError

    from daydreaming.store.schema import Claim

    expires_at = now + timedelta(seconds=LEASE_S)
    takeover = (
        update(Claim)
        .where(Claim.stage == stage, Claim.cell_id == cell_id)
        .where(or_(Claim.owner == owner, Claim.expires_at < now))
        .values(owner=owner, expires_at=expires_at)
    )
    with engine.begin() as connection:
        if connection.execute(takeover).rowcount:
            return True
    try:
        with engine.begin() as connection:
            new = {"stage": stage, "cell_id": cell_id, "owner": owner, "expires_at": expires_at}
            connection.execute(insert(Claim), new)
    except IntegrityError:
        return False
    return True


def release_cell(engine: Engine, stage: Stage, cell_id: str, owner: str) -> None:
    """Give the lease back, where this owner holds it."""
    from sqlalchemy import delete

    from daydreaming.store.schema import Claim

    mine = delete(Claim).where(Claim.stage == stage, Claim.cell_id == cell_id, Claim.owner == owner)
    with engine.begin() as connection:
        connection.execute(mine)
