"""Runs and plans: written once, the same to every reader."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from daydreaming.design.combinations import Combination
from daydreaming.errors import StoreError
from daydreaming.store.plans import (
    PlannedCell,
    RunRecord,
    cells_of_experiment,
    cells_of_run,
    combinations_of_experiment,
    insert_combinations,
    insert_plan,
    insert_run,
    read_call,
    read_places,
    read_run,
    runs_of_experiment,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def run(run_id="r1", experiment_id="e", **fields) -> RunRecord:
    return replace(RunRecord(run_id, experiment_id, "d" * 64, "02_tasks/e/inputs/d", {"k_max": 2}), **fields)


def generation(index, name=None, **fields) -> PlannedCell:
    cell_id = name or f"combo_{index}_essay_free"
    cell = PlannedCell(
        "generation", index, cell_id, "llm_free", "prov/free", cell_id, f"combo_{index}", "essay", "free", 1
    )
    return replace(cell, **fields)


def evaluation(index) -> PlannedCell:
    return replace(
        generation(index),
        stage="evaluation",
        cell_id=f"combo_{index}_essay_free_rigor_judge_rep2",
        pool="llm_paid",
        evaluation_template="rigor",
        evaluation_model="judge",
        evaluation_replicate=2,
    )


def race(function, count):
    start = threading.Barrier(count)

    def one(number):
        start.wait()
        try:
            return function(number)
        except StoreError as error:
            return error

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def test_a_run_is_read_back_as_it_was_recorded(results_engine):
    assert insert_run(results_engine, run(), NOW) == run()
    assert read_run(results_engine, "r1") == run()


def test_a_run_that_is_recorded_keeps_its_inputs(results_engine):
    insert_run(results_engine, run(), NOW)
    other = run(inputs_digest="e" * 64, params={"k_max": 3})
    assert insert_run(results_engine, other, NOW) == run()
    assert read_run(results_engine, "r1") == run()


def test_runs_that_race_for_one_name_agree_on_the_recorded_one(results_engine):
    found = race(lambda n: insert_run(results_engine, run(params={"k_max": n}), NOW), 6)
    assert len({record.params["k_max"] for record in found}) == 1


def test_an_unknown_run_is_an_error_that_names_it(results_engine):
    with pytest.raises(StoreError, match="Run 'r9' is not in the results database: load_inputs"):
        read_run(results_engine, "r9")


def test_runs_of_an_experiment_come_oldest_first(results_engine):
    insert_run(results_engine, run("b"), NOW)
    insert_run(results_engine, run("a"), NOW + timedelta(seconds=1))
    insert_run(results_engine, run("c", "other"), NOW)
    assert [r.run_id for r in runs_of_experiment(results_engine, "e")] == ["b", "a"]


def test_a_plan_is_read_back_cell_by_cell(results_engine):
    generations, evaluations = [generation(0), generation(1)], [evaluation(0), evaluation(1)]
    insert_plan(results_engine, "r1", "generation", generations)
    insert_plan(results_engine, "r1", "evaluation", evaluations)
    assert cells_of_run(results_engine, "r1", "generation") == generations
    assert read_places(results_engine, "r1", "evaluation") == {
        0: (evaluations[0].cell_id, "llm_paid"),
        1: (evaluations[1].cell_id, "llm_paid"),
    }
    assert evaluations[0].model_id == "judge"
    assert evaluations[0].replicate == 2
    assert generations[0].model_id == "free"
    assert generations[0].replicate == 1


def test_the_same_plan_may_be_written_again(results_engine):
    cells = [generation(0), generation(1)]
    insert_plan(results_engine, "r1", "generation", cells)
    insert_plan(results_engine, "r1", "generation", cells)
    assert cells_of_run(results_engine, "r1", "generation") == cells


@pytest.mark.parametrize(
    "other",
    [
        [generation(0)],
        [generation(0), generation(1), generation(2)],
        [generation(0, name="x"), generation(1)],
        [generation(0, name=generation(1).cell_id), generation(1, name=generation(0).cell_id)],
    ],
    ids=["shorter", "longer", "another cell", "another order"],
)
def test_another_plan_for_the_same_run_is_refused(results_engine, other):
    cells = [generation(0), generation(1)]
    insert_plan(results_engine, "r1", "generation", cells)
    with pytest.raises(
        StoreError, match=rf"has another generation plan already \(2 cells; got {len(other)}\)"
    ):
        insert_plan(results_engine, "r1", "generation", other)
    assert cells_of_run(results_engine, "r1", "generation") == cells
    insert_plan(results_engine, "r2", "generation", other)


def test_plans_that_race_for_one_run_end_as_one_whole_plan(results_engine):
    same = [generation(i) for i in range(200)]
    assert race(lambda _: insert_plan(results_engine, "r1", "generation", same), 6) == [None] * 6
    assert cells_of_run(results_engine, "r1", "generation") == same


def test_of_different_plans_that_race_for_one_run_one_stands(results_engine):
    plans = [[generation(i, name=f"plan{number}-{i}") for i in range(200)] for number in range(6)]
    ends = race(lambda n: insert_plan(results_engine, "r1", "generation", plans[n]), 6)
    assert ends.count(None) == 1
    assert all(isinstance(end, StoreError) for end in ends if end is not None)
    assert cells_of_run(results_engine, "r1", "generation") == plans[ends.index(None)]


def test_a_plan_larger_than_one_statement_is_written_whole(results_engine):
    cells = [generation(i) for i in range(12_001)]
    insert_plan(results_engine, "r1", "generation", cells)
    assert len(read_places(results_engine, "r1", "generation")) == 12_001
    assert cells_of_run(results_engine, "r1", "generation")[-1] == cells[-1]


def test_a_call_is_its_run_its_cell_and_the_concepts_of_its_combination(results_engine):
    insert_run(results_engine, run(), NOW)
    insert_run(results_engine, run("r2"), NOW)
    insert_combinations(results_engine, [Combination("combo_1", ("search", "moat"), "paragraph", 2)])
    for run_id in ("r1", "r2"):
        insert_plan(results_engine, run_id, "evaluation", [evaluation(0), evaluation(1)])
    found = read_call(results_engine, "r1", "evaluation", 1)
    assert found == (run(), evaluation(1), ("search", "moat"))


def test_an_instance_without_a_plan_is_an_error_that_says_what_to_clear(results_engine):
    with pytest.raises(StoreError, match=r"no plan for evaluation 3 of run 'r1'. Clear plan_evaluations"):
        read_call(results_engine, "r1", "evaluation", 3)
    assert cells_of_run(results_engine, "r1", "evaluation") == []
    assert read_places(results_engine, "r1", "evaluation") == {}


def test_cells_of_an_experiment_name_the_run_that_planned_them_last(results_engine):
    for number, run_id in enumerate(("r1", "r2")):
        insert_run(results_engine, run(run_id), NOW + timedelta(seconds=number))
    insert_plan(results_engine, "r1", "generation", [generation(0), generation(1)])
    insert_plan(results_engine, "r2", "generation", [generation(0, name=generation(1).cell_id)])
    cells = cells_of_experiment(results_engine, "e", "generation")
    assert {cell_id: run_id for cell_id, (run_id, _) in cells.items()} == {
        generation(0).cell_id: "r1",
        generation(1).cell_id: "r2",
    }
    assert cells_of_experiment(results_engine, "other", "generation") == {}


def test_combinations_are_recorded_once_and_found_by_experiment(results_engine):
    combinations = [Combination(f"combo_{i}", ("moat", "search"), "paragraph", 2) for i in range(1_200)]
    insert_combinations(results_engine, combinations[:3])
    insert_combinations(results_engine, combinations)
    insert_combinations(results_engine, [])
    insert_run(results_engine, run(), NOW)
    insert_plan(results_engine, "r1", "generation", [generation(0), generation(1_100)])
    assert combinations_of_experiment(results_engine, "e") == [combinations[0], combinations[1_100]]
