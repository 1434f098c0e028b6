"""Run the trigger as the triggerer does it: one planned call of the experiment ``demo``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from airflow.triggers.base import TriggerEvent
from sqlalchemy import Engine

from daydreaming.inputs.records import Stage
from daydreaming.store.plans import read_call
from daydreaming.triggers.llm import LLMCallTrigger

# Map indices of the plan of `demo`: essay×free, essay×paid, tags×free, tags×paid; each has four
# evaluations: rigor×free, rigor×judge, style×free, style×judge.
ESSAY_FREE, ESSAY_PAID, TAGS_FREE, TAGS_PAID = range(4)
RIGOR_OF_ESSAY_FREE, RIGOR_OF_TAGS_FREE = 0, 8


async def events_of(
    stage: Stage = "generation", index: int | str = ESSAY_FREE, run_id: str = "run-1"
) -> list[TriggerEvent]:
    """What one trigger says."""
    async with asyncio.timeout(30):  # less than a lease: a claim that is never given back fails the test
        return [event async for event in LLMCallTrigger(run_id, stage, index).run()]


def drive(stage: Stage = "generation", index: int | str = ESSAY_FREE, run_id: str = "run-1") -> TriggerEvent:
    """The event that ends one trigger."""
    [event] = asyncio.run(events_of(stage, index, run_id))
    return event


def failure_of(event: TriggerEvent) -> tuple[str, bool, str]:
    """Error class, whether it is transient, and message of a failure."""
    assert type(event) is TriggerEvent
    payload: dict[str, Any] = event.payload
    assert payload["status"] == "failed"
    return payload["error_class"], payload["transient"], payload["message"]


def cell_id(engine: Engine, stage: Stage = "generation", index: int = ESSAY_FREE) -> str:
    """ID of the cell that an instance of run-1 calls."""
    return read_call(engine, "run-1", stage, index)[1].cell_id


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that happens elsewhere."""
    async with asyncio.timeout(20):
        while not await asyncio.to_thread(condition):  # noqa: ASYNC110 - what is awaited is in another process
            await asyncio.sleep(0.01)
