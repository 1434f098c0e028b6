"""Counts by state."""

from __future__ import annotations

from daydreaming.pipeline.model_counts import ModelCounts, count_by_model, in_order
from daydreaming.store.open_cells import OpenGroup


def group(state, cells, *, stage="generation", model="free", run_id="run-1"):
    return OpenGroup(state, stage, model, run_id, None, None, cells)


def test_what_is_planned_and_not_open_is_answered():
    counts = ModelCounts(
        "evaluation", "judge", 20, {"failed": 1, "running": 2, "waiting": 3, "blocked": 4, "held": 5}
    )
    assert counts.answered == 5
    assert (counts.failed, counts.running, counts.waiting, counts.blocked, counts.held) == (1, 2, 3, 4, 5)
    assert counts.unanswered == 5
    assert ModelCounts("generation", "free", 4, {}).answered == 4


def test_groups_of_several_runs_and_errors_are_added_up():
    groups = [
        group("failed", 2),
        group("failed", 3, run_id="run-2"),
        group("waiting", 1),
        group("waiting", 7, stage="evaluation"),
    ]
    assert count_by_model(groups) == {
        ("generation", "free"): {"failed": 5, "waiting": 1},
        ("evaluation", "free"): {"waiting": 7},
    }


def test_generators_come_before_judges():
    planned = {("evaluation", "a"): 1, ("generation", "b"): 2, ("generation", "a"): 3}
    assert in_order(planned) == [
        (("generation", "a"), 3),
        (("generation", "b"), 2),
        (("evaluation", "a"), 1),
    ]
