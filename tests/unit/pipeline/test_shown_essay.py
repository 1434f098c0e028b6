"""One essay by its ID, with what belongs to it; how it looks is in the tests of `daydreaming show`."""

from __future__ import annotations

from datetime import timedelta

import pytest

from daydreaming.errors import InputError, LLMPermanentError
from daydreaming.pipeline import frozen
from daydreaming.pipeline.call import open_call, record_failure
from daydreaming.pipeline.refresh import refresh_rows
from daydreaming.pipeline.shown_essay import view_essay
from tests.support.experiments import NOW, answer_all, answer_call, planned_run
from tests.support.finished_root import refuse_stale


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


def test_verdicts_are_those_that_the_experiment_named_has_planned(each_settings):
    planned_run(each_settings)
    answer_all(each_settings, "run-1")
    later = NOW + timedelta(hours=1)
    only = {"evaluation_templates": ["rigor"], "evaluation_models": ["judge"]}
    planned_run(each_settings, "run-2", now=later, experiment_id="other", dry_run=True, **only)
    [essay, verdict] = [open_call(each_settings, "run-1", s, 0).cell for s in ("generation", "evaluation")]
    for name, number in (("demo", 4), ("other", 1), (None, 1)):
        view = view_essay(each_settings, essay.cell_id, later, name)
        assert (view.experiment_id, len(view.verdicts)) == (name or "other", number)
    # By the other judge: `other` has not planned it.
    assert view_essay(each_settings, verdict.cell_id, later, "demo").experiment_id == "demo"
    with pytest.raises(
        InputError, match=f"^No run of other has planned '{verdict.cell_id}': one of demo has"
    ):
        view_essay(each_settings, verdict.cell_id, later, "other")


@pytest.mark.parametrize("stage", ["generation", "evaluation"])
def test_what_the_experiment_refuses_is_shown_as_refused(each_settings, stage):
    planned_run(each_settings)
    answer_all(each_settings, "run-1")
    later = NOW + timedelta(hours=1)
    temperature = {f"{stage}_temperature": 0.9}
    planned_run(each_settings, "run-2", now=later, experiment_id="stale", **temperature)
    refuse_stale(each_settings, "run-2", stage, now=later)
    refresh_rows(each_settings, "stale")
    cell = open_call(each_settings, "run-1", stage, 0).cell

    def calls(name):
        view = view_essay(each_settings, cell.cell_id, later, name)
        return view.generation if stage == "generation" else view.verdicts[0]

    assert (calls("stale").is_refused, calls("demo").is_refused) == (True, False)
    assert calls("stale").answer == calls("demo").answer


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
