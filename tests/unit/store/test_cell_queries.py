"""Cells of one essay, on both databases: what is planned, what failed, what is being called, what counts."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from daydreaming.store.cell_queries import (
    cells_in_flight,
    last_failures,
    members_among,
    read_planned_verdicts,
)
from daydreaming.store.claims import Lease, claim_cells
from daydreaming.store.plans import PlannedCell, RunRecord, insert_plan, insert_run
from daydreaming.store.results import insert_failure
from tests.support.response_rows import ENDED, generation, store_members

CELL = PlannedCell("evaluation", 0, "g_v", "pool", "m", "g", "c", "essay", "gen", 1, "rigor", "judge", 1)


def plan(engine, run_id, cells, *, experiment_id="one", hours=0):
    insert_run(engine, RunRecord(run_id, experiment_id, "d", "p", {}), ENDED + timedelta(hours=hours))
    numbered = [replace(cell, map_index=index) for index, cell in enumerate(cells)]
    insert_plan(engine, run_id, "evaluation", numbered)


def fail(engine, cell_id, message, **fields):
    row = {
        "experiment_id": "one", "run_id": "r1", "stage": "evaluation", "cell_id": cell_id, "model": "judge",
        "attempt": 1, "error_class": "LLMTransientError", "message": message, "final": False,
        "occurred_at": ENDED, **fields,
    }  # fmt: skip
    insert_failure(engine, row)


def test_verdicts_on_an_essay_are_those_of_the_last_run_that_planned_them(results_engine):
    style = replace(CELL, cell_id="g_s2", evaluation_template="style", evaluation_replicate=2)
    other = replace(CELL, cell_id="g_s1", evaluation_template="style")
    elsewhere = replace(CELL, cell_id="h_v", generation_task_id="h")
    plan(results_engine, "r1", [style, elsewhere, CELL])
    plan(results_engine, "r2", [other, CELL], hours=1)
    plan(results_engine, "r3", [replace(CELL, cell_id="g_x")], experiment_id="two", hours=2)
    found = read_planned_verdicts(results_engine, "one", "g")
    assert [(f.cell.cell_id, f.run_id, f.cell.map_index) for f in found] == [
        ("g_v", "r2", 1), ("g_s1", "r2", 0), ("g_s2", "r1", 0),
    ]  # fmt: skip
    assert read_planned_verdicts(results_engine, "one", "none") == []


def test_the_last_failure_of_each_cell_is_found(results_engine):
    fail(results_engine, "a", "first")
    fail(results_engine, "a", "second", attempt=2, final=True)
    fail(results_engine, "a", "of a generation", stage="generation")
    fail(results_engine, "a", "of another experiment", experiment_id="two")
    fail(results_engine, "b", "only")
    found = last_failures(results_engine, "one", "evaluation", ["a", "b", "c"])
    assert {name: (f.message, f.attempt, f.final) for name, f in found.items()} == {
        "a": ("second", 2, True),
        "b": ("only", 1, False),
    }
    assert found["a"].occurred_at == ENDED


@pytest.mark.parametrize(("seconds", "expected"), [(0, {"a"}), (89, {"a"}), (91, set())])
def test_cells_with_a_lease_are_in_flight_until_it_ends(results_engine, seconds, expected):
    with results_engine.begin() as connection:
        claim_cells(connection, [Lease("evaluation", "a", "me"), Lease("generation", "b", "me")], ENDED)
    now = ENDED + timedelta(seconds=seconds)
    assert cells_in_flight(results_engine, "evaluation", ["a", "b", "c"], now) == expected


def test_members_are_told_from_other_responses(results_engine):
    store_members(results_engine, "generation", [generation("a"), generation("b")])
    store_members(results_engine, "generation", [generation("c")], ("two",))
    assert members_among(results_engine, "one", "generation", ["a", "c", "d"]) == {"a"}
