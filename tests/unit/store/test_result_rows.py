"""Rows of responses and failures: replaced, never repeated."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from daydreaming.store.plans import RunRecord, insert_run
from daydreaming.store.results import (
    count_made_by_run,
    delete_responses,
    finally_failed,
    generations_with_essay,
    insert_failure,
    list_experiments,
    read_failures,
    read_responses,
    recorded_verdicts,
    response_exists,
    upsert_responses,
)

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def response(number, stage="generation", **fields):
    shared = {
        "combo_id": "combo_1",
        "generation_template": "essay",
        "generation_model": "free",
        "experiment_id": "e",
        "run_id": "r1",
        "replicate": 1,
        "response_file": f"x/{number}.txt",
        "response_size_bytes": 3_000_000_000,
        "response_sha256": "0" * 64,
        "cost_usd": 0.25,
        "ended_at": NOW,
    }
    if stage == "generation":
        own = {"generation_task_id": f"g{number:05}", "parser": "whole", "essay_error": None}
    else:
        own = {
            "evaluation_task_id": f"v{number:05}",
            "generation_task_id": "g00001",
            "evaluation_template": "rigor",
            "evaluation_model": "judge",
            "parser": "strict",
            "score_min": 0.0,
            "score_max": 9.0,
            "score": 7.5,
            "score_error": None,
        }
    return {**own, **shared, **fields}


def failure(**fields):
    row = {
        "experiment_id": "e",
        "run_id": "r1",
        "stage": "generation",
        "cell_id": "c",
        "model": "free",
        "attempt": 1,
        "error_class": "LLMTransientError",
        "message": "busy",
        "final": False,
        "occurred_at": NOW,
    }
    return {**row, **fields}


@pytest.mark.parametrize("stage", ["generation", "evaluation"])
def test_a_row_comes_back_as_it_was_written(results_engine, stage):
    row = response(1, stage)
    upsert_responses(results_engine, stage, [row])
    [read] = read_responses(results_engine, stage)
    assert {name: read[name] for name in row} == row
    assert read["model_returned"] is None


def test_a_row_with_the_same_id_is_replaced_in_every_column(results_engine):
    upsert_responses(results_engine, "evaluation", [response(1, "evaluation")])
    unscored = response(1, "evaluation", score=None, score_error="no score", run_id="r2", cost_usd=None)
    upsert_responses(results_engine, "evaluation", [unscored])
    [read] = read_responses(results_engine, "evaluation")
    assert {name: read[name] for name in unscored} == unscored


@pytest.mark.parametrize("count", [1, 500, 501, 1_001])
def test_rows_of_any_number_are_written_once_however_often(results_engine, count):
    rows = [response(number) for number in range(count)]
    upsert_responses(results_engine, "generation", rows)
    upsert_responses(results_engine, "generation", [{**row, "run_id": "r2"} for row in rows])
    read = read_responses(results_engine, "generation")
    assert [row["generation_task_id"] for row in read] == [row["generation_task_id"] for row in rows]
    assert {row["run_id"] for row in read} == {"r2"}


def test_no_rows_are_no_work(results_engine):
    upsert_responses(results_engine, "generation", [])
    delete_responses(results_engine, "generation", [])
    assert read_responses(results_engine, "generation") == []
    assert read_responses(results_engine, "generation", []) == []


def test_rows_are_read_and_deleted_by_id_also_in_great_number(results_engine):
    rows = [response(number) for number in range(300)]
    upsert_responses(results_engine, "generation", rows)
    wanted = [f"g{number:05}" for number in range(100, 40_000)]
    assert len(read_responses(results_engine, "generation", wanted)) == 200
    delete_responses(results_engine, "generation", iter(wanted))
    assert len(read_responses(results_engine, "generation")) == 100
    assert response_exists(results_engine, "generation", "g00099")
    assert not response_exists(results_engine, "generation", "g00100")
    assert not response_exists(results_engine, "evaluation", "g00099")


def test_failures_are_kept_one_by_one_oldest_first(results_engine):
    for attempt in (1, 2):
        insert_failure(results_engine, failure(attempt=attempt))
    insert_failure(results_engine, failure(experiment_id="other"))
    read = read_failures(results_engine, "e")
    assert [row["attempt"] for row in read] == [1, 2]
    assert {name: read[0][name] for name in failure()} == failure()


def test_a_cell_has_finally_failed_where_its_last_failure_ended_the_try(results_engine):
    for fields in (
        {"cell_id": "gave-up", "attempt": 1},
        {"cell_id": "gave-up", "attempt": 2, "final": True},
        {"cell_id": "tried-again", "final": True},
        {"cell_id": "tried-again", "final": False},
        {"cell_id": "gave-up", "run_id": "r2"},
        {"cell_id": "judge", "stage": "evaluation", "final": True},
    ):
        insert_failure(results_engine, failure(**fields))
    assert finally_failed(results_engine, "e", "generation") == {("r1", "gave-up")}
    assert finally_failed(results_engine, "e", "evaluation") == {("r1", "judge")}
    assert finally_failed(results_engine, "other", "generation") == set()


def test_experiments_are_listed_in_the_order_of_their_first_run(results_engine):
    for number, (run_id, experiment) in enumerate([("r1", "z"), ("r2", "a"), ("r3", "z")]):
        insert_run(results_engine, RunRecord(run_id, experiment, "", "", {}), NOW.replace(minute=number))
    assert list_experiments(results_engine) == ["z", "a"]


def test_responses_that_were_bought_are_counted_for_the_run_that_made_them(results_engine):
    bought = {"request_hash": "h" * 64}
    generations = [response(1, **bought), response(2, run_id="r2", **bought), response(3, request_hash=None)]
    upsert_responses(results_engine, "generation", generations)
    upsert_responses(results_engine, "evaluation", [response(1, "evaluation", **bought)])
    assert count_made_by_run(results_engine, "r1") == 2
    assert count_made_by_run(results_engine, "r3") == 0


def test_generations_with_an_essay_are_answered_and_have_no_error(results_engine):
    rows = [response(1), response(2, essay_error="no essay"), response(3), response(4)]
    upsert_responses(results_engine, "generation", rows)
    asked = ["g00001", "g00002", "g00003", "g00099", *(f"x{number}" for number in range(40_000))]
    assert generations_with_essay(results_engine, asked) == {"g00001", "g00003"}
    assert generations_with_essay(results_engine, []) == set()


def test_recorded_verdicts_are_those_on_these_generations_that_have_a_request(results_engine):
    bought = {"request_hash": "0" * 64}
    rows = [
        response(1, "evaluation", **bought),
        response(2, "evaluation"),
        response(3, "evaluation", generation_task_id="g00002", **bought),
    ]
    upsert_responses(results_engine, "evaluation", [{"request_hash": None, **row} for row in rows])
    assert recorded_verdicts(results_engine, ["g00001", "g00003"]) == {"v00001"}
    assert recorded_verdicts(results_engine, ["g00002"]) == {"v00003"}
    assert recorded_verdicts(results_engine, []) == set()
