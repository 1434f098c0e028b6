"""The trigger of a call whose model is called in batches: it waits, lands, fails or calls."""

from __future__ import annotations

import asyncio

import pytest
from airflow.triggers.base import TaskSuccessEvent
from sqlalchemy import func, select

from daydreaming.llm.price import ModelPrice, call_nanousd
from daydreaming.pipeline.batches import close_unsent
from daydreaming.store.database import engine_for
from daydreaming.store.ledger import experiment_scope, read_budget, read_calls
from daydreaming.store.results import read_failures, read_responses
from daydreaming.store.schema import Claim
from daydreaming.triggers import batches
from tests.support.batches import (
    IN_BATCH,
    JUDGED_IN_BATCH,
    close_with,
    error_row,
    opened,
    plan_with_batches,
    row_of,
)
from tests.support.experiments import ESSAY, answer_call, edit_input
from tests.support.trigger_runs import cell_id, drive, events_of, failure_of, until

pytestmark = pytest.mark.usefixtures("impatient", "connected")
FIRST, SECOND = IN_BATCH
HALF = ModelPrice(0.075, 0.3, "llm_models.csv, batch")
HALF_OF_JUDGE = ModelPrice(0.5, 1.0, HALF.source)


@pytest.fixture
def engine(settings):
    plan_with_batches(settings)
    return engine_for(settings)


@pytest.fixture(autouse=True)
def states(monkeypatch):
    """States of the batch tasks' instances, as Airflow has them; counts how often it is asked."""
    found = {"batch_generate_0": "running", "batch_evaluate_1": "running", "asked": 0}

    async def task_states(run_id, task_id):
        assert run_id == "run-1"
        found["asked"] += 1
        return {name: state for name, state in found.items() if name.startswith(task_id)}

    monkeypatch.setattr(batches, "task_states", task_states)
    monkeypatch.setattr(batches, "POLL_S", 0.01)
    monkeypatch.setattr(batches, "STATES_KEPT_S", 0.0)
    return found


def land(settings, *rows, stage="generation"):
    order = opened(settings, stage)
    close_with(order.batch, *rows)
    return order


def claims(engine):
    with engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(Claim))


def test_an_answer_lands_in_the_same_files_and_rows_at_batch_price(settings, engine, files, simulator):
    land(settings, row_of(0, ESSAY), row_of(1, ESSAY))
    assert type(drive(index=FIRST)) is TaskSuccessEvent
    cell = cell_id(engine, index=FIRST)
    assert files.read_response("generation", cell) == ESSAY
    assert files.essay(cell).read_text().endswith("<essay>Moats meet search.</essay>")
    [row] = read_responses(engine, "generation")
    assert (row["generation_task_id"], row["model_returned"], row["attempts"]) == (cell, "prov/paid-2026", 1)
    record = files.read_provenance("generation", cell)
    cost = call_nanousd(HALF, 100, 200)
    assert (record["batch_id"], record["cost_source"]) == ("batch_1", HALF.source)
    assert (record["cost_usd"], record["latency_s"]) == (cost / 1e9, 3600)
    assert record["request"]["max_tokens"] == 8192
    [call] = [call for call in read_calls(engine) if call["cell_id"] == cell]
    assert (call["state"], call["cost_nanousd"], call["prompt_tokens"]) == ("answered", cost, 100)
    assert read_budget(engine, experiment_scope("demo"))[2] == cost
    assert claims(engine) == 1  # that of the other member
    assert simulator.stats()["calls"] == 0


def test_a_judges_answer_lands_with_its_score(settings, engine, states):
    answer_call(settings, "run-1", "generation", 0)
    land(settings, row_of(0, "Fine.\nSCORE: 7"), row_of(1, "Fine.\nSCORE: 8"), stage="evaluation")
    assert type(drive("evaluation", JUDGED_IN_BATCH[0])) is TaskSuccessEvent
    [row] = read_responses(engine, "evaluation")
    assert row["score"] == 7


def test_a_call_waits_until_its_batch_is_over(settings, engine, states):
    async def wait_and_land():
        waiting = asyncio.ensure_future(events_of(index=FIRST))
        await until(lambda: states["asked"] > 3)
        assert not waiting.done()
        await asyncio.to_thread(land, settings, row_of(0, ESSAY), row_of(1, ESSAY))
        return await waiting

    [event] = asyncio.run(wait_and_land())
    assert type(event) is TaskSuccessEvent


def test_a_call_of_another_model_does_not_wait(engine, simulator, states):
    assert type(drive(index=0)) is TaskSuccessEvent
    assert simulator.stats()["calls"] == 1
    assert states["asked"] == 0


def test_a_member_that_failed_fails_its_own_instance_for_good(settings, engine, simulator, states):
    land(settings, row_of(0, ESSAY), error_row(1))
    states["batch_generate_0"] = "success"
    error_class, transient, message = failure_of(drive(index=SECOND))
    assert (error_class, transient) == ("BatchMemberError", False)
    assert message.startswith("In batch batch_1: The provider answered with an error (server_error)")
    assert "Clear this instance to make the call in the ordinary way" in message
    [failure] = read_failures(engine, "demo")
    assert (failure["error_class"], failure["final"], failure["message"]) == (error_class, True, message)
    [call] = [call for call in read_calls(engine) if call["cell_id"] == cell_id(engine, index=SECOND)]
    assert (call["state"], call["cost_nanousd"], call["cost_source"]) == ("failed", 0, "not billed")
    assert simulator.stats()["calls"] == 0
    assert type(drive(index=FIRST)) is TaskSuccessEvent


def test_clearing_it_makes_the_call_in_the_ordinary_way_at_the_ordinary_price(
    settings, engine, simulator, states, files
):
    land(settings, row_of(0, ESSAY), error_row(1))
    states["batch_generate_0"] = "success"
    drive(index=SECOND)
    assert type(drive(index=SECOND)) is TaskSuccessEvent
    assert simulator.stats()["calls"] == 1
    record = files.read_provenance("generation", cell_id(engine, index=SECOND))
    assert record["cost_source"] == "llm_models.csv"
    assert "batch_id" not in record


@pytest.mark.parametrize(
    ("row", "cost", "message"),
    [
        (row_of(0, "Half", finish_reason="length"), call_nanousd(HALF, 100, 200), "was cut off"),
        (row_of(0, ""), call_nanousd(HALF, 100, 200), "empty answer"),
        (error_row(0, "expired"), 0, "before the batch expired"),
    ],
)
def test_what_a_failed_member_was_billed_is_kept(settings, engine, row, cost, message):
    land(settings, row, row_of(1, ESSAY))
    assert message in failure_of(drive(index=FIRST))[2]
    [call] = [call for call in read_calls(engine) if call["cell_id"] == cell_id(engine, index=FIRST)]
    assert (call["state"], call["cost_nanousd"]) == ("failed", cost)


def test_a_member_cut_off_without_counted_tokens_costs_the_worst_case(settings, engine):
    uncounted = {"input_tokens": 0, "output_tokens": 0}
    land(settings, row_of(0, "Half", finish_reason="length", usage=uncounted), row_of(1, ESSAY))
    assert "was cut off" in failure_of(drive(index=FIRST))[2]
    [call] = [call for call in read_calls(engine) if call["cell_id"] == cell_id(engine, index=FIRST)]
    assert (call["state"], call["cost_source"]) == ("failed", "worst case")
    assert call["cost_nanousd"] == call["reserved_nanousd"] > 0


def test_an_answer_to_an_essay_that_has_changed_since_is_not_taken_and_was_billed(settings, engine, files):
    call = answer_call(settings, "run-1", "generation", 0)
    land(settings, row_of(0, "SCORE: 7"), row_of(1, "SCORE: 8"), stage="evaluation")
    files.response("generation", call.cell.cell_id).write_text("Another essay.")
    assert "answers another request" in failure_of(drive("evaluation", JUDGED_IN_BATCH[0]))[2]
    assert read_responses(engine, "evaluation") == []
    judged = cell_id(engine, "evaluation", JUDGED_IN_BATCH[0])
    [landed] = [call for call in read_calls(engine) if call["cell_id"] == judged]
    assert (landed["state"], landed["cost_nanousd"]) == ("failed", call_nanousd(HALF_OF_JUDGE, 100, 200))


@pytest.mark.parametrize("state", ["failed", "upstream_failed", "skipped", "removed"])
def test_where_the_batch_came_to_nothing_its_calls_fail_and_nothing_is_sent(engine, simulator, states, state):
    states["batch_generate_0"] = state
    error_class, transient, message = failure_of(drive(index=FIRST))
    assert (error_class, transient) == ("BatchError", False)
    assert "the log of batch_generate says why" in message
    assert [row["error_class"] for row in read_failures(engine, "demo")] == ["BatchError"]
    assert simulator.stats()["calls"] == 0


def test_a_batch_task_that_was_never_mapped_says_so_for_all(engine, states):
    del states["batch_generate_0"]
    states["batch_generate"] = "upstream_failed"
    assert failure_of(drive(index=FIRST))[0] == "BatchError"


def test_a_call_that_is_cleared_alone_after_that_is_made_in_the_ordinary_way(
    settings, engine, simulator, states
):
    opened(settings)  # it is out, and the task that waits for it fails
    states["batch_generate_0"] = "failed"
    failure_of(drive(index=FIRST))
    assert type(drive(index=FIRST)) is TaskSuccessEvent
    assert simulator.stats()["calls"] == 1
    in_batch, ordinary = sorted(
        (c for c in read_calls(engine) if c["cell_id"] == cell_id(engine, index=FIRST)),
        key=lambda call: call["reserved_at"],
    )
    # Nobody can say whether the provider will answer it all the same.
    assert (in_batch["state"], in_batch["cost_source"]) == ("unknown", "worst case")
    assert (ordinary["state"], ordinary["cost_source"]) == ("answered", "llm_models.csv")


def test_a_call_that_is_cleared_with_its_batch_waits_for_it_again(settings, engine, states, simulator):
    states["batch_generate_0"] = "failed"
    failure_of(drive(index=FIRST))

    async def wait_and_fail():
        states["batch_generate_0"], asked = None, states["asked"]
        waiting = asyncio.ensure_future(events_of(index=FIRST))
        await until(lambda: states["asked"] > asked + 3)
        states["batch_generate_0"] = "failed"
        return await waiting

    [event] = asyncio.run(wait_and_fail())
    assert failure_of(event)[0] == "BatchError"
    assert simulator.stats()["calls"] == 0


def test_a_call_that_was_in_no_batch_is_made_once_the_batch_is_over(settings, engine, states, simulator):
    states["batch_generate_0"] = "success"
    assert type(drive(index=FIRST)) is TaskSuccessEvent
    assert simulator.stats()["calls"] == 1


def test_a_result_of_an_earlier_batch_is_found_after_a_later_one(settings, engine, states):
    first = land(settings, row_of(0, ESSAY), error_row(1))
    drive(index=SECOND)
    second = opened(settings)
    assert [member.map_index for member in second.batch.members] == [SECOND]
    close_unsent(settings, second.batch, "failed")
    assert first.batch.folder != second.batch.folder
    assert type(drive(index=FIRST)) is TaskSuccessEvent


def test_answers_of_airflow_are_shared_while_the_batch_is_open(settings, engine, states, monkeypatch):
    monkeypatch.setattr(batches, "STATES_KEPT_S", 60.0)

    async def wait_together():
        waiting = [asyncio.ensure_future(events_of(index=index)) for index in IN_BATCH]
        await asyncio.sleep(0.2)
        asked = states["asked"]
        await asyncio.to_thread(land, settings, row_of(0, ESSAY), row_of(1, ESSAY))
        return asked, await asyncio.gather(*waiting)

    asked, _ = asyncio.run(wait_together())
    assert asked <= len(IN_BATCH)


def test_those_above_a_number_come_back_later_and_hold_nothing(engine, states, monkeypatch):
    monkeypatch.setattr(batches, "MOST_WAITING", 0)
    [event] = asyncio.run(events_of(index=FIRST))
    assert event.payload["status"] == "reschedule"


def test_without_the_extra_a_run_that_was_planned_with_it_says_what_to_install(engine, monkeypatch):
    monkeypatch.setattr(batches, "has_batch_provider", lambda: False)
    assert "pip install -r requirements-batch.lock" in failure_of(drive(index=FIRST))[2]


def test_airflow_is_asked_for_the_states_of_one_task_in_one_run(monkeypatch):
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    monkeypatch.undo()
    asked = {}

    def get_task_states(**given):
        asked.update(given)
        return {"run-1": {"batch_generate_0": "deferred"}}

    monkeypatch.setattr(RuntimeTaskInstance, "get_task_states", staticmethod(get_task_states))
    assert asyncio.run(batches.task_states("run-1", "batch_generate")) == {"batch_generate_0": "deferred"}
    assert asyncio.run(batches.task_states("run-2", "batch_generate")) == {}
    assert asked == {"dag_id": "daydream_experiment", "task_ids": ["batch_generate"], "run_ids": ["run-2"]}


def test_the_columns_of_prices_may_be_empty(settings, files):
    """Then what a member cost is not known, and nothing is reserved."""
    edit_input(settings.inputs_root, "01_raw/llm_models.csv", "0.15,0.6", ",")
    plan_with_batches(settings)
    land(settings, row_of(0, ESSAY), row_of(1, ESSAY))
    assert type(drive(index=FIRST)) is TaskSuccessEvent
    record = files.read_provenance("generation", cell_id(engine_for(settings), index=FIRST))
    assert (record["cost_usd"], record["cost_source"]) == (None, "unknown")
