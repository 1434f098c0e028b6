"""The endpoint that answers prompts. One event loop, nothing that blocks: sleeping calls cost little."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from starlette.requests import ClientDisconnect, Request

from daydreaming.llm.simulator.batches import Batches
from daydreaming.llm.simulator.behaviour import Fault, SimulatorConfig, fault_for, latency_for
from daydreaming.llm.simulator.replies import (
    PlannedCall,
    Reply,
    json_response,
    over_limit,
    rate_limited,
    reply_to,
)
from daydreaming.llm.simulator.stats import Stats, Unanswered, call_key
from daydreaming.llm.simulator.window import RateWindow
from daydreaming.llm.simulator.wire import ChatCall, RefusedError, read_chat

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send


class Simulator:
    """State of one server: settings, counters, attempts by prompt, windows by model."""

    def __init__(self, config: SimulatorConfig) -> None:
        self.config = config
        self.stats = Stats()
        self.attempts: Counter[bytes] = Counter()
        self.windows: defaultdict[str, RateWindow] = defaultdict(RateWindow)
        self.batches = Batches()

    def check_key(self, request: Request) -> None:
        """Refuse a request without the key, where one is set."""
        key = self.config.api_key
        if key is not None and request.headers.get("authorization") != f"Bearer {key}":
            message = "Incorrect API key. Send the simulator's --api-key."
            raise RefusedError(401, message, code="invalid_api_key")

    def check_model(self, model: str) -> None:
        """Refuse a model that is not served."""
        models = self.config.models
        if models and model not in models:
            message = f"The model {model!r} does not exist. Served here: {', '.join(models)}."
            raise RefusedError(404, message, code="model_not_found", param="model")

    def plan(self, call: ChatCall, key: bytes) -> PlannedCall | Reply:
        """Decide what becomes of a call; a ``Reply`` is a 429, which is given at once."""
        config = self.config
        if config.rpm is not None:
            wait_s = self.windows[call.model].admit(config.rpm, config.window_s, time.monotonic())
            if wait_s is not None:
                return over_limit(call.model, config, wait_s)
        self.attempts[key] += 1
        attempt = self.attempts[key]
        fault = fault_for(config, call.model, call.prompt, attempt)
        if fault is Fault.RATE_LIMITED:
            return rate_limited(config)
        return PlannedCall(call, attempt, fault, config)


class ChatEndpoint:
    """``POST /v1/chat/completions`` as a bare ASGI app: it may have to close the connection unanswered."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or refuse it."""
        request = Request(scope, receive)
        try:
            self._simulator.check_key(request)
            call = read_chat(await request.body())
            self._simulator.check_model(call.model)
        except RefusedError as refused:
            self._simulator.stats.bad_requests[str(refused.status)] += 1
            await json_response(refused.body(), refused.status)(scope, receive, send)
        except ClientDisconnect:
            return
        else:
            await self._serve(call, scope, receive, send)

    async def _serve(self, call: ChatCall, scope: Scope, receive: Receive, send: Send) -> None:
        stats = self._simulator.stats  # a reset in mid-flight is for the calls after it
        key = call_key(call.model, call.prompt)
        counters = stats.arrived(call.model, time.time())
        planned = self._simulator.plan(call, key)
        status: int | None
        failure: Fault | Unanswered | None
        if isinstance(planned, Reply):
            await planned.response(scope, receive, send)
            status, failure = 429, planned.failure
        else:
            with stats.working(counters):
                status, failure = await _carry_out(planned, scope, receive, send)
        stats.ended(counters, call.prompt, key, status, failure)


async def _carry_out(
    planned: PlannedCall, scope: Scope, receive: Receive, send: Send
) -> tuple[int | None, Fault | Unanswered | None]:
    """Take the time that the call takes, then answer it or hang up; status sent and failure."""
    call, config, fault = planned.call, planned.config, planned.fault
    hangs = fault is Fault.TIMEOUT
    seconds = config.hang_s if hangs else latency_for(config, call.model, call.prompt, planned.attempt)
    client_left = await _wait(receive, seconds)
    if hangs or fault is Fault.DROPPED:
        if not client_left:
            await _drop(scope, receive)
        return None, fault
    if client_left:
        return None, "client_gone"
    reply = reply_to(planned)
    await reply.response(scope, receive, send)
    return reply.response.status_code, reply.failure


async def _wait(receive: Receive, seconds: float) -> bool:
    """Sleep; True, and at once, when the client hangs up meanwhile."""
    try:
        async with asyncio.timeout(seconds):
            while (await receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        return False
    return True


async def _drop(scope: Scope, receive: Receive) -> None:
    """Close the socket without an answer, and wait until the server has noticed."""
    scope["state"]["transport"].abort()
    while (await receive())["type"] != "http.disconnect":
        pass
