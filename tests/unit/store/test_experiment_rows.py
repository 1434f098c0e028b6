"""One row per experiment, whichever run of it is noted first."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete

from daydreaming.store.experiments import read_experiments
from daydreaming.store.plans import insert_run, insert_shards
from daydreaming.store.schema import Experiment
from tests.unit.store.test_run_plans import race, run

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
RUNS = [("r1", 1, "ada"), ("r2", 2, None), ("r3", 3, "bob")]


def start(engine, run_id, k_max, user, **fields):
    at = NOW + timedelta(hours=k_max)
    insert_run(
        engine, run(run_id, params={"k_max": k_max}, **fields), at, created_by=user, code_version=f"1.{k_max}"
    )


def test_a_first_run_makes_the_row(results_engine):
    start(results_engine, *RUNS[0])
    [row] = read_experiments(results_engine)
    assert row == {
        "experiment_id": "e",
        "spec": {"k_max": 1},
        "created_at": NOW + timedelta(hours=1),
        "updated_at": NOW + timedelta(hours=1),
        "created_by": "ada",
        "code_version": "1.1",
    }


@pytest.mark.parametrize("seed", range(4))
def test_later_runs_change_what_is_latest_in_whatever_order_they_are_noted(results_engine, seed):
    for one in random.Random(seed).sample(RUNS, 3):
        start(results_engine, *one)
    [row] = read_experiments(results_engine)
    assert (row["created_at"], row["updated_at"]) == (NOW + timedelta(hours=1), NOW + timedelta(hours=3))
    assert (row["spec"], row["code_version"]) == ({"k_max": 3}, "1.3")
    assert row["created_by"] == "ada"


def test_a_run_that_is_recorded_again_changes_nothing(results_engine):
    start(results_engine, *RUNS[0])
    insert_run(results_engine, run("r1", params={"k_max": 9}), NOW + timedelta(days=1), created_by="eve")
    assert read_experiments(results_engine)[0]["spec"] == {"k_max": 1}


def test_shards_are_no_runs_of_their_own(results_engine):
    start(results_engine, *RUNS[0])
    shard = run("r1~shard-2-of-2", parent_run_id="r1", shard=2, shards=2)
    insert_shards(results_engine, [(run("r1", shards=2), NOW), (shard, NOW + timedelta(days=1))])
    insert_run(results_engine, shard, NOW + timedelta(days=1))
    [row] = read_experiments(results_engine)
    assert row["updated_at"] == NOW + timedelta(hours=1)


def test_of_runs_that_an_earlier_release_recorded_nobody_knows_by_whom(results_engine):
    start(results_engine, *RUNS[0])
    with results_engine.begin() as connection:
        connection.execute(delete(Experiment))
    start(results_engine, *RUNS[2])
    [row] = read_experiments(results_engine)
    assert (row["created_at"], row["created_by"]) == (NOW + timedelta(hours=1), None)
    assert row["spec"] == {"k_max": 3}


def test_runs_that_start_at_once_make_one_row(results_engine):
    race(lambda n: start(results_engine, f"r{n}", n, "ada"), 6)
    [row] = read_experiments(results_engine)
    assert row["updated_at"] == NOW + timedelta(hours=5)
