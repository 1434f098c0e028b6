"""The span of each request to a model, where Airflow's traces are on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from daydreaming.errors import LLMError
from daydreaming.llm.answer import Answer
from daydreaming.llm.request import ChatRequest
from daydreaming.pipeline.call import CellCall

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from opentelemetry.trace import Span


@contextmanager
def request_span(
    client: AsyncOpenAI, call: CellCall, request: ChatRequest, attempt: int
) -> Iterator[RequestSpan]:
    """The span of one request, below that of the trigger; nothing where Airflow's traces are off.

    Names are those of OpenTelemetry's conventions for generative AI. Neither prompt nor answer is in it.
    """
    from opentelemetry import trace

    attributes = {**_request_attributes(call, request, attempt), **_server_attributes(client)}
    with trace.get_tracer("daydreaming").start_as_current_span(
        f"chat {request.model}",
        kind=trace.SpanKind.CLIENT,
        attributes=attributes,
        # A provider's message may repeat what was sent.
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        try:
            yield RequestSpan(span)
        except (LLMError, asyncio.CancelledError) as error:
            status = error.status if isinstance(error, LLMError) else None
            span.set_attribute("error.type", str(status or type(error).__name__))
            span.set_status(trace.StatusCode.ERROR)
            raise


class RequestSpan:
    """The span of a request that was sent."""

    def __init__(self, span: Span) -> None:
        self._span = span

    def answered(self, answer: Answer) -> None:
        """Note what came back."""
        found: dict[str, Any] = {
            "gen_ai.response.model": answer.model_returned,
            "gen_ai.response.id": answer.response_id,
            "gen_ai.response.finish_reasons": [answer.finish_reason] if answer.finish_reason else None,
            "gen_ai.usage.input_tokens": answer.prompt_tokens,
            "gen_ai.usage.output_tokens": answer.completion_tokens,
            "daydreaming.upstream_provider": answer.upstream_provider,
        }
        self._span.set_attributes({name: value for name, value in found.items() if value})


def _request_attributes(call: CellCall, request: ChatRequest, attempt: int) -> dict[str, Any]:
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": call.model.provider,
        "gen_ai.request.model": request.model,
        "gen_ai.request.max_tokens": request.max_tokens,
        "gen_ai.request.temperature": request.temperature,
        "daydreaming.experiment_id": call.run.experiment_id,
        "daydreaming.stage": call.stage,
        "daydreaming.cell_id": call.cell.cell_id,
        "daydreaming.model_id": call.model.id,
        "daydreaming.attempt": attempt,
    }


def _server_attributes(client: AsyncOpenAI) -> dict[str, Any]:
    url = client.base_url
    return {"server.address": url.host, **({"server.port": url.port} if url.port else {})}
