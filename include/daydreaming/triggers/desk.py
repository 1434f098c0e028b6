"""One call at the desk: lease, money and start time before it is sent; answer, price and pause after."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from daydreaming.errors import BudgetError, LLMError, Usage
from daydreaming.llm.answer import Answer
from daydreaming.llm.limits import RateLimits
from daydreaming.llm.price import to_nanousd
from daydreaming.llm.rate_headers import RateHeaders, pause_s, read_rate_headers
from daydreaming.llm.request import ChatRequest
from daydreaming.pipeline.call import CellCall, failure_row, settle_stored, store_answer
from daydreaming.pipeline.pricing import cost_of, model_price, reserved_nanousd
from daydreaming.store.admission import Admission, CallEnd, CallOrder, admit_calls, end_calls
from daydreaming.store.claims import Lease
from daydreaming.store.group_writer import GroupWriter, writer_for
from daydreaming.store.ledger import CallState, Reservation, Settlement, budget_day
from daydreaming.store.limiter import Pause, StartOrder, confirm_starts
from daydreaming.triggers.call_metrics import CallMetrics
from daydreaming.triggers.leases import keeper_for
from daydreaming.triggers.llm import StartLater
from daydreaming.triggers.storing import stored

#: How often a call asks again for a cell that another holds, or for money that others have reserved.
POLL_S = 2.0
#: A wait that is longer (a daily quota) is not spent in the triggerer: the instance comes back.
LONGEST_WAIT_S = 600.0
#: A model with a token limit may have room earlier than was planned, once answers turn out shorter;
#: any other when calls that were before it are given up.
RECHECK_S = 5.0
RECHECK_GIVEN_UP_S = 30.0
#: English prose has about four characters per token; the answer's true count replaces the guess.
_BYTES_PER_TOKEN = 4


class CallDesk:
    """What one planned call asks of all that is shared with other processes.

    Args:
        call: The planned call.
        request: What will be sent.
        limits: Of the call's model.
    """

    def __init__(self, call: CellCall, request: ChatRequest, limits: RateLimits) -> None:
        self._call = call
        self._request = request
        self._limits = limits
        self._metrics = CallMetrics(call)
        self._price = model_price(call.model)
        self._writer: GroupWriter = writer_for(call.settings)
        self._keeper = keeper_for(self._writer)
        self._lease = Lease(call.stage, call.cell.cell_id, uuid.uuid4().hex)
        self._call_id = ""
        self._attempt = 0
        self._queued_at: float | None = None
        self._is_sent = False
        self._check_landed = True
        self._rate = RateHeaders()
        self._status = 0
        self._storing: asyncio.Future[None] | None = None

    async def admit(self, attempt: int) -> bool:
        """Wait until the call may be sent; False where another has answered it meanwhile.

        Raises:
            BudgetError: A cap forbids it.
            StartLater: Its turn comes much later.
            CallLost: Another took the cell while this one slept; ask again.
        """
        self._attempt = attempt
        while True:
            admission = await self._ask()
            if admission.outcome == "refused":
                self._metrics.refused()
                raise BudgetError(admission.reason)
            if admission.outcome == "go":
                await self._wait(admission)
                if self._keeper.is_safe(self._lease):
                    return True
                await self._give_back(keep_start=True)
            elif admission.outcome == "landed":
                if await asyncio.to_thread(settle_stored, self._call, self._request):
                    return False
                self._check_landed = False
            else:
                await asyncio.sleep(POLL_S)

    def heard(self, status: int, headers: Mapping[str, str]) -> None:
        """Note what the provider's headers say of its limits."""
        self._status = status
        self._rate = read_rate_headers(headers, datetime.now(UTC).timestamp())

    def sending(self) -> None:
        """From now on nobody can say that the call was not made."""
        self._is_sent = True
        self._metrics.sent()
        self._status, self._rate = 0, RateHeaders()

    async def answered(self, answer: Answer, started_at: datetime, ended_at: datetime) -> None:
        """Store an answer; then its row, its price and the lease in one."""
        # Shielded: an answer that was paid for is stored even where the task is being killed.
        self._storing = asyncio.ensure_future(self._store(answer, started_at, ended_at))
        self._metrics.answered((ended_at - started_at) / timedelta(seconds=1))
        await asyncio.shield(self._storing)

    async def failed(self, error: LLMError, *, final: bool, pause_for_s: float | None) -> float:
        """Record a failed attempt; ``pause_for_s`` is for everyone, where the provider named no time.

        Returns:
            Seconds for which nobody calls the model; 0 where it does not pause. Who asks again at once
            waits for that too, and goes before all who asked later.
        """
        now = datetime.now(UTC)
        if not final:
            self._metrics.retried()
        failure = failure_row(self._call, error, attempt=self._attempt, final=final, now=now)
        usage = error.usage or Usage()
        settlement = self._settlement(_state_of(error), usage, now)
        settlement = replace(settlement, error_class=type(error).__name__)
        if error.usage is None and settlement.state == "failed":
            settlement = replace(settlement, cost_nanousd=0, cost_source="not billed")
        pause = self._pause(error, pause_for_s)
        await self._end(
            CallEnd(settlement, failure=failure, pause=pause, tokens=_tokens(usage), start=self._start())
        )
        return pause.wait_s if pause else 0.0

    async def back_off(self, seconds: float) -> None:
        """Wait before a further attempt.

        Raises:
            StartLater: That is so long that the instance comes back for it.
        """
        if seconds > LONGEST_WAIT_S:
            raise self._later(seconds)
        await asyncio.sleep(seconds)

    async def close(self) -> None:
        """Give back what is still held: after a refusal, a cancellation, a call that waits no longer."""
        await asyncio.shield(self._close())

    async def _close(self) -> None:
        if self._storing:
            await asyncio.wait({self._storing})
        if self._keeper.is_held(self._lease):
            await self._give_back(keep_start=False)

    async def _ask(self) -> Admission:
        self._call_id, self._is_sent = uuid.uuid4().hex, False
        asked_at = time.monotonic()
        asked = self._writer.submit(admit_calls, self._order())
        try:
            admission = await asyncio.shield(asyncio.wrap_future(asked))
        except asyncio.CancelledError:
            # What is granted all the same is given back, once it is known.
            end = CallEnd(self._unsent(), release=self._lease, start=self._start())
            asked.add_done_callback(lambda _: self._writer.submit(end_calls, end))
            self._call_id = ""
            raise
        if admission.outcome == "held":
            self._call_id = ""
            return admission
        self._keeper.hold(self._lease, asked_at)
        if admission.outcome == "go":
            self._queued_at = admission.queued_at
        else:
            self._call_id = ""
        return admission

    def _order(self) -> CallOrder:
        call, now = self._call, datetime.now(UTC)
        cap = call.settings.daily_budget_usd
        row = {
            "call_id": self._call_id,
            "owner": self._lease.owner,
            "experiment_id": call.run.experiment_id,
            "run_id": call.run.run_id,
            "stage": call.stage,
            "cell_id": call.cell.cell_id,
            "model_id": call.model.id,
            "conn_id": call.model.conn_id,
            "model_name": call.model.model,
            "attempt": self._attempt,
            "price_source": self._price.source if self._price else None,
            "budget_day": budget_day(now),
            "reserved_at": now,
        }
        return CallOrder(
            self._lease,
            Reservation(
                row,
                reserved_nanousd(self._price, self._request),
                None if cap is None else to_nanousd(cap),
            ),
            self._start(),
            check_landed=self._check_landed,
        )

    def _start(self) -> StartOrder:
        call = self._call
        prompt_tokens = len(self._request.prompt.encode()) // _BYTES_PER_TOKEN
        return StartOrder(
            self._call_id,
            call.model.conn_id,
            call.model.model,
            call.stage,
            call.cell.cell_id,
            prompt_tokens + self._request.max_tokens,
            self._limits,
            self._queued_at,
        )

    async def _wait(self, admission: Admission) -> None:
        wait_s, began = admission.wait_s, time.monotonic()
        while wait_s > 0:
            if wait_s > LONGEST_WAIT_S:
                await self._give_back(keep_start=True)
                raise self._later(wait_s)
            await asyncio.sleep(min(wait_s, RECHECK_S if self._limits.tpm else RECHECK_GIVEN_UP_S))
            wait_s = await self._writer.run(confirm_starts, self._start())
        self._metrics.waited(time.monotonic() - began)

    def _later(self, wait_s: float) -> StartLater:
        self._metrics.rescheduled()
        return StartLater(datetime.now(UTC) + timedelta(seconds=wait_s))

    async def _store(self, answer: Answer, started_at: datetime, ended_at: datetime) -> None:
        def store() -> dict[str, Any]:
            return store_answer(
                self._call,
                self._request,
                answer,
                attempts=self._attempt,
                started_at=started_at,
                ended_at=ended_at,
            )

        row = await stored(store)
        usage = Usage(answer.prompt_tokens, answer.completion_tokens, answer.cost_usd)
        settlement = self._settlement("answered", usage, ended_at)
        settlement = replace(settlement, upstream_provider=answer.upstream_provider or None)
        await self._end(
            CallEnd(
                settlement,
                release=self._lease,
                response=(self._call.stage, row),
                pause=self._pause(None, None),
                tokens=_tokens(usage),
                start=self._start(),
            )
        )
        self._keeper.drop(self._lease)

    def _settlement(self, state: CallState, usage: Usage, ended_at: datetime) -> Settlement:
        cost = cost_of(self._price, usage)
        return Settlement(
            self._call_id,
            state,
            ended_at,
            cost.nanousd,
            cost.source,
            usage.prompt_tokens,
            usage.completion_tokens,
        )

    def _unsent(self) -> Settlement | None:
        """The end of an attempt that was not sent; None where none is open."""
        return Settlement(self._call_id, "unsent", datetime.now(UTC)) if self._call_id else None

    def _pause(self, error: LLMError | None, fallback_s: float | None) -> Pause | None:
        is_refused = self._status == 429 or (error is not None and error.status == 429)
        wait_s = pause_s(429 if is_refused else self._status, self._rate)
        if wait_s is None and is_refused:
            wait_s = fallback_s
        if wait_s is None:
            return None
        return Pause(
            self._call.model.conn_id,
            self._call.model.model,
            wait_s,
            self._limits,
            is_refused,
            self._rate.rpm,
            self._rate.tpm if self._rate.remaining_tokens == 0 else None,
        )

    async def _end(self, end: CallEnd) -> None:
        await self._writer.run(end_calls, end)
        self._metrics.ended(end)
        if end.settlement:
            self._call_id = ""

    async def _give_back(self, *, keep_start: bool) -> None:
        self._keeper.drop(self._lease)
        settlement = self._unsent()
        if settlement and self._is_sent:
            settlement = replace(settlement, state="unknown")
        await self._end(CallEnd(settlement, release=self._lease, keep_start=keep_start, start=self._start()))


def _tokens(usage: Usage) -> int | None:
    """What counts against a limit on tokens; None where the provider does not say."""
    return (usage.prompt_tokens or 0) + (usage.completion_tokens or 0) or None


def _state_of(error: LLMError) -> CallState:
    return "unknown" if error.is_outcome_unknown else "failed"
