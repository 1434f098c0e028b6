"""What calls to a provider that repeats the key leave in files, rows, logs, spans, metrics and messages."""

from __future__ import annotations

import pytest
import structlog
from airflow.triggers.base import TaskSuccessEvent
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from daydreaming.errors import StoreError
from daydreaming.pipeline.notice import EndedRun, run_notice
from daydreaming.pipeline.run_tables import complete_run
from daydreaming.store.database import engine_for
from daydreaming.store.files import DataRoot
from daydreaming.store.results import read_failures
from tests.support.echoing_provider import REPLIES, echoing_provider
from tests.support.experiments import NOW, edit_input, planned_run
from tests.support.secret_search import holds, places_of
from tests.support.statsd_sink import statsd_sink
from tests.support.trigger_runs import RIGOR_OF_ESSAY_FREE, cell_id, drive, failure_of
from tests.unit.triggers.conftest import KEY

pytestmark = pytest.mark.usefixtures("impatient")


@pytest.fixture
def provider(connect):
    with echoing_provider() as provider:
        connect(provider.base_url)
        yield provider
    assert set(provider.keys) == {KEY}


@pytest.fixture
def told():
    """Everything that is told of calls meanwhile: log lines with their fields, spans, metrics."""
    exporter, tracers = InMemorySpanExporter(), TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(exporter))
    structlog.contextvars.clear_contextvars()
    with (
        pytest.MonkeyPatch.context() as patch,
        statsd_sink() as sink,
        capture_logs(processors=[merge_contextvars]) as lines,
    ):
        patch.setattr(trace, "get_tracer", tracers.get_tracer)
        yield lambda: (
            str(lines),
            "".join(span.to_json() for span in exporter.get_finished_spans()),
            str(sink.samples("")),
        )


def plan(settings, model):
    edit_input(settings.inputs_root, "01_raw/llm_models.csv", "prov/free:free", model)
    planned_run(settings)


@pytest.mark.parametrize("model", REPLIES)
def test_a_failed_call_leaves_no_key_anywhere(settings, tmp_path, provider, told, capfd, model):
    plan(settings, model)
    _, _, message = failure_of(drive())
    assert "***" in message
    assert KEY[:12] not in message
    with pytest.raises(StoreError):
        complete_run(settings, "run-1")
    notice = run_notice(settings, EndedRun("run-1", "failed"), NOW)
    assert "The provider answered" in str(notice)
    failures = read_failures(engine_for(settings), "demo")
    assert all("***" in failure["message"] for failure in failures if failure["attempt"])
    assert (settings.data_root / "07_reporting/demo/errors.csv").read_text().count("***") > 0
    spans = told()[1]
    assert model in spans
    for text in (message, str(notice), *told(), *capfd.readouterr()):
        assert not holds(text, KEY)
    assert places_of(KEY, tmp_path) == []


def test_an_answer_that_holds_the_key_is_stored_without_it_and_says_so(
    settings, tmp_path, provider, told, capfd
):
    plan(settings, "echo-essay")
    edit_input(settings.inputs_root, "01_raw/llm_models.csv", "prov/judge", "echo-judge")
    assert type(drive()) is TaskSuccessEvent
    assert type(drive("evaluation", RIGOR_OF_ESSAY_FREE)) is TaskSuccessEvent
    files, cell = DataRoot(settings.data_root), cell_id(engine_for(settings))
    assert "share a secret: ***, or " in files.read_response("generation", cell)
    record = files.read_provenance("generation", cell)
    assert record["is_redacted"] is True
    assert (record["model_returned"], record["response_id"]) == ("echo-essay ***", "gen-***")
    with pytest.raises(StoreError):
        complete_run(settings, "run-1")
    lines, spans, _ = told()
    assert "held a secret of connection openrouter_default" in lines.replace("%s", "openrouter_default")
    assert "gen-***" in spans
    for text in (*told(), *capfd.readouterr()):
        assert not holds(text, KEY)
    assert places_of(KEY, tmp_path) == []
