"""The trigger that makes one LLM call, in the triggerer, while no worker waits."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TaskSkippedEvent, TaskSuccessEvent, TriggerEvent

from daydreaming.errors import (
    DaydreamingError,
    EssayParseError,
    LLMError,
    LLMTransientError,
    is_store_down,
)
from daydreaming.inputs.records import Stage
from daydreaming.llm.client import send
from daydreaming.llm.request import ChatRequest
from daydreaming.llm.retry import BACKOFF_BASE_S, GiveUp, decide_retry
from daydreaming.pipeline.call import (
    CellCall,
    build_request,
    open_call_of_plan,
    record_failure,
    settle_stored,
    write_prompt,
)
from daydreaming.pipeline.pricing import model_price
from daydreaming.settings import CALL_STAGES, Settings
from daydreaming.triggers.clients import forget_client, model_limits, shared_client
from daydreaming.triggers.log_fields import bind_log
from daydreaming.triggers.log_pump import unblock_logs

if TYPE_CHECKING:
    from openai import AsyncOpenAI

    from daydreaming.triggers.desk import CallDesk

TRIGGER_PATH = "daydreaming.triggers.llm.LLMCallTrigger"
#: Airflow takes an instance for lost that is queued again before its executor has told of the deferral,
#: and gives it another try, also after a permanent error. The supervisor's sleep and a scheduler loop
#: (1 s each) lie between; a failure, which alone goes back to a worker, waits for them.
DEFERRAL_KNOWN_AFTER_S = 3.0
#: For this long attempts are counted anew whenever an instance comes back that a provider had sent away: a
#: limit per day is over by then, however often it says "in an hour". Later all since the first count.
PATIENCE_S = 25 * 3600.0
#: What a wrong key or a wrong host is answered with.
_OF_THE_CONNECTION = (301, 302, 303, 307, 308, 401, 403, 404)


class StartLater(Exception):  # noqa: N818 - no error: the instance comes back
    """The call's turn comes so late that its instance is rescheduled, and holds nothing until then.

    Attributes:
        at: When to come back.
    """

    def __init__(self, at: datetime) -> None:
        self.at = at
        super().__init__(at)


class LLMCallTrigger(BaseTrigger):
    """Call the model of one planned cell, store the answer and end the task.

    Only names travel in the trigger: the plan, the prompt and the connection are looked up where
    it runs, so that no secret and no text gets into Airflow's database.

    Args:
        run_id: The run whose plan holds the cell.
        stage: ``generation`` or ``evaluation``.
        map_index: The cell's place in the plan. Where no worker has started the trigger all three are
            None: they are those of the task instance that it was started for.
    """

    def __init__(
        self, run_id: str | None = None, stage: Stage | None = None, map_index: int | None = None
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.run_id = run_id
        self.stage = stage
        self.map_index = map_index

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Class path and arguments, as Airflow keeps them."""
        arguments = {"run_id": self.run_id, "stage": self.stage, "map_index": self.map_index}
        return TRIGGER_PATH, {name: value for name, value in arguments.items() if value is not None}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Make the call; one event ends the task or sends it back to a worker."""
        unblock_logs()
        began, failure = time.monotonic(), None
        try:
            prepared = await asyncio.to_thread(_prepare, *self._place())
            _bind_log(prepared.call)
            await self._answer(prepared)
        except EssayParseError as error:
            self.log.warning("Skipped: %s", error)
            yield TaskSkippedEvent()
            return
        except StartLater as later:
            self.log.info("The limits let it start at %s: rescheduled", later.at)
            failure = {"status": "reschedule", "at": later.at.isoformat()}
        except DaydreamingError as error:
            failure = failure_payload(error)
        if failure is None:
            yield TaskSuccessEvent()
            return
        await asyncio.sleep(max(0.0, began + DEFERRAL_KNOWN_AFTER_S - time.monotonic()))
        yield TriggerEvent(failure)  # type: ignore[no-untyped-call]

    def _place(self) -> tuple[str, Stage, int]:
        """Run, stage and map index of the cell."""
        if self.run_id is not None and self.stage is not None and self.map_index is not None:
            return self.run_id, self.stage, self.map_index
        instance: Any = self.task_instance
        return instance.run_id, CALL_STAGES[instance.task_id], instance.map_index

    async def _answer(self, prepared: _Prepared) -> None:
        call, request = prepared.call, prepared.request
        try:
            if prepared.error is not None:
                raise prepared.error
            if request is None:
                self.log.info("Answered already: %s", call.cell.cell_id)
                return
            if not await self._is_answered_in_batch(call, request):
                await self._make(call, request, prepared.attempt)
        except (EssayParseError, LLMError):
            raise
        except DaydreamingError as error:
            await asyncio.to_thread(record_failure, call, error, attempt=0, final=True, now=datetime.now(UTC))
            raise

    async def _is_answered_in_batch(self, call: CellCall, request: ChatRequest) -> bool:
        if not call.model.is_batched:
            return False
        # Not at module level: see below.
        from daydreaming.triggers.batches import answered_in_batch

        is_answered = await answered_in_batch(call, request)
        if is_answered:
            self.log.info("Answered in a batch: %s", call.cell.cell_id)
        return is_answered

    async def _make(self, call: CellCall, request: ChatRequest, attempt: int) -> None:
        # Not at module level: workers import this module too, and have no use for it.
        from daydreaming.triggers.desk import CallDesk

        client = await shared_client(call.model.conn_id)
        desk = CallDesk(call, request, await model_limits(call.model))
        try:
            while await self._admit(desk, attempt):
                try:
                    await self._attempt(client, desk, call, request, attempt)
                except LLMError as error:
                    await self._wait_or_raise(desk, call, error, attempt)
                    attempt += 1
                else:
                    return
            self.log.info("Answered by another run meanwhile: %s", call.cell.cell_id)
        finally:
            await desk.close()

    async def _admit(self, desk: CallDesk, attempt: int) -> bool:
        # Not at module level: see above.
        from daydreaming.store.limiter import CallLost

        while True:
            try:
                return await desk.admit(attempt)
            except CallLost:
                self.log.warning("The lease had run out while the call waited: it asks for its cell again")
                await desk.close()

    async def _attempt(
        self, client: AsyncOpenAI, desk: CallDesk, call: CellCall, request: ChatRequest, attempt: int
    ) -> None:
        # Not at module level: see above.
        from daydreaming.triggers.request_span import request_span

        desk.sending()
        started_at, timeout_s = datetime.now(UTC), call.settings.call_timeout_s
        with request_span(client, call, request, attempt) as span:
            answer = await send(client, request, timeout_s=timeout_s, on_headers=desk.heard)
            span.answered(answer)
        await desk.answered(answer, started_at, datetime.now(UTC))
        self.log.info(
            "Answered: %s by %s, %s + %s tokens, attempt %d",
            call.cell.cell_id,
            answer.model_returned,
            answer.prompt_tokens,
            answer.completion_tokens,
            attempt,
        )
        if answer.is_redacted:
            self.log.warning(
                "The answer held a secret of connection %s: it is stored with *** in its place. Renew the "
                "key, and find out who repeats it.",
                call.model.conn_id,
            )

    async def _wait_or_raise(self, desk: CallDesk, call: CellCall, error: LLMError, attempt: int) -> None:
        attempts = call.settings.call_attempts
        decision = decide_retry(error, attempt=attempt, max_attempts=attempts, jitter=_jitter())
        after_s = None if isinstance(decision, GiveUp) else decision.after_s
        pause_s = await desk.failed(error, final=after_s is None, pause_for_s=after_s or BACKOFF_BASE_S)
        if _may_be_of_the_connection(error, final=after_s is None):
            # The next call reads the connection anew: its key or host may have been corrected.
            forget_client(call.model.conn_id)
        if after_s is None:
            raise error
        self.log.warning("Attempt %d of %d failed, next in %.1f s: %s", attempt, attempts, after_s, error)
        if pause_s < BACKOFF_BASE_S:
            await desk.back_off(after_s)


def _may_be_of_the_connection(error: LLMError, *, final: bool) -> bool:
    is_no_answer = error.status is None and error.usage is None
    return error.status in _OF_THE_CONNECTION or (final and is_no_answer)


@dataclass(frozen=True)
class _Prepared:
    """A call that was looked up.

    Attributes:
        request: What to send; None where it is answered.
        error: Why it cannot be made.
        attempt: Number of the attempt that comes next.
    """

    call: CellCall
    request: ChatRequest | None = None
    error: DaydreamingError | None = None
    attempt: int = 1


def _prepare(run_id: str, stage: Stage, map_index: int) -> _Prepared:
    call = open_call_of_plan(Settings.from_env(), run_id, stage, map_index)
    # The first look-up in the price list takes long: made here, in a thread, it holds up no event loop.
    model_price(call.model)
    try:
        request = build_request(call)
        if settle_stored(call, request):
            return _Prepared(call)
        write_prompt(call, request)
    except DaydreamingError as error:
        return _Prepared(call, error=error)
    return _Prepared(call, request, attempt=_next_attempt(call, datetime.now(UTC)))


def _next_attempt(call: CellCall, now: datetime) -> int:
    """1, but for an instance that was sent away for longer than a limit per day can be the reason."""
    # Not at module level: see above.
    from daydreaming.store.ledger import open_failures

    run, cell = call.run, call.cell
    count, first_at = open_failures(call.engine, run.experiment_id, run.run_id, call.stage, cell.cell_id)
    is_long_ago = first_at is not None and now - first_at > timedelta(seconds=PATIENCE_S)
    return 1 + count if is_long_ago else 1


def _bind_log(call: CellCall) -> None:
    bind_log(call.run.experiment_id, call.stage, call.model.id, call.cell.cell_id)


def _jitter() -> float:
    return random.random()  # noqa: S311 - spreads retries, guards nothing


def failure_payload(error: DaydreamingError) -> dict[str, Any]:
    """What a worker needs to fail the task: the class by name, the message, whether to retry."""
    return {
        "status": "failed",
        "error_class": type(error).__name__,
        "message": str(error),
        "transient": isinstance(error, LLMTransientError) or is_store_down(error),
    }
