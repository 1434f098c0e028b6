"""What real calls send to a real StatsD socket, and to OpenTelemetry."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta

import pytest
from airflow.sdk.observability import stats
from airflow.triggers.base import TaskSuccessEvent
from sqlalchemy.exc import OperationalError

from daydreaming.settings import Settings, project_root
from daydreaming.store.group_writer import writer_for
from daydreaming.store.ledger import read_calls
from daydreaming.triggers import batches, desk, gauges, leases, llm, metrics
from daydreaming.triggers.metrics import METRICS
from tests.support.batches import IN_BATCH, close_with, error_row, opened, plan_with_batches, row_of
from tests.support.experiments import ESSAY, planned_run
from tests.support.statsd_sink import reset_stats, statsd_sink
from tests.support.trigger_runs import (
    ESSAY_FREE,
    ESSAY_PAID,
    RIGOR_OF_ESSAY_FREE,
    TAGS_FREE,
    TAGS_PAID,
    drive,
)

pytestmark = pytest.mark.usefixtures("impatient", "connected")
FREE = {"stage": "generation", "model": "free", "connection": "openrouter_default"}
PAID = {**FREE, "model": "paid"}


@pytest.fixture
def statsd():
    with statsd_sink() as sink:
        yield sink


def test_names_say_whose_they_are_and_no_tag_grows_with_the_work():
    assert len({metric.name for metric in METRICS}) == len(METRICS)
    for metric in METRICS:
        assert re.fullmatch(r"daydreaming(\.[a-z_]+)+", metric.name)
        assert set(metric.tags) <= {
            "stage",
            "model",
            "connection",
            "outcome",
            "reading",
            "direction",
            "hostname",
        }


def test_the_docs_list_each_metric_as_it_is():
    text = (project_root() / "docs" / "monitoring.md").read_text(encoding="utf-8")
    listed = [line for line in text.splitlines() if line.startswith("| `daydreaming.")]
    assert listed == [
        f"| `{m.name}` | {m.kind} | {m.unit} | {', '.join(m.tags) or '–'} | {m.meaning} |" for m in METRICS
    ]


def test_a_call_is_counted_timed_and_priced(engine, statsd):
    assert type(drive(index=ESSAY_PAID)) is TaskSuccessEvent
    [call] = read_calls(engine)
    assert call["cost_nanousd"] > 0
    assert {s.name.removeprefix("airflow."): s.value for s in statsd.samples() if s.kind == "c"} == {
        "daydreaming.call.requests": 1,
        "daydreaming.call.outcomes": 1,
        "daydreaming.call.answers": 1,
        "daydreaming.call.tokens": call["completion_tokens"],
        "daydreaming.call.cost_nanousd": call["cost_nanousd"],
    }
    assert statsd.total("daydreaming.call.outcomes", outcome="answered", **PAID) == 1
    assert statsd.total("daydreaming.call.answers", reading="read", **PAID) == 1
    assert statsd.total("daydreaming.call.tokens", direction="input", **PAID) == call["prompt_tokens"]
    timers = {s.name: s for s in statsd.samples() if s.kind == "ms"}
    assert set(timers) == {"airflow.daydreaming.call.latency", "airflow.daydreaming.call.limiter_wait"}
    assert (
        timers["airflow.daydreaming.call.latency"].value
        > timers["airflow.daydreaming.call.limiter_wait"].value
    )


def test_each_sample_has_the_tags_and_the_kind_that_are_said_of_its_metric(engine, statsd, simulator):
    by_name = {f"airflow.{metric.name}": metric for metric in METRICS}
    kinds = {"c": "counter", "ms": "timer", "g": "gauge"}
    drive()
    simulator.control(rate_500=1.0)
    drive(index=TAGS_FREE)
    samples = statsd.samples()
    assert len({sample.name for sample in samples}) >= 7
    for sample in samples:
        metric = by_name[sample.name]
        assert set(sample.tags) == set(metric.tags), metric.name
        assert kinds[sample.kind] == metric.kind


def test_a_refusal_of_the_provider_and_its_retry_are_counted(engine, statsd, simulator, monkeypatch):
    simulator.control(rate_429=1.0)
    decide = llm.decide_retry

    def mended(*args, **kwargs):
        simulator.control(rate_429=0.0)
        return decide(*args, **kwargs)

    monkeypatch.setattr(llm, "decide_retry", mended)
    assert type(drive()) is TaskSuccessEvent
    assert statsd.total("daydreaming.call.requests", **FREE) == 2
    assert statsd.total("daydreaming.call.retries", **FREE) == 1
    assert statsd.total("daydreaming.call.outcomes", outcome="rate_limited", **FREE) == 1
    assert statsd.total("daydreaming.call.outcomes", outcome="answered", **FREE) == 1


@pytest.mark.parametrize(
    ("fault", "outcome", "count", "retries"),
    [
        ("rate_500", "transient", 2, 1),
        ("rate_truncated", "permanent", 1, 0),
        ("rate_dropped", "unknown", 2, 1),
    ],
)
def test_failures_are_told_apart(engine, statsd, simulator, fault, outcome, count, retries):
    simulator.control(**{fault: 1.0})
    drive()
    assert statsd.total("daydreaming.call.outcomes", outcome=outcome, **FREE) == count
    assert statsd.total("daydreaming.call.outcomes") == count
    assert statsd.total("daydreaming.call.retries") == retries
    assert statsd.total("daydreaming.call.answers") == 0


def test_a_verdict_without_a_score_is_unread(engine, statsd, simulator):
    drive()
    simulator.control(rate_unreadable=1.0)
    drive("evaluation", RIGOR_OF_ESSAY_FREE)
    assert statsd.total("daydreaming.call.answers", stage="evaluation", reading="unread") == 1
    assert statsd.total("daydreaming.call.answers", reading="read") == 1


def test_a_call_that_the_ledger_refuses_is_counted_and_not_sent(settings, statsd):
    planned_run(settings, max_cost_usd=0.000001)
    drive(index=ESSAY_PAID)
    assert statsd.total("daydreaming.call.budget_refusals", **PAID) == 1
    assert statsd.total("daydreaming.call.requests") == 0


def test_a_wait_for_the_limiter_that_is_too_long_sends_the_call_away(
    engine, statsd, simulator, connect, monkeypatch
):
    connect(simulator.base_url, rate_limits={"rpm": 1})
    monkeypatch.setattr(desk, "LONGEST_WAIT_S", 5.0)
    drive(index=ESSAY_PAID)
    drive(index=TAGS_PAID)
    assert statsd.total("daydreaming.call.rescheduled", **PAID) == 1
    assert statsd.total("daydreaming.call.requests") == 1


def test_members_of_a_batch_are_counted_where_they_land(settings, statsd, monkeypatch):
    async def over(run_id, task_id):
        return {f"{task_id}_0": "success"}

    monkeypatch.setattr(batches, "task_states", over)
    plan_with_batches(settings)
    close_with(opened(settings).batch, row_of(0, ESSAY), error_row(1))
    for index in IN_BATCH:
        drive(index=index)
    assert statsd.total("daydreaming.call.outcomes", outcome="answered", **PAID) == 1
    assert statsd.total("daydreaming.call.outcomes", outcome="permanent", **PAID) == 1
    assert statsd.total("daydreaming.call.tokens", direction="output", **PAID) == 200
    assert statsd.total("daydreaming.call.cost_nanousd", **PAID) > 0
    assert statsd.total("daydreaming.call.requests") == 0


def test_open_calls_and_the_money_of_the_day_are_told_while_calls_are_made(
    engine, statsd, simulator, monkeypatch
):
    monkeypatch.setenv("DAYDREAMING_DAILY_BUDGET_USD", "2")
    monkeypatch.setattr(leases, "RENEW_EVERY_S", 0.05)
    monkeypatch.setattr(leases, "LEASE_S", 90.0)
    simulator.control(latency_s=0.5)

    async def until_the_keeper_ends():
        async for _ in llm.LLMCallTrigger("run-1", "generation", ESSAY_PAID).run():
            pass
        await leases.keeper_for(writer_for(Settings.from_env()))._task

    asyncio.run(until_the_keeper_ends())
    opened_calls = [s.value for s in statsd.samples("airflow.daydreaming.calls.open")]
    assert (opened_calls[0], opened_calls[-1]) == (1, 0)
    assert {s.value for s in statsd.samples("airflow.daydreaming.budget.day_cap_nanousd")} == {2e9}
    reserved = [s.value for s in statsd.samples("airflow.daydreaming.budget.day_reserved_nanousd")]
    assert max(reserved) > 0
    assert statsd.samples("airflow.daydreaming.budget.day_spent_nanousd")


def test_a_budget_that_cannot_be_read_is_logged_and_no_more(engine, statsd, monkeypatch, caplog):
    def locked(*_args):
        raise OperationalError("SELECT", {}, Exception("database is locked"))

    monkeypatch.setattr(gauges, "read_budget", locked)
    asyncio.run(gauges.send_day_budget())
    assert "Could not read the day's budget" in caplog.text
    assert statsd.samples("airflow.daydreaming.budget") == []


def test_a_name_that_statsd_would_take_apart_reaches_it_whole(statsd):
    metrics.count(metrics.REQUESTS, {"stage": "generation", "model": "a/b-1.5:free,x=y", "connection": ""})
    [sample] = statsd.samples()
    assert sample.tags == {"stage": "generation", "model": "a/b-1.5_free_x_y", "connection": "none"}


def test_metrics_that_cannot_be_sent_fail_no_call(engine, monkeypatch, caplog):
    def broken():
        raise ValueError("no such back end")

    stats.initialize(factory=broken, export_legacy_names=False)
    try:
        assert type(drive()) is TaskSuccessEvent
    finally:
        reset_stats()
    assert "daydreaming.call.requests was not sent: no such back end" in caplog.text


def test_opentelemetry_gets_the_same_names_with_the_tags_as_attributes(engine):
    from airflow.sdk._shared.observability.metrics.otel_logger import SafeOtelLogger
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader

    reader = InMemoryMetricReader()
    logger = SafeOtelLogger(MeterProvider(metric_readers=[reader]))
    stats.initialize(factory=lambda: logger, export_legacy_names=False)
    try:
        drive(index=ESSAY_FREE)
        metrics.timing(metrics.LATENCY, {**FREE, "stage": "evaluation"}, timedelta(minutes=1).total_seconds())
    finally:
        reset_stats()
    [resource] = reader.get_metrics_data().resource_metrics
    found = {m.name: m for scope in resource.scope_metrics for m in scope.metrics}
    [requests] = found["airflow.daydreaming.call.requests"].data.data_points
    assert (requests.value, dict(requests.attributes)) == (1, FREE)
    latency = found["airflow.daydreaming.call.latency"]
    assert latency.unit == "ms"
    assert max(point.sum for point in latency.data.data_points) == 60_000
