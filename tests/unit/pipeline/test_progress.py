"""How far a plan is, from the results database alone."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from daydreaming.errors import (
    LLMPermanentError,
    LLMTransientError,
    MissingResponseError,
    StaleResponseError,
)
from daydreaming.pipeline import frozen, progress
from daydreaming.pipeline.call import open_call, record_failure
from daydreaming.pipeline.failures_list import read_missing
from daydreaming.pipeline.plan import note_refusal, start_run
from daydreaming.pipeline.progress import PLANNING_TIME, Progress, ProgressReader
from daydreaming.settings import Settings
from daydreaming.store.admission import admit_calls
from daydreaming.store.database import engine_for, writing_engine
from daydreaming.store.learned_rates import LearnedRate, save_rate
from daydreaming.store.ledger import Settlement, insert_calls, reserve, settle
from daydreaming.store.open_cells import OpenFilter
from daydreaming.store.progress_queries import Money
from daydreaming.store.schema import GenerationResponse
from tests.support.attempts import call_order, reservation
from tests.support.experiments import NOW, answer_all, answer_call, make_settings, planned_run

STATES = ("planned", "answered", "failed", "blocked", "held", "running", "unanswered")
SOON = NOW + timedelta(seconds=10)


def read(settings: Settings, now: datetime = SOON, **scope: str) -> Progress:
    return ProgressReader(settings, **(scope or {"experiment_id": "demo"})).read(now)


def counts(progress: Progress, stage: str, model: str) -> dict[str, int]:
    """Counts of one row that are not 0."""
    [row] = [m for m in progress.models if (m.stage, m.model) == (stage, model)]
    return {name: value for name in STATES if (value := getattr(row, name))}


def fail(settings: Settings, stage, index: int, error, *, final=True, at=NOW, run_id="run-1") -> None:
    call = open_call(settings, run_id, stage, index)
    record_failure(call, error, attempt=1, final=final, now=at)


def send(settings: Settings, stage, index: int, run_id: str = "run-1") -> None:
    """Take everything that a call needs, and send it; by the clock of the limiter, which is the true one."""
    call = open_call(settings, run_id, stage, index)
    order = call_order(
        f"{stage}-{index}",
        stage=stage,
        cell_id=call.cell.cell_id,
        model=call.model.model,
        experiment_id="demo",
    )
    with writing_engine(settings).begin() as connection:
        [admission] = admit_calls(connection, [order])
    assert admission.outcome == "go"


def test_what_nobody_has_started_is_nothing(settings):
    planned_run(settings)
    found = read(settings, run_id="no-such-run")
    assert (found.experiment_id, found.models) == (None, ())


def test_a_plan_waits_by_stage_and_model(settings):
    planned_run(settings)
    found = read(settings)
    assert [(m.stage, m.model, m.unanswered) for m in found.models] == [
        ("generation", "free", 2),
        ("generation", "paid", 2),
        ("evaluation", "free", 8),
        ("evaluation", "judge", 8),
    ]
    assert not found.is_over
    answer_all(settings, "run-1")
    found = read(settings)
    assert found.is_over
    assert (found.total("answered"), found.total("planned"), found.eta_s) == (20, 20, 0.0)
    assert found.last_at == NOW + timedelta(seconds=2)


def test_each_cell_stands_in_one_place(each_settings):
    settings = each_settings
    planned_run(settings, generation_replicates=2)
    now = datetime.now(UTC)
    # Of eight generations those of `free` are 0, 2, 4 and 6.
    answer_call(settings, "run-1", "generation", 0)
    fail(settings, "generation", 2, LLMPermanentError("no"))
    fail(settings, "generation", 4, LLMTransientError("busy"), final=False)
    send(settings, "generation", 6)
    answer_call(settings, "run-1", "generation", 7, text="No tag.")
    found = read(settings, now + timedelta(seconds=2))
    assert counts(found, "generation", "free") == {
        "planned": 4, "answered": 1, "failed": 1, "running": 1, "unanswered": 2,
    }  # fmt: skip
    # The template of generation 7 wants tags: its 2 evaluations by each judge cannot be made.
    assert counts(found, "evaluation", "judge") == {"planned": 16, "blocked": 2, "unanswered": 14}
    assert read(settings, now + timedelta(seconds=2), run_id="run-1") == found


def test_a_call_that_airflow_tries_again_is_waited_for(settings):
    planned_run(settings)
    assert settings.task_retries == 2
    for attempt, expected in enumerate(
        ({"unanswered": 2}, {"unanswered": 2}, {"failed": 1, "unanswered": 1}), 1
    ):
        fail(settings, "generation", 0, LLMTransientError("busy"))
        found = counts(read(settings), "generation", "free")
        assert found == {"planned": 2, **expected}, attempt
    # A person has cleared it: three tries more.
    fail(settings, "generation", 0, LLMTransientError("busy"))
    assert counts(read(settings), "generation", "free") == {"planned": 2, "unanswered": 2}
    much_later = NOW + timedelta(hours=1)
    assert counts(read(settings, much_later), "generation", "free")["failed"] == 1


def test_without_retries_a_transient_failure_is_the_end(tmp_path):
    settings = make_settings(tmp_path, task_retries=0)
    planned_run(settings)
    fail(settings, "generation", 0, LLMTransientError("busy"))
    assert counts(read(settings), "generation", "free") == {"planned": 2, "failed": 1, "unanswered": 1}


def test_a_failure_in_an_earlier_run_is_not_one_of_this(settings):
    planned_run(settings)
    fail(settings, "generation", 0, LLMPermanentError("no"))
    planned_run(settings, "run-2", now=NOW + timedelta(seconds=1))
    assert counts(read(settings), "generation", "free") == {"planned": 2, "unanswered": 2}
    assert counts(read(settings, run_id="run-1"), "generation", "free")["failed"] == 1


def test_a_judge_that_was_given_up_stays_failed_where_no_essay_is_found_later(settings):
    planned_run(settings)
    fail(settings, "evaluation", 8, MissingResponseError("nothing to judge"))
    before = read(settings).total("failed")
    call = open_call(settings, "run-1", "evaluation", 8)
    index = next(i for i in range(4) if open_call(settings, "run-1", "generation", i).cell.cell_id
                 == call.cell.generation_task_id)  # fmt: skip
    answer_call(settings, "run-1", "generation", index, text="No tag.")
    found = read(settings)
    # The page of failures says the same: its instance is red until it is cleared.
    assert (before, found.total("failed"), found.total("blocked")) == (1, 1, 3)
    missing = read_missing(settings, "demo", OpenFilter(), SOON, page=1, size=50)
    assert (missing.by_state["failed"], missing.by_state["blocked"]) == (1, 3)


def test_an_answer_that_was_refused_as_stale_is_a_failed_call_until_there_is_another(settings):
    planned_run(settings)
    answer_call(settings, "run-1", "generation", 0)
    planned_run(settings, "run-2", now=NOW + timedelta(seconds=1), generation_temperature=0.9)
    at = NOW + timedelta(seconds=5)
    fail(settings, "generation", 0, StaleResponseError("stale"), run_id="run-2", at=at)
    assert counts(read(settings), "generation", "free") == {"planned": 2, "failed": 1, "unanswered": 1}
    cell_id = open_call(settings, "run-2", "generation", 0).cell.cell_id
    with engine_for(settings).begin() as connection:
        newer = update(GenerationResponse).where(GenerationResponse.generation_task_id == cell_id)
        connection.execute(newer.values(ended_at=at + timedelta(seconds=1)))
    assert counts(read(settings), "generation", "free") == {"planned": 2, "answered": 1, "unanswered": 1}


def test_what_no_run_may_send_is_not_waited_for(settings):
    planned_run(settings, dry_run=True)
    found = read(settings)
    assert (found.total("held"), found.is_over, found.is_dry, found.refusals) == (20, True, True, ())
    planned_run(settings, "run-2", now=NOW + timedelta(seconds=1))
    assert (read(settings).total("unanswered"), read(settings).is_dry) == (20, False)
    note_refusal(settings, "run-2", "Too dear.")
    found = read(settings)
    assert (found.total("held"), found.is_over, found.refusals) == (20, True, ("Too dear.",))


def test_a_later_dry_run_takes_nothing_from_a_run_that_goes_on(settings):
    planned_run(settings)
    planned_run(settings, "run-2", now=NOW + timedelta(seconds=1), dry_run=True)
    assert read(settings).total("unanswered") == 20


def test_a_run_whose_plan_is_to_come_is_waited_for_but_not_for_ever(settings):
    start_run(settings, {"experiment": "demo"}, "run-1", NOW)
    assert (read(settings).is_planning, read(settings).is_over) == (True, False)
    late = read(settings, NOW + PLANNING_TIME)
    assert (late.is_planning, late.is_over) == (False, True)


def test_the_plan_is_read_again_until_it_is_whole(settings):
    start_run(settings, {"experiment": "demo"}, "run-1", NOW)
    reader = ProgressReader(settings, "demo")
    assert reader.read(SOON).total("planned") == 0
    planned_run(settings)
    assert reader.read(SOON).total("planned") == 20


def test_a_whole_plan_is_counted_once(settings, monkeypatch):
    planned_run(settings)
    reader, counted = ProgressReader(settings, "demo"), []
    count = progress.planned_by_model
    monkeypatch.setattr(progress, "planned_by_model", lambda *args: counted.append(args) or count(*args))
    assert [reader.read(SOON).total("planned") for _ in range(3)] == [20, 20, 20]
    assert len(counted) == 1
    planned_run(settings, "run-2", now=NOW + timedelta(seconds=1), evaluation_replicates=2)
    assert [reader.read(SOON).total("planned") for _ in range(2)] == [36, 36]
    assert len(counted) == 2


def test_a_run_has_its_shards_with_it(settings):
    planned_run(settings, shard_size=2)
    answer_all(settings, "run-1~shard-2-of-2")
    found = read(settings, run_id="run-1")
    assert (found.total("planned"), found.total("answered")) == (20, 10)


class TestTime:
    """Rate and time left."""

    def test_the_rate_counts_from_the_first_call_and_forgets_after_some_minutes(self, settings):
        planned_run(settings, generation_replicates=2)
        for index in (0, 2):
            answer_call(settings, "run-1", "generation", index)
        [free, *_] = read(settings, NOW + timedelta(seconds=30)).models
        assert free.per_minute == pytest.approx(4.0)
        assert free.eta_s == pytest.approx(30.0)
        [free, *_] = read(settings, NOW + timedelta(seconds=301)).models
        assert free.per_minute == pytest.approx(2 / 5)
        [free, *_] = read(settings, NOW + timedelta(minutes=6)).models
        assert (free.per_minute, free.eta_s) == (None, None)

    def test_limits_of_the_file_of_the_environment_and_learned_ones_count(self, settings, monkeypatch):
        planned_run(settings, generation_replicates=15)
        free, paid, *_ = read(settings).models
        # 30 calls each: 20 per minute; and no limit that is known.
        assert (free.eta_s, paid.eta_s) == (61.0, None)
        rate = LearnedRate("openrouter_default", "prov/paid", learned_rpm=10, is_stated=True)
        with engine_for(settings).begin() as connection:
            save_rate(connection, replace(rate, learned_at=SOON.timestamp()))
        assert read(settings).models[1].eta_s == 122.0
        monkeypatch.setenv("AIRFLOW_CONN_OPENROUTER_DEFAULT", '{"extra": {"rate_limits": {"rpm": 5}}}')
        assert read(settings).models[1].eta_s == 5 * 61.0
        monkeypatch.setenv("AIRFLOW_CONN_OPENROUTER_DEFAULT", "nonsense")
        assert read(settings).models[1].eta_s == 122.0

    def test_a_limit_of_tokens_takes_the_mean_of_the_answers_so_far(self, settings, monkeypatch):
        monkeypatch.setenv("AIRFLOW_CONN_OPENROUTER_DEFAULT", '{"extra": {"rate_limits": {"tpm": 600}}}')
        planned_run(settings, generation_replicates=2)
        # Nothing is known: each call has a minute for itself.
        assert read(settings).models[1].eta_s == 3 * 61.0
        answer_call(settings, "run-1", "generation", 1)
        # 300 tokens each: two in a minute, and two minutes for three calls.
        assert read(settings, NOW + timedelta(minutes=10)).models[1].eta_s == 61.0

    def test_counts_do_without_the_frozen_inputs(self, settings):
        planned_run(settings, generation_replicates=15)
        shutil.rmtree(settings.data_root / "02_tasks")
        frozen._read.cache_clear()
        [free, *_] = read(settings).models
        assert (free.unanswered, free.eta_s) == (30, None)


def test_money_is_by_stage_and_model_and_that_of_a_run_is_its_own(each_settings):
    settings = each_settings
    planned_run(settings)
    orders = [
        reservation("a", 9, experiment_id="demo", model_id="free", run_id="run-1"),
        reservation("b", 5, experiment_id="demo", model_id="free", run_id="run-1"),
        reservation("c", None, experiment_id="demo", model_id="paid", run_id="run-0"),
        reservation("d", 9, experiment_id="other", model_id="free", run_id="run-9"),
    ]
    ends = [Settlement("a", "answered", NOW, 4, "provider"), Settlement("c", "unknown", NOW)]
    with writing_engine(settings).begin() as connection:
        reserve(connection, orders)
        insert_calls(connection, [(order, 0.0) for order in orders])
        settle(connection, ends)
    found = read(settings)
    assert found.models[0].money == Money(4, 5, 0)
    assert found.models[1].money == Money(0, 0, 1)
    assert found.money == Money(4, 5, 1)
    assert read(settings, run_id="run-1").money == Money(4, 5, 0)
