"""What an ID means, on both databases, and which there are near one that nobody planned."""

from __future__ import annotations

from datetime import timedelta

import pytest

from daydreaming.design.combinations import Combination
from daydreaming.store.known_ids import (
    KnownId,
    experiments_of_generation,
    find_id,
    neighbouring_ids,
    read_description_level,
)
from daydreaming.store.plans import PlannedCell, RunRecord, insert_combinations, insert_plan, insert_run
from tests.support.experiments import NOW


@pytest.fixture
def engine(results_engine):
    """Two runs with the same 100 generations, `g100` to `g199`."""
    cells = [
        PlannedCell("generation", i, f"g{100 + i}", "p", "m", f"g{100 + i}", "c", "t", "m", 1)
        for i in range(100)
    ]
    for run_id in ("run-1", "run-2"):
        insert_run(results_engine, RunRecord(run_id, "demo", "d", "p", {}), NOW)
        insert_plan(results_engine, run_id, "generation", cells)
    return results_engine


def numbers(first: int, last: int) -> list[str]:
    return [f"g{number}" for number in range(first, last + 1)]


@pytest.mark.parametrize(
    ("cell_id", "expected"),
    [
        ("g150x", numbers(111, 190)),
        ("g150", numbers(110, 189)),
        ("g105x", numbers(100, 145)),
        ("g195x", numbers(156, 199)),
        ("a", numbers(100, 139)),
        ("z", numbers(160, 199)),
    ],
)
def test_neighbours_are_forty_on_either_side_each_once_and_in_order(engine, cell_id, expected):
    assert neighbouring_ids(engine, cell_id) == expected


def test_nothing_planned_has_no_neighbours(results_engine):
    assert neighbouring_ids(results_engine, "g") == []


def test_an_id_means_its_generation_in_the_experiment_that_planned_it_last(results_engine):
    essay = PlannedCell("generation", 0, "g", "p", "m", "g", "c", "t", "m", 1)
    verdict = PlannedCell("evaluation", 0, "g_r_j", "p", "m", "g", "c", "t", "m", 1, "r", "j", 1)
    other = PlannedCell("evaluation", 1, "g_r_k", "p", "m", "g", "c", "t", "m", 1, "r", "k", 1)
    # By run: its experiment, the hour of its start, and its verdicts.
    runs = {
        "run-1": ("demo", 0, [verdict]),
        "run-0": ("later", 1, [verdict]),
        "run-2": ("earlier", 0, [verdict, other]),
    }
    for run_id, (experiment_id, hours, verdicts) in runs.items():
        run = RunRecord(run_id, experiment_id, "d", "p", {})
        insert_run(results_engine, run, NOW + timedelta(hours=hours))
        insert_plan(results_engine, run_id, "generation", [essay])
        insert_plan(results_engine, run_id, "evaluation", verdicts)
    assert find_id(results_engine, "g") == KnownId("later", "g")
    assert find_id(results_engine, "g_r_j") == KnownId("later", "g")
    assert find_id(results_engine, "g_r_k") == KnownId("earlier", "g")
    assert find_id(results_engine, "g_r") is None
    assert find_id(results_engine, "g", "demo") == KnownId("demo", "g")
    assert find_id(results_engine, "g_r_k", "earlier") == KnownId("earlier", "g")
    assert find_id(results_engine, "g_r_k", "demo") is None
    assert experiments_of_generation(results_engine, "g") == ["demo", "earlier", "later"]
    assert experiments_of_generation(results_engine, "g_r_j") == []


def test_a_combination_has_its_level(results_engine):
    insert_combinations(results_engine, [Combination("c", ("moat", "search"), "sentence", 2)])
    assert read_description_level(results_engine, "c") == "sentence"
    assert read_description_level(results_engine, "none") == ""
