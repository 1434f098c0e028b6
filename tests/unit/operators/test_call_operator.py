"""The operator: look in the store, defer, fail as the trigger says."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import (
    AirflowException,
    TaskDeferred,
)
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from daydreaming.errors import InputError, LLMPermanentError, LLMTransientError
from daydreaming.operators.failures import FailedForGood
from daydreaming.operators.llm import LLMCallOperator, TriggererLLMCallOperator, call_operator
from daydreaming.store.database import engine_for
from daydreaming.store.files import DataRoot
from daydreaming.store.plans import read_call
from daydreaming.store.results import delete_responses, read_failures, read_responses
from daydreaming.triggers.llm import LLMCallTrigger, failure_payload
from tests.support.experiments import answer_call, planned_run

# Map indices of the plan of `demo`: essay×free, essay×paid, tags×free, tags×paid; four evaluations each.
ESSAY_FREE, TAGS_FREE, RIGOR_OF_TAGS_FREE = 0, 2, 8


@pytest.fixture
def engine(settings):
    planned_run(settings)
    return engine_for(settings)


@pytest.fixture
def files(settings):
    return DataRoot(settings.data_root)


def operator(stage="generation", **kwargs):
    return LLMCallOperator(task_id="generate", stage=stage, **kwargs)


def execute(stage="generation", index=ESSAY_FREE, run_id="run-1"):
    context = {"run_id": run_id, "ti": SimpleNamespace(map_index=index, try_number=1)}
    return operator(stage).execute(context)


def test_without_an_answer_the_task_defers_and_leaves_the_prompt_to_the_trigger(engine, files):
    with pytest.raises(TaskDeferred) as deferred:
        execute()
    assert type(deferred.value.trigger) is LLMCallTrigger
    assert deferred.value.trigger.serialize()[1] == {
        "run_id": "run-1",
        "stage": "generation",
        "map_index": ESSAY_FREE,
    }
    assert deferred.value.method_name == "execute_complete"
    cell = read_call(engine, "run-1", "generation", ESSAY_FREE)[1].cell_id
    assert not files.prompt("generation", cell).exists()
    assert not files.is_answered("generation", cell)


def test_what_a_worker_logs_says_which_call_it_is(engine):
    with capture_logs(processors=[merge_contextvars]) as logs, pytest.raises(TaskDeferred):
        execute()
    cell = read_call(engine, "run-1", "generation", ESSAY_FREE)[1]
    fields = {"experiment_id": "demo", "stage": "generation", "model": "free", "cell_id": cell.cell_id}
    # Airflow warns of an `execute` that no worker calls, before ours begins.
    ours = [entry for entry in logs if "outside of the Task Runner" not in entry["event"]]
    assert ours
    assert all(fields.items() <= entry.items() for entry in ours)


def test_with_an_answer_the_task_ends_at_once(engine, settings):
    answer_call(settings, "run-1", "generation", ESSAY_FREE)
    assert execute() is None


def test_an_answer_without_its_row_gets_one(engine, settings):
    call = answer_call(settings, "run-1", "generation", ESSAY_FREE)
    delete_responses(engine, "generation", [call.cell.cell_id])
    execute()
    assert len(read_responses(engine, "generation")) == 1


def test_a_stale_answer_fails_for_good_and_is_recorded(engine, settings):
    answer_call(settings, "run-1", "generation", ESSAY_FREE)
    planned_run(settings, "run-2", generation_temperature=0.9)
    with pytest.raises(FailedForGood, match=r"is stale: .* on_stale"):
        execute(run_id="run-2")
    [failure] = read_failures(engine, "demo")
    assert (failure["error_class"], failure["run_id"], failure["final"]) == (
        "StaleResponseError",
        "run-2",
        True,
    )


def test_an_evaluation_without_its_generation_fails_for_good_and_names_it(engine):
    cell = read_call(engine, "run-1", "generation", TAGS_FREE)[1].cell_id
    with pytest.raises(FailedForGood, match=f"Generation {cell} has no response"):
        execute("evaluation", RIGOR_OF_TAGS_FREE)
    [failure] = read_failures(engine, "demo")
    assert (failure["stage"], failure["attempt"]) == ("evaluation", 0)


def test_an_evaluation_of_an_answer_without_essay_is_left_to_the_trigger_which_skips_it(engine, settings):
    answer_call(settings, "run-1", "generation", TAGS_FREE, "no tags in here")
    with pytest.raises(TaskDeferred):
        execute("evaluation", RIGOR_OF_TAGS_FREE)
    assert read_failures(engine, "demo") == []


def test_an_archived_answer_is_brought_back_without_a_trigger(engine, settings, files):
    cell = answer_call(settings, "run-1", "generation", ESSAY_FREE).cell.cell_id
    record = files.read_provenance("generation", cell)
    files.archive_response("generation", cell, record["request_hash"])
    assert execute() is None
    assert files.is_answered("generation", cell)


@pytest.mark.parametrize(
    ("run_id", "index", "message"),
    [("run-9", 0, "no plan for generation 0 of run 'run-9'"), ("run-1", 99, "no plan for generation 99")],
)
def test_an_instance_without_a_plan_fails_for_good(engine, run_id, index, message):
    with pytest.raises(FailedForGood, match=message):
        execute(index=index, run_id=run_id)


def test_the_label_is_the_id_of_the_cell_whatever_the_worker_does(engine, settings):
    cell = read_call(engine, "run-1", "generation", ESSAY_FREE)[1].cell_id
    answer_call(settings, "run-1", "generation", ESSAY_FREE)
    executed = operator()
    context = {"run_id": "run-1", "ti": SimpleNamespace(map_index=ESSAY_FREE, try_number=1)}
    executed.execute(context)
    assert executed.cell_label("run-1", context["ti"]) == context["ti"].rendered_map_index == cell
    resumed = operator()
    event = {"event": failure_payload(LLMPermanentError("HTTP 401"))}
    with pytest.raises(FailedForGood, match="HTTP 401"):
        resumed.resume_execution("execute_complete", event, context)
    assert resumed.cell_label("run-1", context["ti"]) == cell


@pytest.mark.parametrize(("try_number", "sent"), [(1, False), (2, True)])
def test_a_label_is_sent_at_the_beginning_only_where_a_retry_dropped_it(engine, try_number, sent):
    ti = SimpleNamespace(map_index=ESSAY_FREE, try_number=try_number)
    assert bool(operator().cell_label("run-1", ti)) is sent


def test_a_label_that_cannot_be_looked_up_does_not_hide_why_the_task_fails(engine):
    context = {"run_id": "run-9", "ti": SimpleNamespace(map_index=ESSAY_FREE, try_number=1)}
    event = {"event": failure_payload(LLMPermanentError("HTTP 401"))}
    with pytest.raises(FailedForGood, match="HTTP 401"):
        operator().resume_execution("execute_complete", event, context)


@pytest.mark.parametrize("error", [LLMPermanentError("HTTP 401"), InputError("no connection")])
def test_what_trying_again_cannot_mend_fails_without_a_retry(error):
    with pytest.raises(FailedForGood, match=f"^{type(error).__name__}: {error}$"):
        operator().execute_complete({}, failure_payload(error))


def test_what_may_pass_is_left_to_airflows_retries():
    with pytest.raises(AirflowException, match=r"^LLMTransientError: HTTP 503$") as caught:
        operator().execute_complete({}, failure_payload(LLMTransientError("HTTP 503")))
    assert not isinstance(caught.value, FailedForGood)


@pytest.mark.parametrize("event", [{}, {"status": "fine"}])
def test_an_event_that_is_not_known_is_an_error(event):
    with pytest.raises(AirflowException, match="event that is not known"):
        operator().execute_complete({}, event)


def test_the_operator_shows_no_prompt_as_a_rendered_template():
    assert LLMCallOperator.template_fields == ()


@pytest.mark.parametrize(
    ("dispatch", "kind"), [("pool", LLMCallOperator), ("triggerer", TriggererLLMCallOperator)]
)
def test_the_way_of_dispatch_chooses_the_operator(dispatch, kind):
    assert call_operator(dispatch) is kind


def test_an_operator_that_starts_in_the_triggerer_names_the_same_trigger():
    arguments = TriggererLLMCallOperator.start_trigger_args
    assert arguments.trigger_cls == LLMCallTrigger("r", "generation", 0).serialize()[0]
    assert LLMCallTrigger(**(arguments.trigger_kwargs or {})).serialize()[1] == {}
    assert arguments.next_method == LLMCallOperator.execute_complete.__name__
