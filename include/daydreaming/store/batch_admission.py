"""Leases and money of a whole batch: all of its members in one transaction, or none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from daydreaming.store.admission import landed_cells, lease_time, reserve_calls
from daydreaming.store.claims import Lease, claim_cells, release_cells
from daydreaming.store.ledger import Decision, Reservation, insert_calls
from daydreaming.store.limiter import limiter_clock

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine


@dataclass(frozen=True)
class MemberOrder:
    """What one member of a batch needs before it is sent."""

    lease: Lease
    reservation: Reservation

    @property
    def call_id(self) -> str:
        """Its row in the ledger."""
        return str(self.reservation.row["call_id"])


class NotAdmitted(Exception):  # noqa: N818 - no error: the caller decides
    """The budgets do not allow the batch; nothing was kept of it.

    Attributes:
        decision: ``busy`` or ``refused``, and why.
    """

    def __init__(self, decision: Decision) -> None:
        self.decision = decision
        super().__init__(decision.reason)


def admit_batch(engine: Engine, orders: Sequence[MemberOrder], *, for_s: float) -> set[str]:
    """Lease the members' cells and reserve the worst case of all of them.

    Members that another caller holds, or has answered, are left out. Where this was done before, by a
    process that died then, it is not done again.

    Args:
        engine: Its transactions take the write lock (``database.writing_engine``).
        orders: One for each member.
        for_s: Seconds that the leases last without being renewed: a batch has no process that would.

    Returns:
        Call IDs of the members that may be sent.

    Raises:
        NotAdmitted: The money for all of them is refused, or reserved by calls in flight.
    """
    with engine.begin() as connection:
        now, clock = lease_time(connection), limiter_clock(connection)
        kept = _reserved(connection, orders)
        if kept:
            return kept
        claimed = claim_cells(connection, [order.lease for order in orders], now, for_s=for_s)
        mine = [order for order, is_mine in zip(orders, claimed, strict=True) if is_mine]
        landed = landed_cells(connection, [order.lease for order in mine])
        release_cells(connection, landed)
        asked = [order for order in mine if order.lease not in landed]
        if asked:
            # As one: member by member, a batch that is larger than its cap would wait for itself.
            [decision] = reserve_calls(connection, [_together(asked)], now)
            if decision.verdict != "reserved":
                raise NotAdmitted(decision)
        insert_calls(connection, [(order.reservation, clock) for order in asked])
        return {order.call_id for order in asked}


def _together(orders: Sequence[MemberOrder]) -> Reservation:
    amounts = [order.reservation.nanousd for order in orders]
    known = [amount for amount in amounts if amount is not None]
    total = sum(known) if len(known) == len(amounts) else None
    return replace(orders[0].reservation, nanousd=total)


def keep_batch(engine: Engine, leases: Sequence[Lease], *, for_s: float) -> None:
    """Renew the leases of a batch that is waited for again."""
    with engine.begin() as connection:
        claim_cells(connection, leases, lease_time(connection), for_s=for_s)


def _reserved(connection: Connection, orders: Sequence[MemberOrder]) -> set[str]:
    """Members that are in the ledger already, and not settled."""
    from sqlalchemy import select

    from daydreaming.store.schema import LLMCall

    owners = {order.lease.owner for order in orders}
    query = select(LLMCall.call_id).where(LLMCall.owner.in_(owners), LLMCall.state == "reserved")
    return set(connection.scalars(query))
