"""One essay by its ID, with what belongs to it; how it looks is in the tests of `daydreaming show`."""

from __future__ import annotations

from datetime import timedelta

import pytest

from daydreaming.errors import InputError, LLMPermanentError
from daydreaming.pipeline import frozen
from daydreaming.pipeline.call import open_call, record_failure
from daydreaming.pipeline.shown_essay import view_essay
from tests.support.experiments import NOW, answer_all, answer_call, planned_run


def test_a_generation_has_all_its_verdicts_in_order(each_settings):
    planned_run(each_settings, "run-2", experiment_id="other")
    planned_run(each_settings, "run-1", now=NOW + timedelta(hours=1), evaluation_replicates=2)
    answer_all(each_settings, "run-1")
    cell = open_call(each_settings, "run-1", "generation", 0).cell
    view = view_essay(each_settings, cell.cell_id, NOW)
    assert view.experiments == ("demo", "other")
    assert view.concepts == {"moat": "Economic moat", "search": "Combinatorial search"}
    assert (view.description_level, view.is_one_verdict) == ("paragraph", False)
    assert view.essay == "<essay>Moats meet search.</essay>"
    assert view.generation.answer == f"<thinking>A secret plan.</thinking>\n{view.essay}"
    named = [(v.cell.evaluation_template, v.cell.evaluation_model, v.cell.replicate) for v in view.verdicts]
    assert named == [
        (rubric, judge, replicate)
        for rubric in ("rigor", "style")
        for judge in ("free", "judge")
        for replicate in (1, 2)
    ]
    assert all(verdict.row and verdict.row["score"] is not None for verdict in view.verdicts)
    assert view.generation.prompt is not None


def test_an_id_is_of_the_experiment_that_planned_it_last(each_settings):
    planned_run(each_settings, evaluation_models=["judge"])
    answer_all(each_settings, "run-1")
    later = NOW + timedelta(hours=1)
    planned_run(
        each_settings, "run-2", now=later, experiment_id="other", evaluation_models=["judge", "free"],
        evaluation_templates=["style"],
    )  # fmt: skip
    call = open_call(each_settings, "run-1", "generation", 0)
    view = view_essay(each_settings, call.cell.cell_id, later)
    named = [(v.cell.evaluation_template, v.cell.evaluation_model, v.row is not None) for v in view.verdicts]
    assert named == [("style", "free", False), ("style", "judge", True)]
    # What the other experiment alone has planned is of that one, with the same essay.
    rigor = open_call(each_settings, "run-1", "evaluation", 0).cell
    assert rigor.evaluation_template == "rigor"
    view = view_essay(each_settings, rigor.cell_id, later)
    assert [verdict.cell.cell_id for verdict in view.verdicts] == [rigor.cell_id]
    assert (view.generation.cell.cell_id, view.experiments) == (call.cell.cell_id, ("demo", "other"))


def test_texts_are_whole_however_long_they_are(settings):
    planned_run(settings)
    call = answer_call(settings, "run-1", "generation", 0, text="\x1b" + "long " * 100_000)
    assert view_essay(settings, call.cell.cell_id, NOW).generation.answer == "\x1b" + "long " * 100_000


def test_an_evaluation_has_its_generation_and_itself_alone(each_settings):
    planned_run(each_settings)
    call = answer_call(each_settings, "run-1", "generation", 1)
    judged = open_call(each_settings, "run-1", "evaluation", 4)
    record_failure(judged, LLMPermanentError("no"), attempt=1, final=True, now=NOW)
    view = view_essay(each_settings, judged.cell.cell_id, NOW)
    assert view.generation.cell.cell_id == call.cell.cell_id
    [verdict] = view.verdicts
    assert (verdict.answer, verdict.row, view.is_one_verdict) == (None, None, True)
    assert verdict.failure is not None
    assert verdict.failure.message == "no"


def test_names_of_concepts_do_without_the_frozen_inputs(settings):
    planned_run(settings)
    cell = open_call(settings, "run-1", "generation", 0).cell
    for path in (settings.data_root / "02_tasks").rglob("inputs.json"):
        path.unlink()
    frozen._read.cache_clear()
    assert view_essay(settings, cell.cell_id, NOW).concepts == {"moat": "moat", "search": "search"}


def test_an_id_that_nobody_planned_is_refused_with_the_nearest(each_settings):
    planned_run(each_settings)
    cell_id = open_call(each_settings, "run-1", "generation", 0).cell.cell_id
    with pytest.raises(InputError, match=f"Did you mean {cell_id}"):
        view_essay(each_settings, cell_id[:-1], NOW)
