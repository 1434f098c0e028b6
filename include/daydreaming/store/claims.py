"""Leases on cells: one caller at a time, over all processes that share the results database."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from daydreaming.inputs.records import Stage

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

#: A lease that its owner has not renewed for this long is free again.
LEASE_S = 90.0
RENEW_EVERY_S = 20.0
#: Cells of one query.
_CHUNK = 500


@dataclass(frozen=True)
class Lease:
    """Who holds, or wants, which cell."""

    stage: Stage
    cell_id: str
    owner: str


def claim_cells(
    connection: Connection, leases: Sequence[Lease], now: datetime, *, for_s: float = LEASE_S
) -> list[bool]:
    """Take or renew leases, within the caller's transaction; False where another owner holds one.

    Args:
        connection: Within a transaction.
        leases: What is wanted.
        now: The time that leases go by.
        for_s: Seconds until a lease that is not renewed is free again.
    """
    from sqlalchemy import or_

    from daydreaming.store.schema import Claim
    from daydreaming.store.upsert import insert_for

    statement = insert_for(connection)(Claim)
    # One statement per cell: of several claimants exactly one finds the row free.
    take = statement.on_conflict_do_update(
        index_elements=[Claim.stage, Claim.cell_id],
        set_={"owner": statement.excluded.owner, "expires_at": statement.excluded.expires_at},
        where=or_(Claim.owner == statement.excluded.owner, Claim.expires_at < now),
    )
    expires_at = now + timedelta(seconds=for_s)
    taken: dict[Lease, bool] = {}
    for lease in leases:
        row = {
            "stage": lease.stage,
            "cell_id": lease.cell_id,
            "owner": lease.owner,
            "expires_at": expires_at,
        }
        taken[lease] = bool(connection.execute(take, row).rowcount)
    return [taken[lease] for lease in leases]


def renew_cells(connection: Connection, leases: Sequence[Lease], now: datetime) -> list[bool]:
    """Renew leases that are held; False where it was given back or another has it.

    Unlike ``claim_cells`` it takes none: a lease that is given back while it is to be renewed stays free.
    """
    from sqlalchemy import bindparam, select, update

    from daydreaming.store.schema import Claim

    held: set[tuple[str, str, str]] = set()
    for first in range(0, len(leases), _CHUNK):
        cells = {lease.cell_id for lease in leases[first : first + _CHUNK]}
        query = select(Claim.stage, Claim.cell_id, Claim.owner).where(Claim.cell_id.in_(cells))
        held.update((row[0], row[1], row[2]) for row in connection.execute(query))
    kept = [(lease.stage, lease.cell_id, lease.owner) in held for lease in leases]
    rows = [{"s": x.stage, "c": x.cell_id} for x, is_held in zip(leases, kept, strict=True) if is_held]
    if rows:
        mine = (Claim.stage == bindparam("s"), Claim.cell_id == bindparam("c"))
        change = update(Claim).where(*mine).values(expires_at=now + timedelta(seconds=LEASE_S))
        connection.execute(change, rows)
    return kept


def release_cells(connection: Connection, leases: Iterable[Lease]) -> None:
    """Give leases back, where their owners hold them."""
    from sqlalchemy import bindparam, delete

    from daydreaming.store.schema import Claim

    rows = [{"s": lease.stage, "c": lease.cell_id, "o": lease.owner} for lease in leases]
    mine = (
        Claim.stage == bindparam("s"),
        Claim.cell_id == bindparam("c"),
        Claim.owner == bindparam("o"),
    )
    if rows:
        connection.execute(delete(Claim).where(*mine), rows)


def claim_cell(engine: Engine, stage: Stage, cell_id: str, owner: str, now: datetime) -> bool:
    """Take or renew one lease; False where another owner holds it."""
    with engine.begin() as connection:
        return claim_cells(connection, [Lease(stage, cell_id, owner)], now)[0]


def release_cell(engine: Engine, stage: Stage, cell_id: str, owner: str) -> None:
    """Give one lease back, where this owner holds it."""
    with engine.begin() as connection:
        release_cells(connection, [Lease(stage, cell_id, owner)])
