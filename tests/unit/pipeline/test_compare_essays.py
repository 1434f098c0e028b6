"""Two essays side by side."""

from __future__ import annotations

import pytest

from daydreaming.errors import InputError
from daydreaming.pipeline import compare_essays as module
from daydreaming.pipeline.compare_essays import JudgeScores, compare_essays
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.files import DataRoot
from daydreaming.store.plans import cells_of_run
from tests.support.experiments import NOW, planned_run
from tests.support.finished import answer_distinctly

TEXTS = {
    ("generation", 0): "Moats meet search tonight.",
    ("generation", 1): "Moats meet dreams tonight.\x00",
    ("generation", 3): "No tags.",
    # Essay 0: rigor 8 and unscored, style 2 and 3; essay 1: rigor 5 and 6, style 7 and 9.
    **{("evaluation", i): f"SCORE: {score}" for i, score in enumerate([8, "x", 2, 3, 5, 6, 7, 9])},
}


@pytest.fixture
def ids(settings: Settings) -> list[str]:
    """IDs of the essays of an answered run; the last has no essay."""
    planned_run(settings)
    leave_out = frozenset({("generation", 2), *(("evaluation", i) for i in range(8, 16))})
    answer_distinctly(settings, "run-1", texts=TEXTS, leave_out=leave_out)
    return [cell.cell_id for cell in cells_of_run(engine_for(settings), "run-1", "generation")]


def test_words_and_scores_of_both_are_set_side_by_side(settings, ids):
    found = compare_essays(settings, "demo", ids[0], ids[1], NOW)
    assert [(p.text, p.is_changed) for p in found.diff.left] == [
        ("Moats meet ", False), ("search tonight.", True),
    ]  # fmt: skip
    assert [(p.text, p.is_changed) for p in found.diff.right] == [
        ("Moats meet ", False), ("dreams tonight.␀", True),
    ]  # fmt: skip
    assert list(found.scores) == [
        JudgeScores("rigor", "free", 8, 5, -3),
        JudgeScores("rigor", "judge", None, 6, None),
        JudgeScores("style", "free", 2, 7, 5),
        JudgeScores("style", "judge", 3, 9, 6),
    ]
    assert found.left.concepts == "Economic moat + Combinatorial search"
    assert (found.left.summary.scored, found.right.summary.scored) == (3, 4)


def test_replicates_of_a_judge_are_averaged(settings):
    planned_run(
        settings, evaluation_replicates=2, evaluation_models=["judge"], generation_templates=["essay"]
    )
    scores = [1, 4, 6, 6, 0, 9, 2, 2]
    answer_distinctly(
        settings, "run-1", texts={("evaluation", i): f"SCORE: {s}" for i, s in enumerate(scores)}
    )
    first, second = (cell.cell_id for cell in cells_of_run(engine_for(settings), "run-1", "generation"))
    found = compare_essays(settings, "demo", first, second, NOW)
    assert list(found.scores) == [
        JudgeScores("rigor", "judge", 2.5, 4.5, 2.0),
        JudgeScores("style", "judge", 6, 2, -4),
    ]


@pytest.mark.parametrize(("which", "problem"), [(2, "It is not answered yet."), (3, "No essay was found in")])
def test_without_a_text_there_is_no_diff_and_the_reason(settings, ids, which, problem):
    found = compare_essays(settings, "demo", ids[0], ids[which], NOW)
    assert found.diff is None
    assert found.left.problem == ""
    assert found.left.text == "Moats meet search tonight."
    assert found.right.problem.startswith(problem)


def test_a_file_that_is_gone_is_named(settings, ids):
    DataRoot(settings.data_root).essay(ids[0]).unlink()
    DataRoot(settings.data_root).response("generation", ids[0]).unlink()
    problem = compare_essays(settings, "demo", ids[0], ids[1], NOW).left.problem
    assert problem == f"03_generation/generation_responses/{ids[0]}.txt: missing."


def test_what_is_too_long_to_show_is_not_compared(settings, ids, monkeypatch):
    monkeypatch.setattr(module, "MAX_CHARS", 5)
    found = compare_essays(settings, "demo", ids[0], ids[1], NOW)
    assert (found.left.text, found.left.left_out, found.diff.shared) == ("Moats", 21, 1.0)


def test_an_essay_that_was_not_planned_is_refused(settings, ids):
    with pytest.raises(InputError, match="has planned the generation nobody"):
        compare_essays(settings, "demo", ids[0], "nobody", NOW)
