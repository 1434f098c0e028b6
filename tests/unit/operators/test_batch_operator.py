"""The task of a batch, against the real simulator: it sends, finds again what is out, lays out results."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from airflow.providers.common.ai.triggers.llm_batch import LLMBatchTrigger
from airflow.sdk.exceptions import (
    AirflowException,
    AirflowRescheduleException,
    TaskDeferred,
)
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from daydreaming.llm.price import to_nanousd
from daydreaming.llm.simulator import SimulatorConfig, SimulatorProcess, answer_for
from daydreaming.operators.batch import BatchOperator
from daydreaming.operators.failures import FailedForGood
from daydreaming.pipeline.batches import current_batch
from daydreaming.pipeline.plan import set_cap
from daydreaming.store.batches import read_batches, read_result
from daydreaming.store.database import engine_for, writing_engine
from daydreaming.store.files import DataRoot
from daydreaming.store.ledger import Reservation, read_calls, reserve
from tests.support.batches import IN_BATCH, plan_with_batches
from tests.support.experiments import answer_call, edit_input
from tests.support.statsd_sink import statsd_sink

KEY = "sk-very-secret-0123456789"
CALM = SimulatorConfig(seed=5, api_key=KEY, batch_latency_s=3600)


@pytest.fixture(scope="module")
def simulator_process():
    with SimulatorProcess(CALM) as process:
        yield process


@pytest.fixture
def simulator(simulator_process):
    """The real simulator; a batch stays in progress until ``finish``."""
    simulator_process.control(**CALM.changeable())
    simulator_process.reset(attempts=True)
    return simulator_process


@pytest.fixture
def connect(monkeypatch, simulator):
    def define(conn_id="openrouter_default", conn_type="openai", host=simulator.base_url, password=KEY):
        value = json.dumps({"conn_type": conn_type, "host": host, "password": password})
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", value)

    define()
    return define


@pytest.fixture
def planned(settings, connect):
    plan_with_batches(settings)
    return settings


def context_of(map_index=0, run_id="run-1"):
    ti = SimpleNamespace(
        dag_id="daydream_experiment",
        task_id="batch_generate",
        run_id=run_id,
        map_index=map_index,
        xcom_push=lambda **_: None,
    )
    return {"run_id": run_id, "ti": ti, "task_instance": ti}


def operator(stage="generation", model="paid"):
    return BatchOperator(task_id="batch_generate", stage=stage, batch_model=model)


def send():
    """Execute the task until it waits; returns its trigger."""
    with pytest.raises(TaskDeferred) as deferred:
        operator().execute(context_of())
    assert type(deferred.value.trigger) is LLMBatchTrigger
    assert deferred.value.method_name == "execute_complete"
    return deferred.value.trigger


def results(settings):
    folder = DataRoot(settings.data_root).batches("demo", "run-1", "generation", "paid")
    return [[read_result(batch, member) for member in batch.members] for batch in read_batches(folder)]


def event(trigger, status="success"):
    return {"status": status, "batch_id": trigger.batch_id, "counts": None, "message": "It says so."}


def test_nothing_is_a_template_so_that_no_prompt_is_rendered():
    assert tuple(BatchOperator.template_fields) == ()


def test_it_waits_at_airflows_own_pace_and_does_not_cancel_what_is_cleared(planned):
    trigger = send()
    assert trigger.poll_interval >= 30
    assert trigger.cancel_on_kill is False
    assert trigger.timeout > 24 * 3600


def test_what_was_answered_is_laid_out_for_each_member(planned, simulator):
    trigger = send()
    simulator.control(batch_latency_s=0)
    manifest = operator().execute_complete(context_of(), event(trigger))
    assert manifest["counts"]["succeeded"] == 2
    [found] = results(planned)
    files = DataRoot(planned.data_root)
    cells = [call["cell_id"] for call in read_calls(engine_for(planned))]
    prompts = [files.prompt("generation", cell).read_text() for cell in cells]
    assert {result.row["output"] for result in found} == {answer_for(5, "prov/paid", p) for p in prompts}
    assert {result.batch_id for result in found} == {trigger.batch_id}
    assert current_batch(planned, "run-1", "generation", "paid") is None


def test_prompts_with_the_marks_of_jinja_are_sent_as_they_are(settings, connect, simulator):
    text = "01_raw/concepts/descriptions-sentence/search.txt"
    edit_input(settings.inputs_root, text, "Try pairs.", "Try {{ 7 * 7 }} {% raw %}pairs.")
    plan_with_batches(settings)
    trigger = send()
    simulator.control(batch_latency_s=0)
    operator().execute_complete(context_of(), event(trigger))
    [[first, _]] = results(settings)
    cell = next(c["cell_id"] for c in read_calls(engine_for(settings)) if "_essay_" in c["cell_id"])
    prompt = DataRoot(settings.data_root).prompt("generation", cell).read_text()
    assert "Try {{ 7 * 7 }} {% raw %}pairs." in prompt
    assert first.row["output"] == answer_for(5, "prov/paid", prompt)


def test_a_task_that_is_cleared_while_its_batch_is_out_finds_it_again(planned, simulator):
    first, again = send(), send()
    assert again.batch_id == first.batch_id
    assert simulator.stats()["batches"] == {"created": 1}
    assert len(read_calls(engine_for(planned))) == 2


def test_a_task_that_is_cleared_after_its_batch_has_ended_fetches_the_results(planned, simulator):
    send()
    simulator.control(batch_latency_s=0)
    assert operator().execute(context_of())["counts"]["succeeded"] == 2
    assert simulator.stats()["batches"]["created"] == 1


def test_a_task_that_is_cleared_after_all_was_laid_out_asks_for_what_is_missing_only(planned, simulator):
    simulator.control(batch_latency_s=0)
    trigger = send()
    operator().execute_complete(context_of(), event(trigger))
    # Its members hold their cells until they have landed.
    assert operator().execute(context_of()) == {}
    assert simulator.stats()["batches"]["created"] == 1


def test_where_all_is_answered_nothing_is_sent(planned, simulator):
    for index in IN_BATCH:
        answer_call(planned, "run-1", "generation", index)
    assert operator().execute(context_of()) == {}
    assert simulator.stats()["batches"] == {}


def test_a_connection_of_its_own_wins_over_the_models(planned, connect):
    connect("openrouter_default", host="http://127.0.0.1:9/v1")
    connect("openrouter_default_batch", conn_type="pydanticai")
    assert send().llm_conn_id == "openrouter_default_batch"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"password": "sk-wrong-9876543210"}, r"AuthenticationError.* Nothing was billed"),
        ({"conn_type": "http"}, r"does not support connection type 'http'.* Nothing was billed"),
    ],
)
def test_what_the_provider_refuses_fails_for_good_and_gives_all_back(
    planned, connect, simulator, wrong, message
):
    connect(**wrong)
    with pytest.raises(FailedForGood, match=message) as failed:
        operator().execute(context_of())
    assert KEY not in str(failed.value)
    calls = read_calls(engine_for(planned))
    assert {(call["state"], call["cost_nanousd"]) for call in calls} == {("failed", 0)}
    connect()
    send()
    assert simulator.stats()["batches"] == {"created": 1}


def test_a_provider_that_is_away_is_asked_again_and_the_money_stays_reserved(planned, connect):
    connect(host="http://127.0.0.1:9/v1")
    with pytest.raises(AirflowException, match="APIConnectionError") as failed:
        operator().execute(context_of())
    assert type(failed.value) is AirflowException
    assert {call["state"] for call in read_calls(engine_for(planned))} == {"reserved"}
    connect()
    send()
    assert len(read_calls(engine_for(planned))) == 2


def test_a_batch_that_fails_before_it_begins_costs_nothing(planned, simulator):
    trigger = send()
    with pytest.raises(FailedForGood, match="It says so"):
        operator().execute_complete(context_of(), event(trigger, "failed"))
    assert {call["state"] for call in read_calls(engine_for(planned))} == {"failed"}


@pytest.mark.parametrize("status", ["timeout", "error"])
def test_a_batch_of_which_nobody_knows_is_found_again_by_a_retry(planned, status):
    trigger = send()
    with pytest.raises(AirflowException, match=r"It says so.* finds it again") as failed:
        operator().execute_complete(context_of(), event(trigger, status))
    assert type(failed.value) is AirflowException
    assert send().batch_id == trigger.batch_id


def test_a_batch_that_was_cancelled_is_not_sent_again_by_itself(planned, simulator):
    trigger = send()
    import openai

    with openai.OpenAI(base_url=simulator.base_url, api_key=KEY) as client:
        client.batches.cancel(trigger.batch_id)
    with pytest.raises(FailedForGood, match="was cancelled before 2 of 2"):
        operator().execute_complete(context_of(), event(trigger, "cancelled"))
    [found] = results(planned)
    assert [result.row["status"] for result in found] == ["missing", "missing"]


def test_batches_are_counted_by_how_they_end(planned, simulator):
    with statsd_sink() as statsd:
        trigger = send()
        assert statsd.samples() == []
        simulator.control(batch_latency_s=0)
        operator().execute_complete(context_of(), event(trigger))
        [sample] = statsd.samples()
        assert (sample.name, sample.tags) == (
            "airflow.daydreaming.batches",
            {
                "stage": "generation",
                "model": "paid",
                "connection": "openrouter_default",
                "outcome": "delivered",
            },
        )


def test_a_batch_over_a_cap_is_counted_as_refused(planned):
    set_cap(planned, "demo", 0.000001)
    with statsd_sink() as statsd:
        with pytest.raises(FailedForGood):
            operator().execute(context_of())
        assert statsd.total("daydreaming.call.budget_refusals", stage="generation", model="paid") == 1


def test_what_it_logs_says_whose_batch_it_is(planned):
    with capture_logs(processors=[merge_contextvars]) as logs:
        send()
    [said] = [entry for entry in logs if "calls in one batch" in entry["event"]]
    assert (said["experiment_id"], said["stage"], said["model"]) == ("demo", "generation", "paid")


def test_a_cap_fails_it_before_anything_is_sent(planned, simulator):
    set_cap(planned, "demo", 0.000001)
    with pytest.raises(FailedForGood, match="max_cost_usd of experiment demo"):
        operator().execute(context_of())
    assert simulator.stats()["batches"] == {}


def test_while_the_money_is_reserved_by_others_it_comes_back(planned, simulator):
    set_cap(planned, "demo", 0.006)
    in_flight = {"experiment_id": "demo", "budget_day": "2026-03-01", "model_id": "free"}
    with writing_engine(planned).begin() as connection:
        reserve(connection, [Reservation(in_flight, to_nanousd(0.003))])
    with pytest.raises(AirflowRescheduleException):
        operator().execute(context_of())
    assert simulator.stats()["batches"] == {}
