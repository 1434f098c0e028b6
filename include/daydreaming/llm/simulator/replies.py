"""The HTTP responses to calls for a completion: good ones and all faults that answer at all."""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from daydreaming.llm.simulator.behaviour import Fault, SimulatorConfig
from daydreaming.llm.simulator.texts import answer_for, cut, estimate_tokens
from daydreaming.llm.simulator.wire import HTML_PAGE, PROVIDER, ChatCall, completion, provider_error

if TYPE_CHECKING:
    from collections.abc import Mapping

    from daydreaming.llm.simulator.stats import Unanswered


@dataclass(frozen=True)
class Reply:
    """A response, and what it counts as; ``failure`` is None for a good answer."""

    response: Response
    failure: Fault | Unanswered | None


@dataclass(frozen=True)
class PlannedCall:
    """A call that was admitted, with what will become of it and the settings at its arrival."""

    call: ChatCall
    attempt: int
    fault: Fault | None
    config: SimulatorConfig


def json_response(
    body: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """A JSON response; unlike Starlette's own it survives text that is no valid Unicode."""
    return Response(json.dumps(body), status, headers, "application/json")


def over_limit(model: str, config: SimulatorConfig, wait_s: float) -> Reply:
    """The answer to a call that ``rpm`` does not admit for ``wait_s`` seconds."""
    message = f"Rate limit exceeded: {config.rpm} requests per {config.window_s:g} s for {model}."
    return Reply(_too_many(message, config, wait_s), "rpm")


def rate_limited(config: SimulatorConfig) -> Reply:
    """The answer that ``rate_429`` makes."""
    return Reply(_too_many("Rate limit exceeded upstream.", config, config.retry_after_s), Fault.RATE_LIMITED)


def reply_to(planned: PlannedCall) -> Reply:
    """The answer to a call whose fault, if any, is neither a 429 nor a closed connection."""
    match planned.fault:
        case Fault.SERVER_ERROR:
            body = provider_error(500, "Internal Server Error", {"provider_name": PROVIDER})
            return Reply(json_response(body, 500), planned.fault)
        case Fault.HTML:
            return Reply(Response(HTML_PAGE, media_type="text/html"), planned.fault)
        case Fault.ERROR_BODY:
            metadata = {"provider_name": PROVIDER, "raw": "upstream is overloaded"}
            return Reply(
                json_response(provider_error(502, "Provider returned error", metadata)), planned.fault
            )
    return _completed(planned)


def _completed(planned: PlannedCall) -> Reply:
    body, failure = completed_body(planned)
    return Reply(json_response(body), failure)


def completed_body(planned: PlannedCall) -> tuple[dict[str, Any], Fault | Unanswered | None]:
    """The completion that answers a call, and what it counts as."""
    call, config, fault = planned.call, planned.config, planned.fault
    text = answer_for(config.seed, call.model, call.prompt, fault is Fault.UNREADABLE)
    failure: Fault | Unanswered | None = fault
    if fault is Fault.EMPTY:
        text = ""
    elif fault is Fault.TRUNCATED:
        text = cut(text, max(2, estimate_tokens(text) // 2))
    if call.max_tokens is not None and estimate_tokens(text) > call.max_tokens:
        text = cut(text, call.max_tokens)
        failure = fault if fault is Fault.TRUNCATED else "max_tokens"
    finish_reason = "length" if failure in (Fault.TRUNCATED, "max_tokens") else "stop"
    number = json.dumps([config.seed, call.model, call.prompt, planned.attempt])
    created = int(time.time())
    body = completion(call, text, finish_reason, number=number, created=created, price=config.price)
    return body, failure


def _too_many(message: str, config: SimulatorConfig, wait_s: float) -> Response:
    headers = {
        "Retry-After": str(math.ceil(wait_s)),
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Reset": str(int((time.time() + wait_s) * 1000)),  # milliseconds, as OpenRouter's
    }
    if config.rpm is not None:
        headers["X-RateLimit-Limit"] = str(config.rpm)
    body = provider_error(429, message, {"headers": headers, "provider_name": PROVIDER})
    return json_response(body, 429, headers)
