"""The trigger that makes one LLM call, in the triggerer, while no worker waits."""

from __future__ import annotations

import asyncio
import logging
import random
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from airflow.triggers.base import BaseTrigger, TaskSkippedEvent, TaskSuccessEvent, TriggerEvent

from daydreaming.errors import DaydreamingError, EssayParseError, LLMPermanentError, LLMTransientError
from daydreaming.inputs.records import Stage
from daydreaming.llm.client import send
from daydreaming.llm.request import ChatRequest
from daydreaming.llm.retry import GiveUp, decide_retry
from daydreaming.pipeline.call import (
    CellCall,
    build_request,
    open_call,
    record_answer,
    record_failure,
    settle_stored,
    write_prompt,
)
from daydreaming.settings import Settings
from daydreaming.store.claims import RENEW_EVERY_S, claim_cell, release_cell
from daydreaming.triggers.clients import forget_client, shared_client

#: How often a call waits for another run that is making the same one.
CLAIM_POLL_S = 2.0
#: Airflow takes an instance for lost that is queued again before its executor has told of the deferral,
#: and gives it another try, also after a permanent error. The supervisor's sleep and a scheduler loop
#: (1 s each) lie between; a failure, which alone goes back to a worker, waits for them.
DEFERRAL_KNOWN_AFTER_S = 3.0
_KEY_REFUSED = (401, 403)

log = logging.getLogger(__name__)


class LLMCallTrigger(BaseTrigger):
    """Call the model of one planned cell, store the answer and end the task.

    Only names travel in the trigger: the plan, the prompt and the connection are looked up where
    it runs, so that no secret and no text gets into Airflow's database.

    Args:
        run_id: The run whose plan holds the cell.
        stage: ``generation`` or ``evaluation``.
        map_index: The cell's place in the plan.
    """

    def __init__(self, run_id: str, stage: Stage, map_index: int | str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.run_id = run_id
        self.stage: Stage = stage
        self.map_index = map_index

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Class path and arguments, as Airflow keeps them."""
        arguments = {"run_id": self.run_id, "stage": self.stage, "map_index": self.map_index}
        return "daydreaming.triggers.llm.LLMCallTrigger", arguments

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Make the call; one event ends the task or sends the failure to a worker."""
        call: CellCall | None = None
        began = time.monotonic()
        try:
            call = await asyncio.to_thread(
                open_call, Settings.from_env(), self.run_id, self.stage, int(self.map_index)
            )
            request = await asyncio.to_thread(build_request, call)
            async with _claimed(call):
                await self._answer(call, request)
        except EssayParseError as error:
            self.log.warning("Skipped: %s", error)
            yield TaskSkippedEvent()
        except DaydreamingError as error:
            if call is not None and not isinstance(error, LLMPermanentError | LLMTransientError):
                await asyncio.to_thread(
                    record_failure, call, error, attempt=0, final=True, now=datetime.now(UTC)
                )
            await asyncio.sleep(max(0.0, began + DEFERRAL_KNOWN_AFTER_S - time.monotonic()))
            yield TriggerEvent(failure_payload(error))  # type: ignore[no-untyped-call]
        else:
            yield TaskSuccessEvent()

    async def _answer(self, call: CellCall, request: ChatRequest) -> None:
        if await asyncio.to_thread(settle_stored, call, request):
            self.log.info("Answered already: %s", call.cell.cell_id)
            return
        await asyncio.to_thread(write_prompt, call, request)
        attempt = 0
        while True:
            attempt += 1
            try:
                await self._attempt(call, request, attempt)
            except (LLMTransientError, LLMPermanentError) as error:
                await self._wait_or_raise(call, error, attempt)
            else:
                return

    async def _attempt(self, call: CellCall, request: ChatRequest, attempt: int) -> None:
        client = await shared_client(call.model.conn_id)
        started_at = datetime.now(UTC)
        answer = await send(client, request, timeout_s=call.settings.call_timeout_s)
        ended_at = datetime.now(UTC)
        # Shielded: an answer that was paid for is stored even where the task is being killed.
        await asyncio.shield(
            asyncio.to_thread(
                record_answer,
                call,
                request,
                answer,
                attempts=attempt,
                started_at=started_at,
                ended_at=ended_at,
            )
        )
        self.log.info(
            "Answered: %s by %s, %s + %s tokens, attempt %d",
            call.cell.cell_id,
            answer.model_returned,
            answer.prompt_tokens,
            answer.completion_tokens,
            attempt,
        )

    async def _wait_or_raise(
        self, call: CellCall, error: LLMTransientError | LLMPermanentError, attempt: int
    ) -> None:
        decision = decide_retry(
            error, attempt=attempt, max_attempts=call.settings.call_attempts, jitter=_jitter()
        )
        final = isinstance(decision, GiveUp)
        await asyncio.to_thread(
            record_failure, call, error, attempt=attempt, final=final, now=datetime.now(UTC)
        )
        if isinstance(error, LLMPermanentError) and error.status in _KEY_REFUSED:
            # The next call reads the connection anew: its key may have been corrected.
            forget_client(call.model.conn_id)
        if isinstance(decision, GiveUp):
            raise error
        self.log.warning(
            "Attempt %d of %d failed, next in %.1f s: %s",
            attempt,
            call.settings.call_attempts,
            decision.after_s,
            error,
        )
        await asyncio.sleep(decision.after_s)


def _jitter() -> float:
    return random.random()  # noqa: S311 - spreads retries, guards nothing


def failure_payload(error: DaydreamingError) -> dict[str, Any]:
    """What a worker needs to fail the task: the class by name, the message, whether to retry."""
    return {
        "status": "failed",
        "error_class": type(error).__name__,
        "message": str(error),
        "transient": isinstance(error, LLMTransientError),
    }


@asynccontextmanager
async def _claimed(call: CellCall) -> AsyncIterator[None]:
    """Hold the cell's lease; wait while another run or triggerer has it."""
    owner = uuid.uuid4().hex
    cell = (call.engine, call.stage, call.cell.cell_id, owner)
    # The other holder is in another process: nothing here could wake this loop.
    while not await asyncio.to_thread(claim_cell, *cell, datetime.now(UTC)):  # noqa: ASYNC110
        await asyncio.sleep(CLAIM_POLL_S)
    renewal = asyncio.create_task(_renew(cell))
    try:
        yield
    finally:
        renewal.cancel()
        await asyncio.shield(asyncio.to_thread(release_cell, *cell))


async def _renew(cell: tuple[Any, Stage, str, str]) -> None:
    from sqlalchemy.exc import SQLAlchemyError

    while True:
        await asyncio.sleep(RENEW_EVERY_S)
        try:
            await asyncio.to_thread(claim_cell, *cell, datetime.now(UTC))
        except SQLAlchemyError as error:
            # A lease outlasts several renewals: the next one may go through.
            log.warning("Could not renew the lease on %s: %s", cell[2], error)
