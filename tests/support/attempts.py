"""Attempts at calls that nobody makes: what the limiter, the ledger and the desk are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from daydreaming.inputs.records import Stage
from daydreaming.llm.limits import RateLimits
from daydreaming.store.admission import CallOrder
from daydreaming.store.claims import Lease
from daydreaming.store.ledger import Reservation
from daydreaming.store.limiter import NO_LIMITS, Pause, StartOrder

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
DAY = "2026-03-01"


def reservation(
    call_id: str,
    nanousd: int | None = 10,
    *,
    experiment_id: str = "e",
    day_cap: int | None = None,
    **row: Any,
) -> Reservation:
    """What a call asks of the budgets; ``row`` are columns of its row in the ledger."""
    return Reservation(call_row(call_id, experiment_id=experiment_id, **row), nanousd, day_cap)


def call_row(call_id: str, **columns: Any) -> Mapping[str, Any]:
    """Columns of ``llm_calls`` that are known before a call."""
    known = {
        "call_id": call_id,
        "owner": f"owner of {call_id}",
        "experiment_id": "e",
        "run_id": "run-1",
        "stage": "generation",
        "cell_id": f"cell of {call_id}",
        "model_id": "m",
        "conn_id": "conn",
        "model_name": "prov/m",
        "attempt": 1,
        "price_source": "llm_models.csv",
        "budget_day": DAY,
        "reserved_at": NOW,
    }
    assert columns.keys() <= known.keys()
    return {**known, **columns}


def start(
    call_id: str,
    limits: RateLimits = NO_LIMITS,
    *,
    tokens: int = 0,
    model: str = "prov/m",
    stage: Stage = "generation",
    cell_id: str = "",
    queued_at: float | None = None,
) -> StartOrder:
    """One attempt that wants to be sent."""
    cell_id = cell_id or f"cell of {call_id}"
    return StartOrder(call_id, "conn", model, stage, cell_id, tokens, limits, queued_at)


def pause(wait_s: float, limits: RateLimits = NO_LIMITS, *, model: str = "prov/m", **fields: Any) -> Pause:
    """What a provider said of a model; by default a 429."""
    return Pause("conn", model, wait_s, limits, **fields)


def call_order(
    call_id: str,
    limits: RateLimits = NO_LIMITS,
    *,
    nanousd: int | None = 10,
    experiment_id: str = "e",
    day_cap: int | None = None,
    model: str = "prov/m",
    stage: Stage = "generation",
    cell_id: str = "",
    owner: str = "",
    check_landed: bool = True,
    queued_at: float | None = None,
    tokens: int = 0,
) -> CallOrder:
    """One attempt that asks for everything that it needs before it is sent."""
    cell_id, owner = cell_id or f"cell of {call_id}", owner or f"owner of {call_id}"
    columns = {"owner": owner, "stage": stage, "cell_id": cell_id, "model_name": model}
    return CallOrder(
        Lease(stage, cell_id, owner),
        reservation(call_id, nanousd, experiment_id=experiment_id, day_cap=day_cap, **columns),
        start(call_id, limits, tokens=tokens, model=model, stage=stage, cell_id=cell_id, queued_at=queued_at),
        check_landed,
    )
