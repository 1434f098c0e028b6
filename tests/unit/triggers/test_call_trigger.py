"""The trigger, driven as the triggerer drives it, on a real plan against the real simulator."""

from __future__ import annotations

import asyncio
import importlib
import json
import threading
from datetime import UTC, datetime, timedelta

import pytest
from airflow.serialization.encoders import encode_trigger
from airflow.serialization.serialized_objects import BaseSerialization
from airflow.triggers.base import TaskSkippedEvent, TaskSuccessEvent

from daydreaming.llm.simulator import answer_for, score_for
from daydreaming.store.claims import claim_cell, release_cell
from daydreaming.store.database import engine_for
from daydreaming.store.results import read_failures, read_responses
from daydreaming.triggers import desk, llm
from daydreaming.triggers.clients import shared_client
from daydreaming.triggers.llm import LLMCallTrigger
from tests.support.experiments import edit_input, planned_run
from tests.support.trigger_runs import (
    RIGOR_OF_ESSAY_FREE,
    RIGOR_OF_TAGS_FREE,
    TAGS_FREE,
    cell_id,
    drive,
    events_of,
    failure_of,
    until,
)
from tests.unit.triggers.conftest import KEY

pytestmark = pytest.mark.usefixtures("impatient", "connected")


def test_the_trigger_comes_back_from_airflows_serialisation_as_it_was():
    encoded = json.loads(json.dumps(encode_trigger(LLMCallTrigger("run-1", "evaluation", 3))))
    kwargs = BaseSerialization.deserialize(BaseSerialization.serialize(encoded["kwargs"]))
    module, _, name = encoded["classpath"].rpartition(".")
    made = getattr(importlib.import_module(module), name)(**kwargs)
    assert type(made) is LLMCallTrigger
    assert made.serialize() == LLMCallTrigger("run-1", "evaluation", 3).serialize()


def test_nothing_but_names_travels_in_the_trigger():
    _, kwargs = LLMCallTrigger("run-1", "generation", 3).serialize()
    assert kwargs == {"run_id": "run-1", "stage": "generation", "map_index": 3}


def test_a_call_ends_the_task_and_leaves_files_and_rows(engine, files, simulator):
    assert type(drive()) is TaskSuccessEvent
    cell = cell_id(engine)
    prompt = files.prompt("generation", cell).read_text()
    answer = answer_for(5, "prov/free:free", prompt)
    assert files.read_response("generation", cell) == answer
    assert files.essay(cell).read_text() == answer.strip()
    [row] = read_responses(engine, "generation")
    assert (row["generation_task_id"], row["run_id"], row["attempts"]) == (cell, "run-1", 1)
    assert files.read_provenance("generation", cell)["request"]["extra_body"] == {"seed": 1}
    assert simulator.stats()["calls"] == 1
    assert read_failures(engine, "demo") == []


def test_a_map_index_that_airflow_rendered_as_text_is_read(engine, simulator):
    assert type(drive(index="0")) is TaskSuccessEvent


def test_an_answer_that_is_stored_is_not_asked_for_again(engine, simulator):
    drive()
    assert type(drive()) is TaskSuccessEvent
    assert simulator.stats()["calls"] == 1


def test_an_answer_of_another_run_is_reused_and_keeps_its_maker(engine, settings, simulator):
    drive()
    planned_run(settings, "run-2")
    assert type(drive(run_id="run-2")) is TaskSuccessEvent
    assert simulator.stats()["calls"] == 1
    assert [row["run_id"] for row in read_responses(engine, "generation")] == ["run-1"]


def test_an_evaluation_is_stored_with_its_score(settings, files):
    # The simulator keeps to a scale that the prompt names.
    edit_input(settings.inputs_root, "01_raw/evaluation_templates/rigor.txt", "SCORE: ?", "0-9. SCORE: ?")
    planned_run(settings)
    drive()
    assert type(drive("evaluation", RIGOR_OF_ESSAY_FREE)) is TaskSuccessEvent
    [row] = read_responses(engine_for(settings), "evaluation")
    cell = cell_id(engine_for(settings), "evaluation", RIGOR_OF_ESSAY_FREE)
    prompt = files.prompt("evaluation", cell).read_text()
    assert row["evaluation_task_id"] == cell
    assert row["score"] == score_for(5, "prov/free:free", prompt)
    assert row["score_error"] is None


def test_a_verdict_that_cannot_be_read_is_unscored_and_no_failure(engine, simulator):
    drive()
    simulator.control(rate_unreadable=1.0)
    assert type(drive("evaluation", RIGOR_OF_ESSAY_FREE)) is TaskSuccessEvent
    [row] = read_responses(engine, "evaluation")
    assert row["score"] is None
    assert row["score_error"]


def test_no_secret_is_in_any_file_or_row(engine, files, simulator, connect):
    drive()
    connect(simulator.base_url, password="sk-another-secret-987654321")
    drive(index=TAGS_FREE)
    for path in files.path.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert KEY.encode() not in data
            assert b"sk-another" not in data


def test_transient_faults_are_tried_again_until_the_attempts_are_used_up(engine, files, simulator):
    simulator.control(rate_500=1.0)
    error_class, transient, message = failure_of(drive())
    assert (error_class, transient) == ("LLMTransientError", True)
    assert "HTTP 500" in message
    assert simulator.stats()["calls"] == 2
    failures = read_failures(engine, "demo")
    assert [(f["attempt"], f["final"]) for f in failures] == [(1, False), (2, True)]
    assert {f["cell_id"] for f in failures} == {cell_id(engine)}
    assert not files.is_answered("generation", cell_id(engine))


def test_a_fault_that_passes_is_made_good_and_counted(engine, simulator, monkeypatch):
    simulator.control(rate_429=1.0)
    decide = llm.decide_retry

    def mended(*args, **kwargs):
        simulator.control(rate_429=0.0)
        return decide(*args, **kwargs)

    monkeypatch.setattr(llm, "decide_retry", mended)
    assert type(drive()) is TaskSuccessEvent
    [row] = read_responses(engine, "generation")
    assert row["attempts"] == 2
    assert [f["final"] for f in read_failures(engine, "demo")] == [False]


def test_an_answer_cut_off_is_permanent_and_not_asked_for_again(engine, files, simulator):
    simulator.control(rate_truncated=1.0)
    error_class, transient, message = failure_of(drive())
    assert (error_class, transient) == ("LLMPermanentError", False)
    assert "cut off" in message
    assert simulator.stats()["calls"] == 1
    assert not files.is_answered("generation", cell_id(engine))


def test_a_key_that_is_mended_is_read_anew_by_the_next_call(engine, simulator, connect):
    async def both():
        connect(simulator.base_url, password="sk-wrong-secret-12345")
        [first] = await events_of()
        connect(simulator.base_url)
        [second] = await events_of()
        return first, second

    refused, made = asyncio.run(both())
    error_class, transient, message = failure_of(refused)
    assert (error_class, transient) == ("LLMPermanentError", False)
    assert "HTTP 401" in message
    assert type(made) is TaskSuccessEvent


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("http://127.0.0.1:1/v1", "The connection to"),
        ("{root}/elsewhere/v1", "HTTP 404"),
        ("{root}/v1", "no JSON object"),  # of a page that is answered there for the moment
    ],
)
def test_a_host_that_is_mended_is_read_anew_by_the_next_call(engine, simulator, connect, wrong, told):
    async def both():
        simulator.control(rate_html=1.0)
        connect(wrong.format(root=simulator.root_url))
        [first] = await events_of()
        simulator.control(rate_html=0.0)
        connect(simulator.base_url)
        client = await shared_client("openrouter_default")
        [second] = await events_of()
        return first, second, client

    failed, made, client = asyncio.run(both())
    assert told in failure_of(failed)[2]
    assert str(client.base_url) == f"{simulator.base_url}/"
    assert type(made) is TaskSuccessEvent


def test_a_connection_that_is_not_defined_is_a_failure_that_names_it(engine, monkeypatch):
    monkeypatch.delenv("AIRFLOW_CONN_OPENROUTER_DEFAULT")
    error_class, transient, message = failure_of(drive())
    assert (error_class, transient) == ("InputError", False)
    assert "'openrouter_default' is not defined" in message
    [failure] = read_failures(engine, "demo")
    assert (failure["attempt"], failure["final"]) == (0, True)


def test_a_run_that_was_not_planned_is_a_failure_that_names_it(engine):
    error_class, transient, message = failure_of(drive(run_id="run-9"))
    assert (error_class, transient) == ("StoreError", False)
    assert "'run-9'" in message


def test_an_evaluation_without_its_generation_fails_and_names_it(engine, simulator):
    error_class, transient, message = failure_of(drive("evaluation", RIGOR_OF_ESSAY_FREE))
    assert (error_class, transient) == ("MissingResponseError", False)
    assert cell_id(engine) in message
    [failure] = read_failures(engine, "demo")
    assert (failure["stage"], failure["attempt"], failure["final"]) == ("evaluation", 0, True)
    assert simulator.stats()["calls"] == 0


def test_an_essay_that_cannot_be_found_is_stored_and_its_evaluations_are_skipped(engine, files, simulator):
    simulator.control(rate_unreadable=1.0)
    assert type(drive(index=TAGS_FREE)) is TaskSuccessEvent
    [row] = read_responses(engine, "generation")
    assert row["essay_error"]
    assert not files.essay(cell_id(engine, index=TAGS_FREE)).exists()
    assert type(drive("evaluation", RIGOR_OF_TAGS_FREE)) is TaskSkippedEvent
    assert simulator.stats()["calls"] == 1
    assert read_failures(engine, "demo") == []


def test_two_triggers_for_one_cell_make_one_call(engine, settings, simulator):
    planned_run(settings, "run-2")
    simulator.control(latency_s=0.3)

    async def both():
        return await asyncio.gather(events_of(), events_of(run_id="run-2"), events_of())

    events = asyncio.run(both())
    assert [type(event) for [event] in events] == [TaskSuccessEvent] * 3
    assert simulator.stats()["calls"] == 1
    assert len(read_responses(engine, "generation")) == 1
    assert claim_cell(engine, "generation", cell_id(engine), "next", datetime.now(UTC))


def test_a_call_that_is_cancelled_gives_its_claim_back(engine, files, simulator):
    simulator.control(latency_s=15)
    cell = cell_id(engine)

    async def cancelled():
        task = asyncio.create_task(events_of())
        await until(lambda: simulator.stats()["calls"] == 1)
        assert not await asyncio.to_thread(claim_cell, engine, "generation", cell, "other", datetime.now(UTC))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    assert claim_cell(engine, "generation", cell, "other", datetime.now(UTC))
    assert not files.is_answered("generation", cell)


def test_a_call_that_waits_leaves_the_claim_to_its_holder_when_cancelled(engine, simulator, monkeypatch):
    cell, tries = cell_id(engine), []
    claim_cell(engine, "generation", cell, "holder", datetime.now(UTC))
    ask = desk.CallDesk._ask

    async def counted(self):
        tries.append(self)
        return await ask(self)

    monkeypatch.setattr(desk.CallDesk, "_ask", counted)

    async def cancelled():
        task = asyncio.create_task(events_of())
        await until(lambda: len(tries) > 2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    assert simulator.stats()["calls"] == 0
    assert not claim_cell(engine, "generation", cell, "other", datetime.now(UTC))
    release_cell(engine, "generation", cell, "holder")
    assert claim_cell(engine, "generation", cell, "other", datetime.now(UTC))


def test_a_call_goes_on_when_the_holder_of_its_claim_is_gone(engine, simulator):
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    claim_cell(engine, "generation", cell_id(engine), "crashed", long_ago)
    assert type(drive()) is TaskSuccessEvent


def test_an_answer_that_was_paid_for_is_stored_though_the_task_is_killed_meanwhile(
    engine, files, simulator, monkeypatch
):
    cell, storing, killed = cell_id(engine), threading.Event(), threading.Event()
    record = desk.store_answer

    def slowly(*args, **kwargs):
        storing.set()
        killed.wait(20)
        return record(*args, **kwargs)

    monkeypatch.setattr(desk, "store_answer", slowly)

    async def cancelled():
        task = asyncio.create_task(events_of())
        await until(storing.is_set)
        task.cancel()
        killed.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())  # waits for its threads
    assert files.is_answered("generation", cell)
    assert len(read_responses(engine, "generation")) == 1


@pytest.mark.parametrize("on_stale", ["fail", "reuse", "archive"])
def test_a_stale_answer_is_treated_as_the_run_says(engine, settings, files, simulator, on_stale):
    drive()
    first = files.read_provenance("generation", cell_id(engine))
    planned_run(settings, "run-2", generation_temperature=0.9, on_stale=on_stale)
    event = drive(run_id="run-2")
    now = files.read_provenance("generation", cell_id(engine))
    if on_stale == "fail":
        error_class, transient, message = failure_of(event)
        assert (error_class, transient) == ("StaleResponseError", False)
        assert "on_stale" in message
    else:
        assert type(event) is TaskSuccessEvent
    assert simulator.stats()["calls"] == (2 if on_stale == "archive" else 1)
    assert (now == first) is (on_stale != "archive")
    archived = files.archived("generation", cell_id(engine), first["request_hash"])
    assert archived.exists() is (on_stale == "archive")


def test_an_archived_answer_is_brought_back_and_not_bought_again(engine, settings, files, simulator):
    drive()
    first = files.read_provenance("generation", cell_id(engine))
    planned_run(settings, "run-2", generation_temperature=0.9, on_stale="archive")
    drive(run_id="run-2")
    planned_run(settings, "run-3", on_stale="archive")
    assert type(drive(run_id="run-3")) is TaskSuccessEvent
    assert simulator.stats()["calls"] == 2
    assert files.read_provenance("generation", cell_id(engine)) == first
    [row] = read_responses(engine, "generation")
    assert row["request_hash"] == first["request_hash"]
