"""Wait until the batch of a call has landed, in the triggerer, and land the call's own answer."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal
from weakref import WeakKeyDictionary

from daydreaming.errors import BatchError
from daydreaming.llm.request import ChatRequest
from daydreaming.pipeline.batch_landing import give_up_batches, land_result, was_told
from daydreaming.pipeline.call import CellCall
from daydreaming.settings import has_batch_provider
from daydreaming.triggers.call_metrics import CallMetrics
from daydreaming.triggers.llm import StartLater

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daydreaming.inputs.records import Stage

DAG_ID = "daydream_experiment"
TASK_IDS: Mapping[Stage, str] = {"generation": "batch_generate", "evaluation": "batch_evaluate"}
#: How often a call that waits looks for its result, and how old an answer of Airflow's may be.
POLL_S = 5.0
STATES_KEPT_S = 10.0
#: Each call that waits takes a place in the triggerer; those above come back later.
MOST_WAITING = 200
COME_BACK_S = 900.0
_GONE = ("failed", "upstream_failed", "skipped", "removed")

BatchState = Literal["open", "success", "gone"]


async def answered_in_batch(call: CellCall, request: ChatRequest) -> bool:
    """Wait for the call's batch; False where the call is to be made in the ordinary way.

    That is so where the batch is over and has no result of it: another caller had the cell, or the
    instance has failed before and a person has cleared it.

    Raises:
        BatchMemberError: The call failed in its batch.
        BatchError: The batch came to nothing.
        StartLater: Too many wait here already.
    """
    if not has_batch_provider():
        raise BatchError(
            f"Model {call.model.id} is called in batches, for which apache-airflow-providers-common-ai is "
            "needed: pip install -r requirements-batch.lock, and restart Airflow."
        )
    has_waited = False
    while True:
        # Before the results: those of a batch that is over are complete.
        state = await _state_of(call)
        if await asyncio.to_thread(land_result, call, request, CallMetrics(call).ended):
            return True
        if state != "open":
            break
        has_waited = True
        with _waiting():
            await asyncio.sleep(POLL_S)
    if state == "gone" and (has_waited or not await asyncio.to_thread(was_told, call)):
        raise BatchError(_gone_text(call))
    await asyncio.to_thread(give_up_batches, call)
    return False


async def task_states(run_id: str, task_id: str) -> dict[str, str | None]:
    """States of a task's instances in a run.

    Returns:
        By ``<task_id>_<map_index>``; by ``<task_id>`` where it is not mapped yet.
    """
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    states: dict[str, Any] = await asyncio.to_thread(
        RuntimeTaskInstance.get_task_states, dag_id=DAG_ID, task_ids=[task_id], run_ids=[run_id]
    )
    return dict(states.get(run_id, {}))


async def _state_of(call: CellCall) -> BatchState:
    task_id = TASK_IDS[call.stage]
    index = call.inputs.batched_models.index(call.model.id)
    key = call.run.run_id, task_id
    read_at, states = _states().get(key, (0.0, {}))
    # That it is over is never taken from memory: the batch may have been cleared since.
    if monotonic() - read_at > STATES_KEPT_S or _state_in(states, task_id, index) != "open":
        states = await task_states(*key)
        _states()[key] = monotonic(), states
    return _state_in(states, task_id, index)


def _state_in(states: Mapping[str, str | None], task_id: str, index: int) -> BatchState:
    state = states.get(f"{task_id}_{index}", states.get(task_id))
    if state == "success":
        return "success"
    return "gone" if state in _GONE else "open"


def _gone_text(call: CellCall) -> str:
    task_id = TASK_IDS[call.stage]
    return (
        f"The batch of {call.model.id} came to nothing: the log of {task_id} says why. Clear the failed "
        f"instances of the run, {task_id} with them, to ask again for what is missing; clear this instance "
        "alone to make the call in the ordinary way, at the ordinary price."
    )


_kept: WeakKeyDictionary[
    asyncio.AbstractEventLoop, dict[tuple[str, str], tuple[float, dict[str, str | None]]]
] = WeakKeyDictionary()
_count: WeakKeyDictionary[asyncio.AbstractEventLoop, int] = WeakKeyDictionary()


def _states() -> dict[tuple[str, str], tuple[float, dict[str, str | None]]]:
    return _kept.setdefault(asyncio.get_running_loop(), {})


@contextmanager
def _waiting() -> Iterator[None]:
    loop = asyncio.get_running_loop()
    if _count.get(loop, 0) >= MOST_WAITING:
        raise StartLater(datetime.now(UTC) + timedelta(seconds=COME_BACK_S))
    _count[loop] = _count.get(loop, 0) + 1
    try:
        yield
    finally:
        _count[loop] -= 1
