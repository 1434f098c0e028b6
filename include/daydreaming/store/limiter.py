"""The limiter that all processes share: it hands out start times, per connection and model.

A start is booked in the order in which cells asked; who has to wait is told how long, and asks
again when the time has come, for a pause may have moved it meanwhile. One table holds the starts
of the last minute (of the last day where a model has a daily limit) and those to come; that is all
that a sliding window needs (docs/adr/0010-a-limiter-of-our-own.md).

Functions take a connection within a transaction that holds the write lock (``GroupWriter``,
``database.writing_engine``), and many calls at once: processes take turns. On PostgreSQL its clock
counts, and not that of the machines.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING, Any

from daydreaming.inputs.records import Stage
from daydreaming.llm.limits import (
    DAY_S,
    MARGIN_S,
    MINUTE_S,
    RateLimits,
    Start,
    needed_history_s,
    plan_starts,
)
from daydreaming.store.claims import Lease, renew_cells
from daydreaming.store.learned_rates import (
    MOST_TOKENS,
    RAMP_END_S,
    LearnedRate,
    count_recent,
    load_rate,
    remember_starts,
    save_rate,
    was_used,
)
from daydreaming.store.ledger import Settlement, settle

if TYPE_CHECKING:
    from sqlalchemy import Connection

#: A start that is no further away is now: asking again would take as long.
NOW_S = 0.05
#: A start that is confirmed later than this is planned anew, with those behind it; the windows'
#: margin covers less.
LATE_S = 0.3
#: A start that is not confirmed within this does not count: its process is gone, or its instance
#: comes back later. Its cell keeps its place in the queue.
MISSED_S = 5.0
#: A refusal without a stated limit that asks for less is no sign of one: no window is over so soon.
TEACHES_FROM_S = 5.0
#: Cells that asked together asked one after the other: by this, which is more than a float's grain.
_TICK_S = 1e-6


NO_LIMITS = RateLimits()


@dataclass(frozen=True)
class StartOrder:
    """One attempt that wants to be sent.

    Attributes:
        tokens: Tokens that it counts with, prompt and answer.
        limits: What is configured for the model.
        queued_at: When its cell first asked; None for now.
    """

    call_id: str
    conn_id: str
    model_name: str
    stage: Stage
    cell_id: str
    tokens: int
    limits: RateLimits = NO_LIMITS
    queued_at: float | None = None


@dataclass(frozen=True)
class BookedStart:
    """A start that was handed out: seconds to wait, and since when its cell waits."""

    wait_s: float
    queued_at: float
    start_at: float


@dataclass(frozen=True)
class Pause:
    """What a provider said of a model: nothing before ``wait_s`` seconds are over.

    Attributes:
        refused: True for a 429; then the limit is learned where none is configured.
        limit_requests: Requests per minute that the provider stated, where it did; ``limit_tokens``
            tokens likewise.
    """

    conn_id: str
    model_name: str
    wait_s: float
    limits: RateLimits = NO_LIMITS
    refused: bool = True
    limit_requests: int | None = None
    limit_tokens: int | None = None


class CallLost(Exception):  # noqa: N818 - no error: its cell asks again
    """A call that waited is nobody's any more: its lease had run out, and others acted on that."""


def limiter_clock(connection: Connection) -> float:
    """Seconds since 1970: the database server's clock, or this machine's where there is no server."""
    from sqlalchemy import text

    if connection.dialect.name == "sqlite":
        return time.time()
    return float(connection.scalar(text("SELECT extract(epoch FROM clock_timestamp())")) or 0.0)


def book_starts(connection: Connection, orders: Sequence[StartOrder]) -> list[BookedStart]:
    """Hand out start times, first come, first served within each model.

    Returns:
        For each order, in the orders' order. What was booked for its cell before and not used is
        given up, but its place in the queue is kept.
    """
    booked: dict[str, BookedStart] = {}
    for key, group in _by_model(orders):
        booked |= _book_model(connection, key, group)
    return [booked[order.call_id] for order in orders]


def confirm_starts(connection: Connection, orders: Sequence[StartOrder]) -> list[float]:
    """Seconds that booked starts still have to wait; those whose time has come count as sent.

    Their leases are renewed. The caller's own clock is no witness for them: it stands still while a
    machine sleeps.

    Raises:
        CallLost: One of them may not be sent: another has its cell, or its price was given up.
    """
    _renew_leases(connection, orders)
    waits: dict[str, float] = {}
    for key, group in _by_model(orders):
        waits |= _confirm_model(connection, key, group)
    return [waits[order.call_id] for order in orders]


def _renew_leases(connection: Connection, orders: Sequence[StartOrder]) -> None:
    from sqlalchemy import select

    from daydreaming.store.schema import LLMCall

    call_ids = [order.call_id for order in orders]
    query = select(LLMCall.call_id, LLMCall.owner).where(LLMCall.call_id.in_(call_ids))
    owners = {row[0]: row[1] for row in connection.execute(query.where(LLMCall.state == "reserved"))}
    lost = set(call_ids) - owners.keys()
    leases = [Lease(o.stage, o.cell_id, owners[o.call_id]) for o in orders if o.call_id in owners]
    if lost or not all(renew_cells(connection, leases, _time(limiter_clock(connection)))):
        raise CallLost(call_ids)


def _confirm_model(
    connection: Connection, key: tuple[str, str], orders: Sequence[StartOrder]
) -> dict[str, float]:
    now = limiter_clock(connection)
    call_ids = [order.call_id for order in orders]
    starts = _times(connection, call_ids)
    if any(start_at < now - LATE_S for start_at in starts.values()):
        # Its place in the windows may be taken; and those behind were planned on it.
        rate = load_rate(connection, key)
        limits = _limits(connection, key, rate, orders[-1].limits, now)
        if not _is_open(limits):
            _plan_anew(connection, key, rate, limits, now, call_ids)
            starts = _times(connection, call_ids)
    _mark_sent(connection, [call_id for call_id, at in starts.items() if at <= now + NOW_S], now)
    return {call_id: _wait(starts.get(call_id, now), now) for call_id in call_ids}


def pause_models(connection: Connection, pauses: Sequence[Pause]) -> list[None]:
    """Let nobody call a model before the time that its provider named; those who wait keep their order."""
    for key, group in _by_model(pauses):
        _pause_model(connection, key, group)
    return [None] * len(pauses)


def count_tokens(connection: Connection, tokens: Mapping[str, int]) -> None:
    """Replace the tokens that starts were booked with by those that the calls used."""
    from sqlalchemy import bindparam, update

    from daydreaming.store.schema import CallStart

    rows = [{"key": call_id, "tokens": min(count, MOST_TOKENS)} for call_id, count in tokens.items()]
    if rows:
        connection.execute(update(CallStart).where(CallStart.call_id == bindparam("key")), rows)


def drop_starts(connection: Connection, call_ids: Iterable[str]) -> None:
    """Give up starts that were not used, so that others may have them."""
    from sqlalchemy import delete

    from daydreaming.store.schema import CallStart

    unused = CallStart.waiting.is_(True)
    connection.execute(delete(CallStart).where(CallStart.call_id.in_(list(call_ids)), unused))


def move_up(connection: Connection, orders: Sequence[StartOrder], *, tokens_only: bool = False) -> None:
    """Let those who wait start earlier, after these starts were dropped.

    Args:
        connection: Within a transaction.
        orders: The starts that changed.
        tokens_only: They were used, and took other tokens than they were booked with.
    """
    for key, group in _by_model(orders):
        now = limiter_clock(connection)
        if not _is_waited_for(connection, key, now):
            continue
        rate = load_rate(connection, key)
        limits = _limits(connection, key, rate, group[-1].limits, now)
        if limits.tpm is not None or not (tokens_only or _is_open(limits)):
            _plan_anew(connection, key, rate, limits, now)


def _book_model(
    connection: Connection, key: tuple[str, str], orders: Sequence[StartOrder]
) -> dict[str, BookedStart]:
    now = limiter_clock(connection)
    rate = load_rate(connection, key)
    limits = _limits(connection, key, rate, orders[-1].limits, now)
    queued = _take_back(connection, key, orders, now)
    if not _is_open(limits):
        rows = _queue_up(connection, key, orders, queued, limits, rate, now)
    elif _is_ramped(connection, key, rate, now):
        times = rate.ramp(len(orders), now)
        rows = [_row(o, queued[o.call_id], at, now) for o, at in zip(orders, times, strict=True)]
        _insert(connection, rows)
        save_rate(connection, rate)
    else:
        # Nothing to count: such a start is not kept.
        return {o.call_id: BookedStart(0.0, queued[o.call_id], now) for o in orders}
    _forget(connection, key, limits, now)
    wanted = {order.call_id for order in orders}
    return {
        row["call_id"]: BookedStart(_wait(row["start_at"], now), row["queued_at"], row["start_at"])
        for row in rows
        if row["call_id"] in wanted
    }


def _is_open(limits: RateLimits) -> bool:
    return limits.rpm is None and limits.tpm is None and limits.rpd is None


def _limits(
    connection: Connection, key: tuple[str, str], rate: LearnedRate, configured: RateLimits, now: float
) -> RateLimits:
    """What to keep to: what is configured, and what was learned and may still hold."""
    if rate.learned_at is not None and rate.is_forgotten(now) and not _is_waited_for(connection, key, now):
        # For good: else who waits on the ramp soon would be planned on it.
        rate.forget()
        return configured
    # Those who wait were planned on what was learned: forgotten now, all of them would start at once.
    return rate.effective(configured, now)


def _is_ramped(connection: Connection, key: tuple[str, str], rate: LearnedRate, now: float) -> bool:
    """Whether a model without a limit is (again) called slowly at first."""
    if now - rate.ramp_from <= RAMP_END_S or rate.paused_until > now:
        return True
    if was_used(connection, key, now):
        return False
    rate.restart_ramp(now)
    return True


def _queue_up(
    connection: Connection,
    key: tuple[str, str],
    orders: Sequence[StartOrder],
    queued: Mapping[str, float],
    limits: RateLimits,
    rate: LearnedRate,
    now: float,
) -> list[dict[str, Any]]:
    """Plan the starts of a model with limits; returns the rows of those who asked, and moves later ones."""
    earliest = min(queued.values())
    before, after = _split(_starts(connection, key, now, limits), earliest)
    new = [_row(order, queued[order.call_id], 0.0, now) for order in orders]
    queue = sorted([*new, *after], key=lambda row: row["queued_at"])
    _plan(queue, before, limits, rate, now)
    for row in new:
        row["waiting"] = row["start_at"] > now + NOW_S
    _insert(connection, new)
    _move(connection, after)
    return queue


def _pause_model(connection: Connection, key: tuple[str, str], pauses: Sequence[Pause]) -> None:
    now = limiter_clock(connection)
    rate = load_rate(connection, key)
    until = now + max(pause.wait_s for pause in pauses)
    limits = pauses[-1].limits
    refusals = [pause for pause in pauses if pause.refused and _teaches(pause)]
    if until <= rate.paused_until and rate.learned_at is not None:
        # The others that were in flight when the first was refused say the same again.
        refusals = []
    rate.paused_until = max(rate.paused_until, until)
    if refusals:
        _learn(connection, key, rate, refusals, now)
    rate.restart_ramp(rate.paused_until)
    _plan_anew(connection, key, rate, _limits(connection, key, rate, limits, now), now)
    save_rate(connection, rate)


def _teaches(pause: Pause) -> bool:
    """Whether a refusal says something of a limit; one that passes at once speaks of a busy moment."""
    return bool(pause.limit_requests or pause.limit_tokens) or pause.wait_s >= TEACHES_FROM_S


def _learn(
    connection: Connection, key: tuple[str, str], rate: LearnedRate, refusals: Sequence[Pause], now: float
) -> None:
    if rate.learned_at is None or now - rate.learned_at >= MINUTE_S:
        remember_starts(connection, key, now)
    rpms = [pause.limit_requests for pause in refusals if pause.limit_requests]
    tpms = [pause.limit_tokens for pause in refusals if pause.limit_tokens]
    rate.learn(count_recent(connection, key, now) or 1, rpms, tpms, now)


def _plan_anew(
    connection: Connection,
    key: tuple[str, str],
    rate: LearnedRate,
    limits: RateLimits,
    now: float,
    missed: Collection[str] = (),
) -> None:
    """Plan all that wait once more, in their order; of those that missed their time, ``missed`` only."""
    before, after = _split(_starts(connection, key, now, limits, missed), None)
    after.sort(key=lambda row: (row["queued_at"], row["start_at"]))
    _plan(after, before, limits, rate, now)
    _move(connection, after)


def _plan(
    queue: Sequence[dict[str, Any]],
    history: Iterable[Mapping[str, Any]],
    limits: RateLimits,
    rate: LearnedRate,
    now: float,
) -> None:
    """Set the start times of a queue."""
    if _is_open(limits):
        times = rate.ramp(len(queue), now)
    else:
        starts = [Start(row["start_at"], row["tokens"]) for row in history]
        tokens = [row["tokens"] for row in queue]
        times = plan_starts(starts, limits, tokens, now, rate.paused_until)
    for row, start_at in zip(queue, times, strict=True):
        row["is_moved"] = row["start_at"] != start_at
        row["start_at"] = start_at


def _take_back(
    connection: Connection, key: tuple[str, str], orders: Sequence[StartOrder], now: float
) -> dict[str, float]:
    """Give up unused starts of the same cells; since when each cell waits, by call.

    A call that was to start then was not sent, and never will be: whoever sends says so first. It is
    settled here, for without its start nobody could tell.
    """
    from sqlalchemy import delete, func, select

    from daydreaming.store.schema import CallStart

    mine = (CallStart.conn_id == key[0], CallStart.model_name == key[1], CallStart.waiting.is_(True))
    last = connection.scalar(select(func.max(CallStart.queued_at)).where(*mine))
    # Behind all that have asked, also where the clock stood still or was set back.
    behind = max(now, (last or 0.0) + _TICK_S)
    cells = {(order.stage, order.cell_id) for order in orders}
    columns = (CallStart.call_id, CallStart.stage, CallStart.cell_id, CallStart.queued_at)
    unused = (CallStart.cell_id.in_({cell_id for _, cell_id in cells}), CallStart.waiting.is_(True))
    given_up: list[str] = []
    since: dict[tuple[str, str], float] = {}
    for call_id, stage, cell_id, queued_at in connection.execute(select(*columns).where(*unused)):
        if (stage, cell_id) in cells:
            given_up.append(call_id)
            since[stage, cell_id] = min(queued_at, since.get((stage, cell_id), queued_at))
    if given_up:
        connection.execute(delete(CallStart).where(CallStart.call_id.in_(given_up)))
        settle(connection, [Settlement(call_id, "unsent", _time(now)) for call_id in given_up])
    queued: dict[str, float] = {}
    for number, order in enumerate(orders):
        asked = order.queued_at or behind + number * _TICK_S
        queued[order.call_id] = min(asked, since.get((order.stage, order.cell_id), asked))
    return queued


def _times(connection: Connection, call_ids: Sequence[str]) -> dict[str, float]:
    """When those of these starts are that still wait."""
    from sqlalchemy import select

    from daydreaming.store.schema import CallStart

    unused = (CallStart.call_id.in_(call_ids), CallStart.waiting.is_(True))
    rows = connection.execute(select(CallStart.call_id, CallStart.start_at).where(*unused))
    return {row[0]: row[1] for row in rows}


def _mark_sent(connection: Connection, call_ids: Sequence[str], now: float) -> None:
    from sqlalchemy import update

    from daydreaming.store.schema import CallStart, LLMCall

    if call_ids:
        change = update(CallStart).where(CallStart.call_id.in_(call_ids))
        connection.execute(change.values(waiting=False, start_at=now))
        connection.execute(update(LLMCall).where(LLMCall.call_id.in_(call_ids)).values(start_at=now))


def _is_waited_for(connection: Connection, key: tuple[str, str], now: float) -> bool:
    from sqlalchemy import select

    from daydreaming.store.schema import CallStart

    mine = (CallStart.conn_id == key[0], CallStart.model_name == key[1])
    to_come = (CallStart.start_at > now - MISSED_S, CallStart.waiting.is_(True))
    return connection.scalar(select(CallStart.call_id).where(*mine, *to_come).limit(1)) is not None


def _starts(
    connection: Connection,
    key: tuple[str, str],
    now: float,
    limits: RateLimits,
    missed: Collection[str] = (),
) -> list[dict[str, Any]]:
    """Starts that count and starts to come, in the order of their times; with ``missed``, those too."""
    from sqlalchemy import and_, or_, select

    from daydreaming.store.schema import CallStart

    since = now - needed_history_s(limits)
    counts = or_(
        and_(CallStart.waiting.is_(False), CallStart.start_at > since),
        and_(CallStart.waiting.is_(True), CallStart.start_at > now - MISSED_S),
        CallStart.call_id.in_(missed),
    )
    query = (
        select(CallStart.__table__)
        .where(CallStart.conn_id == key[0], CallStart.model_name == key[1], counts)
        .order_by(CallStart.start_at, CallStart.queued_at, CallStart.call_id)
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def _split(
    starts: Iterable[dict[str, Any]], queued_from: float | None
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Starts that stand, and those that wait and asked at ``queued_from`` or later (None: all that wait)."""
    before: list[dict[str, Any]] = []
    after: list[dict[str, Any]] = []
    for row in starts:
        moves = row["waiting"] and (queued_from is None or row["queued_at"] > queued_from)
        (after if moves else before).append(row)
    return before, after


def _row(order: StartOrder, queued_at: float, start_at: float, now: float) -> dict[str, Any]:
    return {
        "call_id": order.call_id,
        "conn_id": order.conn_id,
        "model_name": order.model_name,
        "stage": order.stage,
        "cell_id": order.cell_id,
        "queued_at": queued_at,
        "start_at": start_at,
        "tokens": min(order.tokens, MOST_TOKENS),
        "waiting": start_at > now + NOW_S,
    }


def _insert(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    from sqlalchemy import insert

    from daydreaming.store.schema import CallStart

    columns = CallStart.__table__.columns.keys()
    connection.execute(insert(CallStart), [{name: row[name] for name in columns} for row in rows])


def _move(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    from sqlalchemy import bindparam, update

    from daydreaming.store.schema import CallStart

    moved = [{"key": row["call_id"], "start_at": row["start_at"]} for row in rows if row["is_moved"]]
    if moved:
        connection.execute(update(CallStart).where(CallStart.call_id == bindparam("key")), moved)


def _forget(connection: Connection, key: tuple[str, str], limits: RateLimits, now: float) -> None:
    """Delete what changes no plan any more; who waits, or comes back, has a place to keep."""
    from sqlalchemy import delete, or_

    from daydreaming.store.schema import CallStart

    old = or_(
        CallStart.waiting.is_(False) & (CallStart.start_at < now - max(needed_history_s(limits), MINUTE_S)),
        CallStart.start_at < now - DAY_S - MARGIN_S,
    )
    mine = (CallStart.conn_id == key[0], CallStart.model_name == key[1])
    connection.execute(delete(CallStart).where(*mine, old))


def _by_model(items: Sequence[Any]) -> Iterable[tuple[tuple[str, str], list[Any]]]:
    """Items by connection and model, in one order everywhere: locks are then never taken crosswise."""

    def key(item: Any) -> tuple[str, str]:
        return item.conn_id, item.model_name

    return [(model, list(group)) for model, group in groupby(sorted(items, key=key), key=key)]


def _time(clock: float) -> datetime:
    return datetime.fromtimestamp(clock, UTC)


def _wait(start_at: float, now: float) -> float:
    return start_at - now if start_at > now + NOW_S else 0.0
