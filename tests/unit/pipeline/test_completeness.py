from __future__ import annotations

from dataclasses import replace

import pytest

from daydreaming.pipeline.completeness import (
    Completeness,
    StageCount,
    count_cells,
    count_run,
    describe,
    incomplete_message,
)
from daydreaming.settings import Settings
from daydreaming.store.plans import PlannedCell
from tests.support.experiments import answer_call, planned_run

GENERATION = PlannedCell(
    stage="generation",
    map_index=0,
    cell_id="g1",
    pool="llm_free",
    model_name="m",
    generation_task_id="g1",
    combo_id="c",
    generation_template="t",
    generation_model="m",
    generation_replicate=1,
)
GENERATIONS = [GENERATION, replace(GENERATION, cell_id="g2", generation_task_id="g2")]
EVALUATIONS = [
    replace(g, stage="evaluation", cell_id=f"{g.cell_id}-{judge}", evaluation_model=judge)
    for g in GENERATIONS
    for judge in ("a", "b")
]


@pytest.mark.parametrize(
    ("answered_generations", "answered_evaluations", "no_essay", "expected"),
    [
        (set(), set(), set(), (0, 2, 0, 4, 0)),
        ({"g1", "g2"}, {"g1-a", "g1-b", "g2-a", "g2-b"}, set(), (2, 0, 4, 0, 0)),
        ({"g1"}, {"g1-a"}, set(), (1, 1, 1, 3, 0)),
        # No essay: its evaluations are neither answered nor failed.
        ({"g1", "g2"}, {"g1-a", "g1-b"}, {"g2"}, (2, 0, 2, 0, 2)),
        # A verdict that a person brought counts as answered all the same.
        ({"g1", "g2"}, {"g1-a", "g1-b", "g2-a"}, {"g2"}, (2, 0, 3, 0, 1)),
        # Answers of other experiments do not count.
        ({"g9"}, {"g9-a"}, {"g9"}, (0, 2, 0, 4, 0)),
    ],
)
def test_each_planned_call_is_answered_failed_or_blocked(
    answered_generations, answered_evaluations, no_essay, expected
):
    counts = count_cells(GENERATIONS, EVALUATIONS, answered_generations, answered_evaluations, no_essay)
    assert (
        counts.generation.answered,
        counts.generation.failed,
        counts.evaluation.answered,
        counts.evaluation.failed,
        counts.evaluation.blocked,
    ) == expected
    assert counts.planned == 6
    assert counts.failed == expected[1] + expected[3]


def test_nothing_planned_is_nothing_failed():
    assert Completeness(StageCount(0, 0), StageCount(0, 0)).failed_fraction == 0


def test_the_description_names_blocked_evaluations_only_where_there_are_some():
    full = Completeness(StageCount(2, 2), StageCount(4, 4))
    assert describe(full) == "generations: 2 of 2 answered; evaluations: 4 of 4 answered"
    blocked = Completeness(StageCount(2, 2), StageCount(4, 3, blocked=1))
    assert describe(blocked).endswith("3 of 4 answered, 1 not possible (no essay found in the generator's answer)")  # fmt: skip  # noqa: E501


def test_the_message_of_an_incomplete_run_counts_both_stages_and_says_what_to_do():
    counts = Completeness(StageCount(4, 3), StageCount(16, 10, blocked=2))
    message = incomplete_message(counts, 0.1)
    assert "5 of 20 calls have no answer (generation 1 of 4, evaluation 4 of 16)" in message
    assert "25.0%, allowed are 10.0% (max_failed_fraction)" in message
    assert "clear this run with 'only failed'" in message


def test_a_run_is_counted_by_the_files_that_are_there(settings: Settings):
    planned_run(settings)
    answer_call(settings, "run-1", "generation", 0)
    answer_call(settings, "run-1", "generation", 2, "No essay tag.")
    call = answer_call(settings, "run-1", "evaluation", 0)
    counts = count_run(settings, "run-1")
    assert counts.generation == StageCount(4, 2)
    assert counts.evaluation == StageCount(16, 1, blocked=4)
    call.files.response("evaluation", call.cell.cell_id).unlink()
    assert count_run(settings, "run-1").evaluation.answered == 0


def test_a_run_that_has_not_begun_counts_nothing(settings: Settings):
    planned_run(settings)
    assert count_run(settings, "run-2").planned == 0
