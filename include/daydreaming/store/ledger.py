"""The ledger: what each attempt may cost is reserved before it is sent, and settled afterwards.

Functions take a connection within a transaction that holds the write lock (``GroupWriter``,
``database.writing_engine``), and many calls at once: processes take turns.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from daydreaming.llm.price import to_nanousd

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

NANO = 1_000_000_000
Verdict = Literal["reserved", "busy", "refused"]
CallState = Literal["answered", "failed", "unsent", "unknown"]
_BEFORE_ALL = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Reservation:
    """What one attempt asks of the budgets.

    Attributes:
        row: Columns of ``llm_calls`` that are known before the call.
        nanousd: Worst case in billionths of a US dollar; None where the model has no price.
        day_cap_nanousd: The deployment's cap per day (UTC); None for none.
    """

    row: Mapping[str, Any]
    nanousd: int | None
    day_cap_nanousd: int | None = None

    @property
    def scopes(self) -> tuple[str, str]:
        """The budgets that it counts against."""
        return experiment_scope(self.row["experiment_id"]), day_scope(self.row["budget_day"])


@dataclass(frozen=True)
class Decision:
    """What became of a reservation; ``reason`` is for a person, where it was not made."""

    verdict: Verdict
    reason: str = ""


@dataclass(frozen=True)
class Settlement:
    """How one attempt ended.

    Attributes:
        cost_nanousd: What it cost; None where nobody knows (with ``unknown``: the worst case counts).
    """

    call_id: str
    state: CallState
    ended_at: datetime
    cost_nanousd: int | None = None
    cost_source: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    upstream_provider: str | None = None
    error_class: str | None = None


def experiment_scope(experiment_id: str) -> str:
    """Name of an experiment's budget."""
    return f"experiment:{experiment_id}"


def day_scope(day: str) -> str:
    """Name of a day's budget (``YYYY-MM-DD``, UTC)."""
    return f"day:{day}"


def budget_day(now: datetime) -> str:
    """The day that a call at ``now`` counts against."""
    return now.astimezone(UTC).date().isoformat()


def reserve(connection: Connection, orders: Sequence[Reservation]) -> list[Decision]:
    """Reserve money for attempts, in their order, each on all its budgets or on none.

    The rows of those that are reserved are the caller's to write (``insert_calls``).

    Returns:
        ``busy`` where it fits only once others that are in flight have turned out cheaper;
        ``refused`` where it does not fit, or has no price under a cap.
    """
    budgets = _load_budgets(connection, {scope for order in orders for scope in order.scopes})
    decisions = [_decide(budgets, order) for order in orders]
    _save_budgets(connection, budgets.values())
    return decisions


def insert_calls(connection: Connection, reservations: Sequence[tuple[Reservation, float]]) -> None:
    """Write the ledger's rows of attempts that were reserved, with their start times."""
    from sqlalchemy import insert

    from daydreaming.store.schema import LLMCall

    rows = [
        {**order.row, "state": "reserved", "reserved_nanousd": order.nanousd, "start_at": start_at}
        for order, start_at in reservations
    ]
    if rows:
        connection.execute(insert(LLMCall), rows)


def settle(connection: Connection, settlements: Sequence[Settlement]) -> list[None]:
    """Put what attempts cost in place of what they had reserved; one that is settled stays so."""
    from sqlalchemy import bindparam, select, update

    from daydreaming.store.schema import LLMCall

    by_id: dict[str, Settlement] = {}
    for settlement in settlements:
        by_id.setdefault(settlement.call_id, settlement)
    columns = (LLMCall.call_id, LLMCall.reserved_nanousd, LLMCall.experiment_id, LLMCall.budget_day)
    query = select(*columns).where(LLMCall.call_id.in_(by_id), LLMCall.state == "reserved")
    open_calls = connection.execute(query).all()
    budgets = _load_budgets(
        connection, {s for _, _, e, day in open_calls for s in (experiment_scope(e), day_scope(day))}
    )
    rows = []
    for call_id, reserved, experiment_id, day in open_calls:
        row = _settled_row(by_id[call_id], reserved)
        for scope in (experiment_scope(experiment_id), day_scope(day)):
            budgets[scope].reserved -= reserved or 0
            budgets[scope].spent += row["cost_nanousd"] or 0
        rows.append(row)
    if rows:
        connection.execute(update(LLMCall).where(LLMCall.call_id == bindparam("key")), rows)
    _save_budgets(connection, budgets.values())
    return [None] * len(settlements)


def settle_lost(connection: Connection, now: datetime, now_s: float) -> int:
    """Settle attempts whose process is gone: no live lease stands behind them.

    What was to be sent already counts with its worst case; what still waited was never sent: whoever
    sends says so first (``confirm_starts``).

    Args:
        connection: Within a transaction.
        now: The time that leases go by.
        now_s: The limiter's clock.

    Returns:
        How many there were.
    """
    from sqlalchemy import and_, exists, select

    from daydreaming.store.schema import CallStart, Claim, LLMCall

    held = exists().where(
        and_(
            Claim.stage == LLMCall.stage,
            Claim.cell_id == LLMCall.cell_id,
            Claim.owner == LLMCall.owner,
            Claim.expires_at > now,
        )
    )
    query = (
        select(LLMCall.call_id, LLMCall.start_at, CallStart.waiting)
        .outerjoin(CallStart, CallStart.call_id == LLMCall.call_id)
        .where(LLMCall.state == "reserved", ~held)
    )
    lost = []
    for call_id, start_at, is_waiting in connection.execute(query):
        # Without a limit no start is kept.
        is_unsent = start_at > now_s if is_waiting is None else is_waiting
        lost.append(Settlement(call_id, "unsent" if is_unsent else "unknown", now))
    settle(connection, lost)
    return len(lost)


def open_failures(
    engine: Engine, experiment_id: str, run_id: str, stage: str, cell_id: str
) -> tuple[int, datetime | None]:
    """Failed attempts of an instance that none ended yet: how many, and when the first was.

    Those before an answer, or before a failure that ended the instance's try, are over.
    """
    from sqlalchemy import func, literal, select

    from daydreaming.store.schema import CellFailure, LLMCall, UtcDateTime

    def of_instance(table: Any) -> tuple[Any, ...]:
        ids = {"experiment_id": experiment_id, "run_id": run_id, "stage": stage, "cell_id": cell_id}
        return tuple(getattr(table, name) == value for name, value in ids.items())

    ended = select(func.max(CellFailure.id)).where(*of_instance(CellFailure), CellFailure.final.is_(True))
    answered = select(func.max(LLMCall.ended_at)).where(*of_instance(LLMCall), LLMCall.state == "answered")
    query = select(func.count(), func.min(CellFailure.occurred_at)).where(
        *of_instance(CellFailure),
        CellFailure.id > func.coalesce(ended.scalar_subquery(), 0),
        CellFailure.occurred_at
        > func.coalesce(answered.scalar_subquery(), literal(_BEFORE_ALL, UtcDateTime), type_=UtcDateTime),
    )
    with engine.connect() as connection:
        count, first_at = connection.execute(query).one()
    return count, first_at


def set_experiment_cap(connection: Connection, experiment_id: str, cap_usd: float | None) -> None:
    """Set or lift an experiment's cap; what was spent stays."""
    scope = experiment_scope(experiment_id)
    budget = _load_budgets(connection, {scope})[scope]
    budget.cap = None if cap_usd is None else to_nanousd(cap_usd)
    _save_budgets(connection, [budget])


def read_budget(engine: Engine, scope: str) -> tuple[int | None, int, int]:
    """Cap, reserved and spent of a scope, in billionths of a US dollar."""
    from sqlalchemy import select

    from daydreaming.store.schema import Budget

    columns = (Budget.cap_nanousd, Budget.reserved_nanousd, Budget.spent_nanousd)
    with engine.connect() as connection:
        row = connection.execute(select(*columns).where(Budget.scope == scope)).one_or_none()
    return (None, 0, 0) if row is None else (row[0], row[1], row[2])


def read_calls(engine: Engine, experiment_id: str | None = None) -> list[dict[str, Any]]:
    """Every attempt in the ledger, oldest first; of one experiment where it is named."""
    from sqlalchemy import select

    from daydreaming.store.schema import LLMCall

    query = select(LLMCall.__table__).order_by(LLMCall.reserved_at, LLMCall.call_id)
    if experiment_id is not None:
        query = query.where(LLMCall.experiment_id == experiment_id)
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]


@dataclass
class _Budget:
    scope: str
    cap: int | None
    reserved: int
    spent: int


def _load_budgets(connection: Connection, scopes: Iterable[str]) -> dict[str, _Budget]:
    from sqlalchemy import select

    from daydreaming.store.schema import Budget
    from daydreaming.store.upsert import insert_missing

    names = sorted(scopes)
    if not names:
        return {}
    fields = (Budget.scope, Budget.cap_nanousd, Budget.reserved_nanousd, Budget.spent_nanousd)
    query = select(*fields).where(Budget.scope.in_(names))
    found = {row[0]: _Budget(*row) for row in connection.execute(query)}
    missing = [name for name in names if name not in found]
    if missing:
        rows = [{"scope": name, "reserved_nanousd": 0, "spent_nanousd": 0} for name in missing]
        insert_missing(connection, Budget, rows)
        found = {row[0]: _Budget(*row) for row in connection.execute(query)}
    return found


def _save_budgets(connection: Connection, budgets: Iterable[_Budget]) -> None:
    from sqlalchemy import bindparam, update

    from daydreaming.store.schema import Budget

    rows = [
        {
            "key": budget.scope,
            "cap_nanousd": budget.cap,
            "reserved_nanousd": budget.reserved,
            "spent_nanousd": budget.spent,
        }
        for budget in budgets
    ]
    if rows:
        connection.execute(update(Budget).where(Budget.scope == bindparam("key")), rows)


def _decide(budgets: Mapping[str, _Budget], order: Reservation) -> Decision:
    experiment, day = (budgets[scope] for scope in order.scopes)
    caps = (
        (experiment, experiment.cap, f"max_cost_usd of experiment {order.row['experiment_id']}"),
        (day, order.day_cap_nanousd, f"DAYDREAMING_DAILY_BUDGET_USD for {order.row['budget_day']} (UTC)"),
    )
    busy = Decision("reserved")
    for budget, cap, name in caps:
        if cap is None:
            continue
        if order.nanousd is None:
            return Decision("refused", _no_price(order, name))
        if budget.spent + order.nanousd > cap:
            return Decision("refused", _over_cap(order, name, cap, budget))
        if budget.spent + budget.reserved + order.nanousd > cap:
            busy = Decision("busy", f"{name} is reserved by calls in flight")
    if busy.verdict == "reserved":
        for budget in (experiment, day):
            budget.reserved += order.nanousd or 0
    return busy


def _no_price(order: Reservation, name: str) -> str:
    return (
        f"Model {order.row['model_id']} has no price in llm_models.csv, and {name} is set: what the call may "
        "cost cannot be reserved. Fill in usd_per_1m_input and usd_per_1m_output, or lift the cap. "
        "Nothing was sent."
    )


def _over_cap(order: Reservation, name: str, cap: int, budget: _Budget) -> str:
    remedy = (
        f"Raise it (`daydreaming cost {order.row['experiment_id']} --cap USD`), then clear the failed "
        "instances."
        if name.startswith("max_cost_usd")
        else "Raise it and restart, or wait for the next day (UTC); then clear the failed instances."
    )
    return (
        f"{name} is {_usd(cap)} US dollars; {_usd(budget.spent)} are spent, and this call may cost up to "
        f"{_usd(order.nanousd or 0)}. Nothing was sent. {remedy}"
    )


def _usd(nanousd: int) -> str:
    return f"{nanousd / NANO:.9f}".rstrip("0").rstrip(".")


def _settled_row(settlement: Settlement, reserved: int | None) -> dict[str, Any]:
    cost, source = settlement.cost_nanousd, settlement.cost_source
    if settlement.state == "unsent":
        cost, source = 0, None
    elif settlement.state == "unknown" or cost is None:
        # Nobody can say what it cost: what it cannot have passed counts.
        cost, source = reserved, "worst case" if reserved is not None else "unknown"
    return {
        "key": settlement.call_id,
        "state": settlement.state,
        "cost_nanousd": cost,
        "cost_source": source,
        "prompt_tokens": settlement.prompt_tokens,
        "completion_tokens": settlement.completion_tokens,
        "upstream_provider": settlement.upstream_provider,
        "error_class": settlement.error_class,
        "ended_at": settlement.ended_at,
    }
