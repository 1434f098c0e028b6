"""The span of each request, as OpenTelemetry exports it."""

from __future__ import annotations

import asyncio

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.semconv._incubating.attributes import (
    error_attributes,
    gen_ai_attributes,
    server_attributes,
)

from daydreaming.store.ledger import read_calls
from tests.support.trigger_runs import cell_id, drive, events_of, until

pytestmark = pytest.mark.usefixtures("impatient", "connected")
ASKED = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openrouter",
    "gen_ai.request.model": "prov/free:free",
    "gen_ai.request.max_tokens": 8192,
    "gen_ai.request.temperature": 0.7,
    "daydreaming.experiment_id": "demo",
    "daydreaming.stage": "generation",
    "daydreaming.model_id": "free",
    "server.address": "127.0.0.1",
}


@pytest.fixture
def spans(monkeypatch):
    """Spans that have ended, as where Airflow's traces are on."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    return exporter.get_finished_spans


def test_a_request_is_told_by_the_names_of_the_conventions(engine, spans, simulator, files):
    drive()
    [span], [call] = spans(), read_calls(engine)
    assert (span.name, span.kind) == ("chat prov/free:free", trace.SpanKind.CLIENT)
    found = dict(span.attributes)
    record = files.read_provenance("generation", cell_id(engine))
    assert ASKED.items() <= found.items()
    assert (
        found.items()
        >= {
            "daydreaming.cell_id": cell_id(engine),
            "daydreaming.attempt": 1,
            "gen_ai.response.model": record["model_returned"],
            "gen_ai.response.id": record["response_id"],
            "gen_ai.response.finish_reasons": ("stop",),
            "gen_ai.usage.input_tokens": call["prompt_tokens"],
            "gen_ai.usage.output_tokens": call["completion_tokens"],
            "server.port": int(simulator.base_url.split(":")[2].split("/")[0]),
        }.items()
    )
    known = {
        value
        for module in (gen_ai_attributes, error_attributes, server_attributes)
        for name, value in vars(module).items()
        if name.isupper()
    }
    assert {name for name in found if not name.startswith("daydreaming.")} <= known


def test_neither_prompt_nor_answer_is_in_it(engine, spans, files):
    drive()
    [span] = spans()
    told = str(dict(span.attributes)) + str(span.events)
    cell = cell_id(engine)
    for text in (
        files.prompt("generation", cell).read_text(),
        files.read_response("generation", cell),
    ):
        assert text.strip()[:30] not in told


def test_each_attempt_has_a_span_that_says_why_it_failed(engine, spans, simulator):
    simulator.control(rate_500=1.0)
    drive()
    assert [span.attributes["error.type"] for span in spans()] == ["500", "500"]
    assert [span.attributes["daydreaming.attempt"] for span in spans()] == [1, 2]
    assert {span.status.status_code for span in spans()} == {trace.StatusCode.ERROR}
    assert {(span.events, span.status.description) for span in spans()} == {((), None)}


def test_a_request_that_is_broken_off_is_an_error(engine, spans, simulator):
    simulator.control(latency_s=15)

    async def cancelled():
        task = asyncio.create_task(events_of())
        await until(lambda: simulator.stats()["calls"] == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    assert [span.attributes["error.type"] for span in spans()] == ["CancelledError"]
