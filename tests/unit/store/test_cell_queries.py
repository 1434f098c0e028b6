"""Verdicts that are planned on one essay, on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from daydreaming.store.cell_queries import read_planned_verdicts
from daydreaming.store.plans import PlannedCell, RunRecord, insert_plan, insert_run
from tests.support.response_rows import ENDED

CELL = PlannedCell("evaluation", 0, "g_v", "pool", "m", "g", "c", "essay", "gen", 1, "rigor", "judge", 1)


def plan(engine, run_id, cells, *, experiment_id="one", hours=0):
    insert_run(engine, RunRecord(run_id, experiment_id, "d", "p", {}), ENDED + timedelta(hours=hours))
    numbered = [replace(cell, map_index=index) for index, cell in enumerate(cells)]
    insert_plan(engine, run_id, "evaluation", numbered)


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
