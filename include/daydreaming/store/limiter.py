"""The limiter that all processes share: it hands out start times, per connection and model.

A start is booked in the order in which cells asked; who has to wait is told how long, and asks
again when the time has come, for a pause may have moved it meanwhile. One table holds the starts
of the last minute (of the last day where a model has a daily limit) and those to come; that is all
that a sliding window needs (docs/adr/0010-a-limiter-of-our-own.md).

Functions take a connection within a transaction that holds the write lock (``GroupWriter``), and
many calls at once. On PostgreSQL an advisory lock per model makes processes take turns; its clock
counts there, and not that of the machines.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

from daydreaming.inputs.records import Stage
from daydreaming.llm.limits import (
    RateLimits,
    Start,
    learned_rpm,
    needed_history_s,
    plan_starts,
    ramp_offset_s,
)

if TYPE_CHECKING:
    from sqlalchemy import Connection

#: A start that is no further away is now: asking again would take as long.
NOW_S = 0.05
#: From then on a ramp allows more than any machine sends.
RAMP_END_S = 10.0
#: How fast a limit that was only observed is tried upwards again.
_GROWTH_PER_MINUTE = 1.05
_GROWS_AFTER_S = 120.0
_FORGOTTEN_AFTER_S = 3600.0
_MINUTE_S = 60.0


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


def confirm_starts(connection: Connection, call_ids: Sequence[str]) -> list[float]:
    """Seconds that booked starts still have to wait; those whose time has come count as sent.

    A start that is not there (any more) is 0: it was booked without a limit.
    """
    from sqlalchemy import select, update

    from daydreaming.store.schema import CallStart

    now = limiter_clock(connection)
    query = select(CallStart.call_id, CallStart.start_at).where(CallStart.call_id.in_(call_ids))
    starts: dict[str, float] = dict(connection.execute(query).tuples())
    due = [call_id for call_id, start_at in starts.items() if start_at <= now + NOW_S]
    if due:
        change = update(CallStart).where(CallStart.call_id.in_(due))
        connection.execute(change.values(waiting=False, start_at=now))
    return [_wait(starts.get(call_id, now), now) for call_id in call_ids]


def pause_models(connection: Connection, pauses: Sequence[Pause]) -> list[None]:
    """Let nobody call a model before the time that its provider named; those who wait keep their order."""
    for key, group in _by_model(pauses):
        _pause_model(connection, key, group)
    return [None] * len(pauses)


def count_tokens(connection: Connection, tokens: Mapping[str, int]) -> None:
    """Replace the tokens that starts were booked with by those that the calls used."""
    from sqlalchemy import bindparam, update

    from daydreaming.store.schema import CallStart

    rows = [{"key": call_id, "tokens": count} for call_id, count in tokens.items()]
    if rows:
        connection.execute(update(CallStart).where(CallStart.call_id == bindparam("key")), rows)


def drop_starts(connection: Connection, call_ids: Iterable[str]) -> None:
    """Give up starts that were not used, so that others may have them."""
    from sqlalchemy import delete

    from daydreaming.store.schema import CallStart

    unused = CallStart.waiting.is_(True)
    connection.execute(delete(CallStart).where(CallStart.call_id.in_(list(call_ids)), unused))


@dataclass
class _Rate:
    """A row of ``model_rates``."""

    conn_id: str
    model_name: str
    paused_until: float = 0.0
    learned_rpm: int | None = None
    learned_tpm: int | None = None
    learned_at: float | None = None
    is_stated: bool = False
    ramp_from: float = 0.0
    ramp_count: int = 0

    def effective(self, limits: RateLimits, now: float) -> RateLimits:
        """What is configured; where nothing is, what was learned and may still hold."""
        if limits != RateLimits(burst=limits.burst) or self.learned_at is None:
            return limits
        age_s = now - self.learned_at
        if age_s > _FORGOTTEN_AFTER_S:
            return limits
        grown = 1.0
        if not self.is_stated and age_s > _GROWS_AFTER_S:
            grown = _GROWTH_PER_MINUTE ** ((age_s - _GROWS_AFTER_S) / _MINUTE_S)
        rpm = None if self.learned_rpm is None else int(self.learned_rpm * grown)
        return replace(limits, rpm=rpm, tpm=self.learned_tpm)


def _book_model(
    connection: Connection, key: tuple[str, str], orders: Sequence[StartOrder]
) -> dict[str, BookedStart]:
    now = limiter_clock(connection)
    rate = _lock_rate(connection, key)
    limits = rate.effective(orders[-1].limits, now)
    queued = _take_back(connection, orders, now)
    if limits == RateLimits(burst=limits.burst):
        starts = _ramp(rate, len(orders), now)
        if now - rate.ramp_from > RAMP_END_S and rate.paused_until <= now:
            # Nothing to count: such a start is not kept.
            return {o.call_id: BookedStart(0.0, queued[o.call_id], now) for o in orders}
        rows = [_row(o, queued[o.call_id], at, now) for o, at in zip(orders, starts, strict=True)]
        _insert(connection, rows)
        _save_rate(connection, rate)
    else:
        rows = _queue_up(connection, key, orders, queued, limits, rate, now)
    wanted = {order.call_id for order in orders}
    return {
        row["call_id"]: BookedStart(_wait(row["start_at"], now), row["queued_at"], row["start_at"])
        for row in rows
        if row["call_id"] in wanted
    }


def _queue_up(
    connection: Connection,
    key: tuple[str, str],
    orders: Sequence[StartOrder],
    queued: Mapping[str, float],
    limits: RateLimits,
    rate: _Rate,
    now: float,
) -> list[dict[str, Any]]:
    """Plan the starts of a model with limits; returns the rows of those who asked, and moves later ones."""
    earliest = min(queued.values())
    before, after = _split(_starts(connection, key, now, limits), earliest)
    new = [_row(order, queued[order.call_id], 0.0, now) for order in orders]
    queue = sorted([*new, *after], key=lambda row: row["queued_at"])
    times = plan_starts(_history(before), limits, [row["tokens"] for row in queue], now, rate.paused_until)
    for row, start_at in zip(queue, times, strict=True):
        row.update(start_at=start_at, waiting=start_at > now + NOW_S)
    _insert(connection, new)
    _move(connection, after)
    _forget(connection, key, now - needed_history_s(limits))
    return queue


def _pause_model(connection: Connection, key: tuple[str, str], pauses: Sequence[Pause]) -> None:
    now = limiter_clock(connection)
    rate = _lock_rate(connection, key)
    until = now + max(pause.wait_s for pause in pauses)
    limits = pauses[-1].limits
    refusals = [pause for pause in pauses if pause.refused]
    if until <= rate.paused_until and rate.learned_at is not None:
        # The others that were in flight when the first was refused say the same again.
        refusals = []
    rate.paused_until = max(rate.paused_until, until)
    if refusals:
        _learn(connection, rate, refusals, now)
    rate.ramp_from, rate.ramp_count = rate.paused_until, 0
    effective = rate.effective(limits, now)
    before, after = _split(_starts(connection, key, now, effective), None)
    after.sort(key=lambda row: (row["queued_at"], row["start_at"]))
    times = plan_starts(_history(before), effective, [row["tokens"] for row in after], now, rate.paused_until)
    for row, start_at in zip(after, times, strict=True):
        row["start_at"] = start_at
    _move(connection, after)
    _save_rate(connection, rate)


def _learn(connection: Connection, rate: _Rate, refusals: Sequence[Pause], now: float) -> None:
    """Take over what a provider stated when it refused, or what it had let through until then."""
    from sqlalchemy import func, select

    from daydreaming.store.schema import LLMCall

    recent = (
        LLMCall.conn_id == rate.conn_id,
        LLMCall.model_name == rate.model_name,
        LLMCall.start_at > now - _MINUTE_S,
        LLMCall.start_at <= now,
        LLMCall.state.in_(("reserved", "answered")),
    )
    stated = [p.limit_requests for p in refusals if p.limit_requests]
    tokens = [p.limit_tokens for p in refusals if p.limit_tokens]
    seen = connection.scalar(select(func.count()).where(*recent)) or 1
    observed = learned_rpm(seen, min(stated) if stated else None)
    if rate.learned_at is not None and now - rate.learned_at < _MINUTE_S:
        # Of the calls that were in flight one after the other is refused: the last word is the lowest.
        observed = min(observed, rate.learned_rpm or observed)
    else:
        _remember_starts(connection, recent)
    rate.learned_rpm = observed
    rate.learned_tpm = min(tokens) if tokens else rate.learned_tpm
    rate.learned_at, rate.is_stated = now, bool(stated)


def _remember_starts(connection: Connection, recent: Sequence[Any]) -> None:
    """Count the starts of a model that had no limit until now: its provider counts them too."""
    from sqlalchemy import false, func, insert, select

    from daydreaming.store.schema import CallStart, LLMCall

    columns = ("call_id", "conn_id", "model_name", "stage", "cell_id", "queued_at", "start_at", "tokens")
    query = select(
        LLMCall.call_id,
        LLMCall.conn_id,
        LLMCall.model_name,
        LLMCall.stage,
        LLMCall.cell_id,
        LLMCall.start_at,
        LLMCall.start_at,
        func.coalesce(LLMCall.prompt_tokens + LLMCall.completion_tokens, 0),
        false(),
    ).where(*recent, LLMCall.call_id.not_in(select(CallStart.call_id)))
    connection.execute(insert(CallStart).from_select([*columns, "waiting"], query))


def _ramp(rate: _Rate, count: int, now: float) -> list[float]:
    if not rate.ramp_from:
        rate.ramp_from = now
    first = rate.ramp_count
    rate.ramp_count += count
    begin = max(now, rate.paused_until)
    return [max(begin, rate.ramp_from + ramp_offset_s(k)) for k in range(first, first + count)]


def _take_back(connection: Connection, orders: Sequence[StartOrder], now: float) -> dict[str, float]:
    """Give up unused starts of the same cells; since when each cell waits, by call."""
    from sqlalchemy import delete, select

    from daydreaming.store.schema import CallStart

    cells = {order.cell_id for order in orders}
    unused = (CallStart.cell_id.in_(cells), CallStart.waiting.is_(True))
    query = select(CallStart.stage, CallStart.cell_id, CallStart.queued_at).where(*unused)
    since = {(stage, cell_id): queued_at for stage, cell_id, queued_at in connection.execute(query)}
    if since:
        connection.execute(delete(CallStart).where(*unused))
    return {
        order.call_id: min(order.queued_at or now, since.get((order.stage, order.cell_id), now))
        for order in orders
    }


def _starts(
    connection: Connection, key: tuple[str, str], now: float, limits: RateLimits
) -> list[dict[str, Any]]:
    from sqlalchemy import select

    from daydreaming.store.schema import CallStart

    table = CallStart.__table__
    query = (
        select(table)
        .where(
            CallStart.conn_id == key[0],
            CallStart.model_name == key[1],
            CallStart.start_at > now - needed_history_s(limits),
        )
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


def _history(rows: Iterable[Mapping[str, Any]]) -> list[Start]:
    return [Start(row["start_at"], row["tokens"]) for row in rows]


def _row(order: StartOrder, queued_at: float, start_at: float, now: float) -> dict[str, Any]:
    return {
        "call_id": order.call_id,
        "conn_id": order.conn_id,
        "model_name": order.model_name,
        "stage": order.stage,
        "cell_id": order.cell_id,
        "queued_at": queued_at,
        "start_at": start_at,
        "tokens": order.tokens,
        "waiting": start_at > now + NOW_S,
    }


def _insert(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    from sqlalchemy import insert

    from daydreaming.store.schema import CallStart

    connection.execute(insert(CallStart), [dict(row) for row in rows])


def _move(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    from sqlalchemy import bindparam, update

    from daydreaming.store.schema import CallStart

    if rows:
        moved = [{"key": row["call_id"], "start_at": row["start_at"]} for row in rows]
        connection.execute(update(CallStart).where(CallStart.call_id == bindparam("key")), moved)


def _forget(connection: Connection, key: tuple[str, str], before: float) -> None:
    from sqlalchemy import delete

    from daydreaming.store.schema import CallStart

    old = (CallStart.conn_id == key[0], CallStart.model_name == key[1], CallStart.start_at < before)
    connection.execute(delete(CallStart).where(*old))


def _lock_rate(connection: Connection, key: tuple[str, str]) -> _Rate:
    from sqlalchemy import func, select

    from daydreaming.store.schema import ModelRate

    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(func.hashtext(f"{key[0]}\n{key[1]}"))))
    fields = [getattr(ModelRate, name) for name in _Rate.__dataclass_fields__]
    query = select(*fields).where(ModelRate.conn_id == key[0], ModelRate.model_name == key[1])
    row = connection.execute(query).one_or_none()
    if row is not None:
        return _Rate(*row)
    return _Rate(*key)


def _save_rate(connection: Connection, rate: _Rate) -> None:
    from dataclasses import asdict

    from daydreaming.store.schema import ModelRate
    from daydreaming.store.upsert import upsert

    upsert(connection, ModelRate, [asdict(rate)])


def _by_model(items: Sequence[Any]) -> Iterable[tuple[tuple[str, str], list[Any]]]:
    """Items by connection and model, in one order everywhere: locks are then never taken crosswise."""

    def key(item: Any) -> tuple[str, str]:
        return item.conn_id, item.model_name

    return [(model, list(group)) for model, group in groupby(sorted(items, key=key), key=key)]


def _wait(start_at: float, now: float) -> float:
    return start_at - now if start_at > now + NOW_S else 0.0
