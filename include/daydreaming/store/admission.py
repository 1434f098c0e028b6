"""Before and after a call, each in one transaction: lease, money and start time; answer, price and pause.

Handlers of the ``GroupWriter``: many calls at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from daydreaming.inputs.records import Stage
from daydreaming.store.claims import Lease, claim_cells, release_cells, renew_cells
from daydreaming.store.ledger import (
    Decision,
    Reservation,
    Settlement,
    insert_calls,
    reserve,
    settle,
    settle_lost,
)
from daydreaming.store.limiter import (
    BookedStart,
    Pause,
    StartOrder,
    book_starts,
    count_tokens,
    drop_starts,
    limiter_clock,
    move_up,
    pause_models,
)

if TYPE_CHECKING:
    from sqlalchemy import Connection


@dataclass(frozen=True)
class CallOrder:
    """One attempt that asks for everything that it needs before it is sent.

    Attributes:
        lease: On its cell; taken, or renewed by a further attempt.
        reservation: Of its worst-case price.
        start: With its model's limits.
        check_landed: Whether an answer that has a row meanwhile stops it; False once its file was looked for.
    """

    lease: Lease
    reservation: Reservation
    start: StartOrder
    check_landed: bool = True


@dataclass(frozen=True)
class Admission:
    """What an attempt may do.

    Attributes:
        outcome: ``go`` after ``wait_s`` seconds; ``held``: another has the cell; ``landed``: another
            has answered it, the lease is ours; ``busy``: wait for money that is reserved; ``refused``:
            for good, ``reason`` says why.
        queued_at: Since when the cell waits for its start.
    """

    outcome: Literal["go", "held", "landed", "busy", "refused"]
    wait_s: float = 0.0
    queued_at: float | None = None
    reason: str = ""


@dataclass(frozen=True)
class CallEnd:
    """What an attempt leaves behind; every part may be missing.

    Attributes:
        release: The lease that is given back; None where the cell is tried again.
        response: Stage and row of the stored answer.
        failure: Row of ``failures``.
        tokens: That the attempt used.
        keep_start: A start that was booked and not used is kept: the cell comes back for it.
        start: The attempt's start; those who wait behind it may move up where it was not used, or took
            fewer tokens.
    """

    settlement: Settlement | None = None
    release: Lease | None = None
    response: tuple[str, Mapping[str, Any]] | None = None
    failure: Mapping[str, Any] | None = None
    pause: Pause | None = None
    tokens: int | None = None
    keep_start: bool = False
    start: StartOrder | None = None


def admit_calls(connection: Connection, orders: Sequence[CallOrder]) -> list[Admission]:
    """Lease, reserve and book, for each order all of it or nothing."""
    admissions: list[Admission | None] = [None] * len(orders)
    now = lease_time(connection)
    claimed = claim_cells(connection, [order.lease for order in orders], now)
    mine_to_check = [o.lease for o, mine in zip(orders, claimed, strict=True) if mine and o.check_landed]
    landed = landed_cells(connection, mine_to_check)
    asking: list[int] = []
    for index, (order, mine) in enumerate(zip(orders, claimed, strict=True)):
        if not mine:
            admissions[index] = Admission("held")
        elif order.lease in landed:
            admissions[index] = Admission("landed")
        else:
            asking.append(index)
    decisions = reserve_calls(connection, [orders[index].reservation for index in asking], now)
    going: list[int] = []
    for index, decision in zip(asking, decisions, strict=True):
        if decision.verdict == "reserved":
            going.append(index)
        else:
            admissions[index] = Admission(decision.verdict, reason=decision.reason)
    booked = book_starts(connection, [orders[index].start for index in going])
    insert_calls(
        connection,
        [(orders[i].reservation, start.start_at) for i, start in zip(going, booked, strict=True)],
    )
    for index, start in zip(going, booked, strict=True):
        admissions[index] = _go(start)
    return [admission for admission in admissions if admission is not None]


def end_calls(connection: Connection, ends: Sequence[CallEnd]) -> list[None]:
    """Write what attempts left behind: answers with members and scores, failures, prices, pauses, leases."""
    from sqlalchemy import insert

    from daydreaming.store.results import land_responses
    from daydreaming.store.schema import CellFailure

    stages: tuple[Stage, ...] = ("generation", "evaluation")
    for stage in stages:
        rows = [end.response[1] for end in ends if end.response and end.response[0] == stage]
        if rows:
            land_responses(connection, stage, rows)
    failures = [dict(end.failure) for end in ends if end.failure]
    if failures:
        connection.execute(insert(CellFailure), failures)
    settlements = [end.settlement for end in ends if end.settlement]
    if settlements:
        settle(connection, settlements)
    _end_starts(connection, ends)
    release_cells(connection, [end.release for end in ends if end.release])
    return [None] * len(ends)


def keep_leases(connection: Connection, groups: Sequence[Sequence[Lease]]) -> list[set[Lease]]:
    """Renew leases, and settle what processes that are gone had reserved.

    Returns:
        For each group, the leases that are lost.
    """
    now = lease_time(connection)
    lost = []
    for leases in groups:
        kept = renew_cells(connection, leases, now)
        lost.append({lease for lease, held in zip(leases, kept, strict=True) if not held})
    settle_lost(connection, now, limiter_clock(connection))
    return lost


def lease_time(connection: Connection) -> datetime:
    """The time that leases go by: the limiter's clock, the same for all who share the database."""
    return datetime.fromtimestamp(limiter_clock(connection), UTC)


def _end_starts(connection: Connection, ends: Sequence[CallEnd]) -> None:
    given_up = [end for end in ends if _gave_up(end)]
    if given_up:
        drop_starts(connection, [end.settlement.call_id for end in given_up if end.settlement])
    used = [end for end in ends if end.tokens and end.settlement]
    count_tokens(connection, {e.settlement.call_id: e.tokens for e in used if e.settlement and e.tokens})
    pauses = [end.pause for end in ends if end.pause]
    if pauses:
        pause_models(connection, pauses)
    move_up(connection, [end.start for end in given_up if end.start])
    move_up(connection, [end.start for end in used if end.start], tokens_only=True)


def _gave_up(end: CallEnd) -> bool:
    return end.settlement is not None and end.settlement.state == "unsent" and not end.keep_start


def _go(start: BookedStart) -> Admission:
    return Admission("go", start.wait_s, start.queued_at)


def reserve_calls(
    connection: Connection, reservations: Sequence[Reservation], now: datetime
) -> list[Decision]:
    """``ledger.reserve``, with room made of what processes that are gone had reserved."""
    if not reservations:
        return []
    decisions = reserve(connection, reservations)
    if not any(decision.verdict == "busy" for decision in decisions):
        return decisions
    # What a process that died had reserved is nobody's any more: then there may be room.
    if not settle_lost(connection, now, limiter_clock(connection)):
        return decisions
    again = [index for index, decision in enumerate(decisions) if decision.verdict == "busy"]
    for index, decision in zip(again, reserve(connection, [reservations[i] for i in again]), strict=True):
        decisions[index] = decision
    return decisions


def landed_cells(connection: Connection, leases: Sequence[Lease]) -> set[Lease]:
    """Which of these cells have a row: whoever held the lease before may have answered."""
    from sqlalchemy import select

    from daydreaming.store.results import response_key

    landed: set[Lease] = set()
    for stage in ("generation", "evaluation"):
        mine = {lease.cell_id: lease for lease in leases if lease.stage == stage}
        if mine:
            key = response_key(stage)
            landed |= {mine[cell_id] for cell_id in connection.scalars(select(key).where(key.in_(mine)))}
    return landed
