"""Money, limits and leases of real calls: what is reserved, paced, settled and given back."""

from __future__ import annotations

import asyncio
import json
import threading
from datetime import UTC, datetime, timedelta

import pytest
from airflow.triggers.base import TaskSuccessEvent, TriggerEvent
from sqlalchemy import select, update

from daydreaming.errors import LLMTransientError
from daydreaming.llm.limits import DAY_S, MARGIN_S
from daydreaming.llm.price import ModelPrice, call_nanousd, worst_case_nanousd
from daydreaming.llm.simulator import SimulatorProcess, estimate_tokens
from daydreaming.pipeline.plan import set_cap
from daydreaming.settings import Settings
from daydreaming.store.claims import LEASE_S
from daydreaming.store.database import engine_for, writing_engine
from daydreaming.store.group_writer import writer_for
from daydreaming.store.ledger import budget_day, day_scope, experiment_scope, read_budget, read_calls
from daydreaming.store.limiter import limiter_clock
from daydreaming.store.plans import cells_of_run
from daydreaming.store.results import read_failures, read_responses
from daydreaming.store.schema import CallStart, CellFailure, Claim, ModelRate
from daydreaming.triggers import desk, llm
from daydreaming.triggers.desk import CallDesk
from daydreaming.triggers.leases import LeaseKeeper
from tests.support.experiments import edit_input, planned_run
from tests.support.trigger_runs import (
    ESSAY_FREE,
    ESSAY_PAID,
    TAGS_FREE,
    TAGS_PAID,
    cell_id,
    drive,
    events_of,
    failure_of,
    until,
)
from tests.unit.triggers.conftest import CALM

pytestmark = pytest.mark.usefixtures("impatient", "connected")

E = experiment_scope("demo")
PAID = ModelPrice(0.15, 0.6, "llm_models.csv")
#: A second start of a model comes half a second after the first.
SPACED = {"rpm": 122, "burst": 1}


@pytest.fixture(params=["sqlite", "postgres"])
def settings(request, settings, monkeypatch):
    """The deployment's settings, with each kind of results database."""
    if request.param == "sqlite":
        yield settings
        close(settings)
        return
    template = request.getfixturevalue("migrated_template")
    with request.getfixturevalue("postgres").database(template) as uri:
        monkeypatch.setenv("AIRFLOW_CONN_DAYDREAMING_RESULTS", uri)
        made = Settings.from_env()
        yield made
        close(made)


def close(settings):
    writer_for(settings).close()
    writing_engine(settings).dispose()
    engine_for(settings).dispose()


def all_rows(engine, table):
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(select(table.__table__)).mappings()]


def claims(engine):
    return [row["cell_id"] for row in all_rows(engine, Claim)]


def starts(engine):
    return {row["cell_id"]: row for row in all_rows(engine, CallStart)}


def drained(settings):
    """Wait until the writer has done what it was asked for."""
    writer_for(settings).submit(lambda _connection, items: items, None).result(20)


def assert_nothing_is_held(engine):
    assert claims(engine) == []
    assert read_budget(engine, E)[1] == 0
    assert [row["state"] for row in read_calls(engine) if row["state"] == "reserved"] == []


def worst_case(files, engine, index=ESSAY_PAID):
    prompt = files.prompt("generation", cell_id(engine, index=index)).read_bytes()
    return worst_case_nanousd(PAID, len(prompt), 8192)


# --- money


def assert_refused(event, message):
    error_class, transient, text = failure_of(event)
    assert (error_class, transient) == ("BudgetError", False)
    assert message in text
    assert "Nothing was sent" in text


def test_a_call_over_its_experiments_cap_is_refused_until_the_cap_is_raised(settings, simulator):
    planned_run(settings, max_cost_usd=0.000001)
    engine = engine_for(settings)
    assert_refused(drive(index=ESSAY_PAID), "max_cost_usd of experiment demo is 0.000001 US dollars")
    assert simulator.stats()["calls"] == 0
    [failure] = read_failures(engine, "demo")
    assert (failure["error_class"], failure["attempt"], failure["final"]) == ("BudgetError", 0, True)
    assert read_calls(engine) == []
    assert_nothing_is_held(engine)
    set_cap(settings, "demo", 1.0)
    assert type(drive(index=ESSAY_PAID)) is TaskSuccessEvent
    assert [row["state"] for row in read_calls(engine)] == ["answered"]
    # A model that costs nothing may be called whatever is spent.
    set_cap(settings, "demo", 0.0)
    assert_refused(drive(index=TAGS_PAID), "is 0 US dollars")
    set_cap(settings, "demo", 1.0)
    assert type(drive(index=ESSAY_FREE)) is TaskSuccessEvent


def test_a_call_over_the_days_cap_is_refused(engine, simulator, monkeypatch):
    monkeypatch.setenv("DAYDREAMING_DAILY_BUDGET_USD", "0.000001")
    assert_refused(drive(index=ESSAY_PAID), "DAYDREAMING_DAILY_BUDGET_USD for")
    assert simulator.stats()["calls"] == 0
    assert type(drive(index=ESSAY_FREE)) is TaskSuccessEvent


def test_a_model_without_a_price_is_refused_under_a_cap_and_called_without_one(settings, simulator):
    edit_input(settings.inputs_root, "01_raw/llm_models.csv", ",,,0.15,0.6,", ",,,,,")
    planned_run(settings, max_cost_usd=1_000)
    assert_refused(drive(index=ESSAY_PAID), "Model paid has no price")
    assert simulator.stats()["calls"] == 0
    set_cap(settings, "demo", None)
    assert type(drive(index=ESSAY_PAID)) is TaskSuccessEvent
    [row] = read_calls(engine_for(settings))
    assert (row["reserved_nanousd"], row["cost_nanousd"], row["cost_source"]) == (None, None, "unknown")


def repeated(settings):
    """Plan run-2 with each generation repeated; map indices of the paid model's further ones."""
    planned_run(settings, "run-2", generation_replicates=2)
    cells = cells_of_run(engine_for(settings), "run-2", "generation")
    return [cell.map_index for cell in cells if cell.generation_model == "paid" and cell.replicate == 2]


def test_a_call_waits_for_money_that_another_has_reserved(settings, engine, files, simulator):
    """Both fit in the end, for answers are shorter than the worst case; but not at once."""
    drive(index=ESSAY_PAID)  # tells the worst case of a prompt
    spent = read_budget(engine, E)[2]
    set_cap(settings, "demo", (spent + 1.5 * worst_case(files, engine)) / 1e9)
    simulator.reset()
    simulator.control(latency_s=0.3)
    indices = repeated(settings)

    async def both():
        return await asyncio.gather(*[events_of(index=index, run_id="run-2") for index in indices])

    assert [type(event) for [event] in asyncio.run(both())] == [TaskSuccessEvent] * 2
    stats = simulator.stats()
    assert (stats["calls"], stats["peak_concurrency"]) == (2, 1)
    assert_nothing_is_held(engine)


# --- the ledger's rows


def test_an_answered_call_is_in_the_ledger_with_what_it_cost(engine, files, simulator):
    drive(index=ESSAY_PAID)
    cell = cell_id(engine, index=ESSAY_PAID)
    tokens = [estimate_tokens(read.read_text()) for read in paths(files, cell)]
    [row] = read_calls(engine)
    cost = call_nanousd(PAID, *tokens)
    assert cost > 0
    expected = {
        "experiment_id": "demo",
        "run_id": "run-1",
        "stage": "generation",
        "cell_id": cell,
        "model_id": "paid",
        "conn_id": "openrouter_default",
        "model_name": "prov/paid",
        "attempt": 1,
        "state": "answered",
        "reserved_nanousd": worst_case(files, engine),
        "cost_nanousd": cost,
        "price_source": "llm_models.csv",
        "cost_source": "llm_models.csv",
        "prompt_tokens": tokens[0],
        "completion_tokens": tokens[1],
        "upstream_provider": "Simulator",
        "error_class": None,
        "budget_day": budget_day(row["reserved_at"]),
    }
    assert {name: row[name] for name in expected} == expected
    assert row["reserved_at"] <= row["ended_at"]
    assert read_budget(engine, E) == read_budget(engine, day_scope(row["budget_day"])) == (None, 0, cost)
    assert_nothing_is_held(engine)
    # The row of the answer says the same.
    [response] = read_responses(engine, "generation")
    assert response["cost_usd"] == pytest.approx(cost / 1e9, abs=1e-9)


def paths(files, cell):
    return files.prompt("generation", cell), files.response("generation", cell)


def test_what_the_provider_states_is_what_a_call_cost(engine, connect):
    with SimulatorProcess(type(CALM)(seed=5, api_key=CALM.api_key, price=(10.0, 20.0))) as priced:
        connect(priced.base_url)
        drive(index=ESSAY_PAID)
    [row] = read_calls(engine)
    stated = row["prompt_tokens"] * 10_000 + row["completion_tokens"] * 20_000
    assert (row["cost_nanousd"], row["cost_source"]) == (stated, "provider")
    # More than its price list said: it counts in full.
    assert read_budget(engine, E) == (None, 0, stated)


def test_failed_attempts_are_rows_that_cost_nothing(engine, simulator):
    simulator.control(rate_500=1.0)
    failure_of(drive(index=ESSAY_PAID))
    rows = read_calls(engine)
    assert [(row["attempt"], row["state"], row["cost_nanousd"], row["cost_source"]) for row in rows] == [
        (1, "failed", 0, "not billed"),
        (2, "failed", 0, "not billed"),
    ]
    assert {row["error_class"] for row in rows} == {"LLMTransientError"}
    assert_nothing_is_held(engine)


def test_an_answer_cut_off_costs_what_it_used(engine, simulator):
    simulator.control(rate_truncated=1.0)
    failure_of(drive(index=ESSAY_PAID))
    [row] = read_calls(engine)
    assert (row["state"], row["error_class"]) == ("failed", "LLMPermanentError")
    cost = call_nanousd(PAID, row["prompt_tokens"], row["completion_tokens"])
    assert (row["cost_nanousd"], row["cost_source"]) == (cost, "llm_models.csv")
    assert read_budget(engine, E) == (None, 0, cost)
    assert cost > 0


def test_an_answer_cut_off_without_usage_costs_the_worst_case(engine, files, simulator, monkeypatch):
    simulator.control(rate_truncated=1.0)
    monkeypatch.setattr("daydreaming.llm.answer._count", lambda _value: None)
    failure_of(drive(index=ESSAY_PAID))
    [row] = read_calls(engine)
    assert (row["state"], row["cost_source"]) == ("failed", "worst case")
    assert row["cost_nanousd"] == worst_case(files, engine)


@pytest.mark.parametrize("fault", ["timeout", "dropped"])
def test_a_call_of_which_nobody_knows_the_end_costs_the_worst_case(
    engine, files, simulator, monkeypatch, fault
):
    monkeypatch.setenv("DAYDREAMING_CALL_TIMEOUT_S", "1")
    monkeypatch.setenv("DAYDREAMING_CALL_ATTEMPTS", "1")
    simulator.control(**{f"rate_{fault}": 1.0})
    assert failure_of(drive(index=ESSAY_PAID))[1]
    [row] = read_calls(engine)
    worst = worst_case(files, engine)
    assert (row["state"], row["cost_nanousd"], row["cost_source"]) == ("unknown", worst, "worst case")
    assert read_budget(engine, E) == (None, 0, worst)
    assert claims(engine) == []


def test_an_answer_too_large_to_be_read_is_not_asked_for_again_and_costs_the_worst_case(
    engine, files, simulator, monkeypatch
):
    monkeypatch.setattr("daydreaming.llm.bounded_client.MAX_ANSWER_BYTES", 100)
    error_class, is_transient, message = failure_of(drive(index=ESSAY_PAID))
    assert (error_class, is_transient) == ("LLMPermanentError", False)
    assert "The answer is larger than" in message
    assert simulator.stats()["calls"] == 1
    [row] = read_calls(engine)
    assert (row["state"], row["cost_nanousd"]) == ("unknown", worst_case(files, engine))
    assert_nothing_is_held(engine)


def test_a_connection_that_is_refused_costs_nothing(engine, connect):
    connect("http://127.0.0.1:1/v1")
    assert failure_of(drive(index=ESSAY_PAID))[1]
    rows = read_calls(engine)
    assert [(row["state"], row["cost_nanousd"], row["cost_source"]) for row in rows] == [
        ("failed", 0, "not billed")
    ] * 2
    assert_nothing_is_held(engine)


def test_a_key_that_no_header_can_carry_costs_nothing(engine, connect, simulator):
    connect(simulator.base_url, password="sk-with-a-line-end\n")
    assert failure_of(drive(index=ESSAY_PAID))[0] == "LLMPermanentError"
    [row] = read_calls(engine)
    assert (row["state"], row["cost_nanousd"]) == ("failed", 0)


def test_an_answer_that_was_stored_before_is_no_row(engine, simulator):
    drive(index=ESSAY_PAID)
    drive(index=ESSAY_PAID)
    assert len(read_calls(engine)) == 1


# --- limits


@pytest.fixture
def admissions(monkeypatch):
    """What each call was told before it waited: seconds, by cell."""
    told = []
    wait = CallDesk._wait

    async def noted(self, admission):
        told.append((self._call.cell.cell_id, admission.wait_s))
        await wait(self, admission)

    monkeypatch.setattr(CallDesk, "_wait", noted)
    return told


def test_a_model_with_a_limit_is_called_no_faster(engine, connect, simulator, admissions):
    connect(simulator.base_url, rate_limits=SPACED)

    async def both():
        return await asyncio.gather(events_of(index=ESSAY_PAID), events_of(index=TAGS_PAID))

    assert [type(event) for [event] in asyncio.run(both())] == [TaskSuccessEvent] * 2
    assert sorted(wait_s for _, wait_s in admissions) == [0, pytest.approx(0.5, abs=0.2)]
    first, second = sorted(row["start_at"] for row in read_calls(engine))
    assert second - first > 0.4
    assert all(not start["waiting"] for start in starts(engine).values())


def test_a_limit_on_tokens_counts_what_was_used(engine, connect, simulator):
    connect(simulator.base_url, rate_limits={"tpm": 100_000})
    drive(index=ESSAY_PAID)
    [row] = read_calls(engine)
    [start] = starts(engine).values()
    assert start["tokens"] == row["prompt_tokens"] + row["completion_tokens"]


def away(monkeypatch, seconds):
    """Let the limiter's clock be that much later."""

    def later(connection):
        return limiter_clock(connection) + seconds

    for module in ("limiter", "admission"):
        monkeypatch.setattr(f"daydreaming.store.{module}.limiter_clock", later)


def rescheduled(event):
    assert type(event) is TriggerEvent
    assert event.payload.keys() == {"status", "at"}
    assert event.payload["status"] == "reschedule"
    return datetime.fromisoformat(event.payload["at"]) - datetime.now(UTC)


def test_a_call_whose_turn_is_far_away_is_rescheduled_and_holds_nothing(
    engine, connect, simulator, monkeypatch
):
    connect(simulator.base_url, rate_limits={"rpd": 1})
    drive(index=ESSAY_PAID)
    wait = rescheduled(drive(index=TAGS_PAID))
    assert timedelta(hours=23, minutes=59) < wait <= timedelta(hours=24, seconds=1)
    assert simulator.stats()["calls"] == 1
    assert read_failures(engine, "demo") == []
    assert sorted(row["state"] for row in read_calls(engine)) == ["answered", "unsent"]
    assert_nothing_is_held(engine)
    # Its place is kept, so that nobody who comes later goes before it.
    start = starts(engine)[cell_id(engine, index=TAGS_PAID)]
    assert start["waiting"]
    away(monkeypatch, DAY_S + MARGIN_S + 60)
    assert type(drive(index=TAGS_PAID)) is TaskSuccessEvent
    assert starts(engine)[cell_id(engine, index=TAGS_PAID)]["queued_at"] == start["queued_at"]
    assert_nothing_is_held(engine)


@pytest.mark.parametrize("status", [429, 503])
def test_a_provider_that_wants_to_be_left_alone_for_long_is_called_again_by_a_rescheduled_instance(
    engine, simulator, monkeypatch, status
):
    async def refuse(*_args, on_headers, **_kwargs):
        on_headers(status, {"retry-after": "3600"})
        raise LLMTransientError("busy", 3600.0, status=status)

    monkeypatch.setattr(llm, "send", refuse)
    wait = rescheduled(drive(index=ESSAY_PAID))
    assert timedelta(minutes=59) < wait < timedelta(minutes=61)
    assert [failure["final"] for failure in read_failures(engine, "demo")] == [False]
    assert_nothing_is_held(engine)


@pytest.fixture
def refused_for_an_hour(monkeypatch):
    """A provider that says again and again to come back in an hour."""

    async def refuse(*_args, on_headers, **_kwargs):
        on_headers(429, {"retry-after": "3600"})
        raise LLMTransientError("quota", 3600.0, status=429)

    monkeypatch.setattr(llm, "send", refuse)


def grow_older(engine, hours):
    """Let what failed have failed that much earlier."""
    with engine.begin() as connection:
        for failure_id, at in connection.execute(select(CellFailure.id, CellFailure.occurred_at)).all():
            change = update(CellFailure).where(CellFailure.id == failure_id)
            connection.execute(change.values(occurred_at=at - timedelta(hours=hours)))


@pytest.mark.usefixtures("refused_for_an_hour")
def test_a_provider_that_sends_an_instance_away_for_ever_is_given_up_after_a_day(engine, monkeypatch):
    for coming in range(4):  # after 0, 7, 14 and 21 hours: a limit per day is over then
        away(monkeypatch, coming * 7 * 3600)
        rescheduled(drive(index=ESSAY_PAID))
        grow_older(engine, 7)
    away(monkeypatch, 28 * 3600)
    error_class, is_transient, _ = failure_of(drive(index=ESSAY_PAID))
    assert (error_class, is_transient) == ("LLMTransientError", True)
    assert [(f["attempt"], f["final"]) for f in read_failures(engine, "demo")] == [(1, False)] * 4 + [
        (5, True)
    ]
    # Airflow's retry has a day of its own.
    away(monkeypatch, 29 * 3600)
    rescheduled(drive(index=ESSAY_PAID))
    assert_nothing_is_held(engine)


@pytest.mark.usefixtures("refused_for_an_hour")
def test_an_instance_that_comes_back_once_a_day_has_all_its_attempts(engine, monkeypatch):
    monkeypatch.setenv("DAYDREAMING_CALL_ATTEMPTS", "3")
    attempts = []
    for day in range(4):
        away(monkeypatch, day * DAY_S)
        event = drive(index=ESSAY_PAID)
        attempts.append((event.payload["status"], read_failures(engine, "demo")[-1]["attempt"]))
        grow_older(engine, 24)
    assert attempts == [("reschedule", 1), ("reschedule", 1), ("failed", 3), ("reschedule", 1)]


def test_a_refusal_pauses_the_other_calls_of_its_model_and_of_no_other(
    engine, connect, simulator, monkeypatch, admissions
):
    connect(simulator.base_url, rate_limits={"rpm": 1_000})
    simulator.control(rate_429=1.0, retry_after_s=30)
    decide = llm.decide_retry

    def mended(*args, **kwargs):
        simulator.control(rate_429=0.0)
        return decide(*args, **kwargs)

    monkeypatch.setattr(llm, "decide_retry", mended)

    async def run():
        refused = asyncio.create_task(events_of(index=ESSAY_PAID))
        await until(lambda: len(admissions) == 2)
        waiting = asyncio.create_task(events_of(index=TAGS_PAID))
        [other] = await events_of(index=ESSAY_FREE)
        await until(lambda: len(admissions) == 4)
        booked = await asyncio.to_thread(starts, engine)
        [rate] = [r for r in await asyncio.to_thread(all_rows, engine, ModelRate) if r["paused_until"]]
        for task in (refused, waiting):
            task.cancel()
        await asyncio.gather(refused, waiting, return_exceptions=True)
        return other, booked, rate

    other, booked, rate = asyncio.run(run())
    assert type(other) is TaskSuccessEvent
    assert rate["model_name"] == "prov/paid"
    again, new = (booked[cell_id(engine, index=index)] for index in (ESSAY_PAID, TAGS_PAID))
    # Both wait for the pause, and the one that was refused goes first.
    assert rate["paused_until"] == again["start_at"] == new["start_at"]
    assert again["queued_at"] < new["queued_at"]
    assert admissions[1][1] > 25
    assert simulator.stats()["calls"] == 2
    assert_nothing_is_held(engine)


def test_a_call_whose_lease_was_lost_while_it_waited_asks_again_and_is_made_once(
    engine, connect, simulator, monkeypatch
):
    connect(simulator.base_url, rate_limits=SPACED)
    safe, answers = LeaseKeeper.is_safe, [False]
    monkeypatch.setattr(
        LeaseKeeper, "is_safe", lambda self, lease: answers.pop() if answers else safe(self, lease)
    )
    assert type(drive(index=ESSAY_PAID)) is TaskSuccessEvent
    assert simulator.stats()["calls"] == 1
    assert sorted(row["state"] for row in read_calls(engine)) == ["answered", "unsent"]
    assert_nothing_is_held(engine)


def test_a_call_that_another_has_made_while_the_machine_slept_is_not_made_again(
    settings, engine, connect, simulator, monkeypatch, admissions
):
    """This process's own clock stood still meanwhile, and its lease has run out."""
    connect(simulator.base_url, rate_limits={"rpm": 1})
    monkeypatch.setattr(desk, "RECHECK_GIVEN_UP_S", 0.05)
    drive(index=ESSAY_PAID)

    async def run():
        waiting = asyncio.create_task(events_of(index=TAGS_PAID))
        await until(lambda: len(admissions) == 2)
        away(monkeypatch, 2 * LEASE_S)
        other = threading.Thread(target=drive, kwargs={"index": TAGS_PAID})
        other.start()
        other.join(60)  # not awaited: nothing of this loop goes on
        assert [row["state"] for row in await asyncio.to_thread(read_calls, engine)] == EXPECTED
        return await waiting

    assert [type(event) for event in asyncio.run(run())] == [TaskSuccessEvent]
    assert admissions[1][1] > 50
    assert simulator.stats()["calls"] == 2
    assert [row["state"] for row in read_calls(engine)] == EXPECTED
    assert_nothing_is_held(engine)


#: Of the call before, of the one that was never sent, and of the one that another made.
EXPECTED = ["answered", "unsent", "answered"]


# --- cancelled


def cancelled_when(condition, index=TAGS_PAID, before=None):
    """Run one trigger until ``condition`` holds, then cancel it as the triggerer does."""

    async def run():
        task = asyncio.create_task(events_of(index=index))
        await until(condition)
        task.cancel()
        if before:
            before()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())


def test_a_call_that_is_cancelled_while_it_waits_gives_everything_back(
    engine, connect, simulator, admissions
):
    connect(simulator.base_url, rate_limits={"rpm": 1})
    drive(index=ESSAY_PAID)
    cancelled_when(lambda: len(admissions) == 2)
    assert admissions[1][1] > 50
    assert sorted(row["state"] for row in read_calls(engine)) == ["answered", "unsent"]
    assert cell_id(engine, index=TAGS_PAID) not in starts(engine)
    assert_nothing_is_held(engine)
    assert simulator.stats()["calls"] == 1


def test_a_call_that_is_cancelled_lets_those_behind_it_move_up(
    settings, engine, connect, simulator, admissions
):
    connect(simulator.base_url, rate_limits={"rpm": 1})
    drive(index=ESSAY_PAID)
    behind = repeated(settings)[0]

    async def run():
        first = asyncio.create_task(events_of(index=TAGS_PAID))
        await until(lambda: len(admissions) == 2)
        second = asyncio.create_task(events_of(index=behind, run_id="run-2"))
        await until(lambda: len(admissions) == 3)
        before = await asyncio.to_thread(starts, engine)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        after = await asyncio.to_thread(starts, engine)
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
        return before, after

    before, after = asyncio.run(run())
    cell, wait_s = admissions[2]
    assert wait_s > 100
    assert after[cell]["start_at"] == before[cell_id(engine, index=TAGS_PAID)]["start_at"]
    assert_nothing_is_held(engine)


def test_a_call_that_is_cancelled_while_it_is_made_counts_with_its_worst_case(engine, files, simulator):
    simulator.control(latency_s=15)
    cancelled_when(lambda: simulator.stats()["calls"] == 1)
    [row] = read_calls(engine)
    worst = worst_case(files, engine, TAGS_PAID)
    assert (row["state"], row["cost_nanousd"]) == ("unknown", worst)
    assert read_budget(engine, E) == (None, 0, worst)
    assert claims(engine) == []


def test_a_call_that_is_cancelled_while_its_answer_is_stored_is_answered(
    engine, files, simulator, monkeypatch
):
    storing, killed = threading.Event(), threading.Event()
    store = desk.store_answer

    def slowly(*args, **kwargs):
        storing.set()
        assert killed.wait(20)
        return store(*args, **kwargs)

    monkeypatch.setattr(desk, "store_answer", slowly)
    cancelled_when(storing.is_set, before=killed.set)
    [row] = read_calls(engine)
    assert (row["state"], row["cost_source"]) == ("answered", "llm_models.csv")
    assert files.is_answered("generation", cell_id(engine, index=TAGS_PAID))
    assert len(read_responses(engine, "generation")) == 1
    assert_nothing_is_held(engine)


def test_a_call_that_is_cancelled_before_it_hears_what_it_was_granted_gives_that_back(
    settings, engine, connect, simulator
):
    connect(simulator.base_url, rate_limits={"rpm": 1})
    writer, entered, go_on = writer_for(settings), threading.Event(), threading.Event()

    def gate(_connection, items):
        entered.set()
        assert go_on.wait(20)
        return items

    writer.submit(gate, None)
    assert entered.wait(20)
    cancelled_when(lambda: writer._orders.qsize() == 1, before=go_on.set)
    for _ in range(2):  # what it was granted, and that it is given back
        drained(settings)
    assert [row["state"] for row in read_calls(engine)] == ["unsent"]
    assert_nothing_is_held(engine)
    assert simulator.stats()["calls"] == 0


def test_a_call_that_is_cancelled_between_attempts_gives_its_cell_back(engine, simulator, monkeypatch):
    monkeypatch.setattr("daydreaming.llm.retry.BACKOFF_BASE_S", 60.0)
    simulator.control(rate_500=1.0)
    cancelled_when(lambda: len(read_failures(engine, "demo")) == 1)
    assert [row["state"] for row in read_calls(engine)] == ["failed"]
    assert_nothing_is_held(engine)


@pytest.mark.parametrize("status", [200, 500])
def test_what_no_database_can_hold_in_a_text_is_replaced(engine, files, monkeypatch, status):
    """JSON may hold a character 0; PostgreSQL refuses it."""
    message = {"content": "An\0essay."}
    reply = {
        "id": "gen\0-1",
        "model": "prov\0paid",
        "provider": "Up\0stream",
        "choices": [{"finish_reason": "stop", "message": message}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 4},
    }
    body = json.dumps(reply if status == 200 else {"error": {"message": "bad\0luck"}})

    async def post(*_args):
        return status, {}, body

    monkeypatch.setattr("daydreaming.llm.client._post", post)
    event = drive(index=ESSAY_PAID)
    if status == 200:
        assert type(event) is TaskSuccessEvent
        [row] = read_responses(engine, "generation")
        assert row["response_id"] == "gen\ufffd-1"
        assert files.read_response("generation", row["generation_task_id"]) == "An\ufffdessay."
        assert read_calls(engine)[0]["upstream_provider"] == "Up\ufffdstream"
    else:
        assert "bad\ufffdluck" in failure_of(event)[2]
        assert "bad\ufffdluck" in read_failures(engine, "demo")[0]["message"]
    assert_nothing_is_held(engine)


def test_a_call_that_cannot_be_written_down_is_neither_lost_nor_free(engine, files, simulator, monkeypatch):
    """The row cannot be written: the answer is stored, and its price counts as it may have been."""
    from sqlalchemy.exc import DBAPIError

    store = desk.store_answer
    monkeypatch.setattr(desk, "store_answer", lambda *a, **k: {**store(*a, **k), "parser": None})
    with pytest.raises(DBAPIError):
        drive(index=ESSAY_PAID)
    assert files.is_answered("generation", cell_id(engine, index=ESSAY_PAID))
    [row] = read_calls(engine)
    assert (row["state"], row["cost_nanousd"]) == ("unknown", worst_case(files, engine))
    assert_nothing_is_held(engine)
    # The next try finds the file, and makes the row.
    monkeypatch.setattr(desk, "store_answer", store)
    assert type(drive(index=ESSAY_PAID)) is TaskSuccessEvent
    assert len(read_responses(engine, "generation")) == simulator.stats()["calls"] == 1


# --- together


def test_two_event_loops_make_each_call_once(engine, simulator):
    """Two triggerers, or one that was restarted within a process."""
    simulator.control(latency_s=0.2)
    ends = []

    def live():
        async def all_of_them():
            return await asyncio.gather(*[events_of(index=i) for i in range(4)])

        ends.extend(type(event) for [event] in asyncio.run(all_of_them()))

    threads = [threading.Thread(target=live) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert ends == [TaskSuccessEvent] * 8
    assert simulator.stats()["calls"] == 4
    assert sorted(row["state"] for row in read_calls(engine)) == ["answered"] * 4
    assert len(read_responses(engine, "generation")) == 4
    assert_nothing_is_held(engine)


def test_event_loops_one_after_the_other_share_a_writer_and_no_keeper(engine, simulator):
    for index in (ESSAY_FREE, ESSAY_PAID, TAGS_FREE):
        assert type(drive(index=index)) is TaskSuccessEvent
    assert_nothing_is_held(engine)
