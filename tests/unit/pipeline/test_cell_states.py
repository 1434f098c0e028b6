"""Single cells stand where the counts of their experiment say."""

from __future__ import annotations

from datetime import timedelta

from daydreaming.errors import LLMPermanentError, StaleResponseError
from daydreaming.pipeline.call import open_call, record_failure
from daydreaming.pipeline.cell_states import CellState, cell_states
from daydreaming.pipeline.plan import note_refusal
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.plans import cells_of_run
from tests.support.experiments import NOW, answer_call, planned_run

LATER = NOW + timedelta(hours=1)


def read(settings: Settings, stage="generation", experiment_id="demo") -> list[CellState]:
    """Of all cells that `run-1` planned, in their order."""
    names = [cell.cell_id for cell in cells_of_run(engine_for(settings), "run-1", stage)]
    return list(cell_states(settings, experiment_id, stage, names, LATER).values())


def fail(settings: Settings, index: int, error, run_id="run-1", now=NOW) -> None:
    call = open_call(settings, run_id, "generation", index)
    record_failure(call, error, attempt=1, final=True, now=now)


def test_a_cell_is_answered_failed_or_waits(each_settings):
    planned_run(each_settings)
    answer_call(each_settings, "run-1", "generation", 0)
    fail(each_settings, 1, LLMPermanentError("no credit"))
    answered, failed, waits, _ = read(each_settings)
    assert (answered.state, answered.is_answered, answered.failure) == ("answered", True, None)
    assert answered.row is not None
    assert (failed.state, failed.row, failed.is_answered) == ("failed", None, False)
    assert failed.failure.message == "no credit"
    assert (waits.state, waits.row, waits.failure) == ("waiting", None, None)


def test_a_judge_of_an_answer_without_an_essay_is_blocked(each_settings):
    planned_run(each_settings)
    answer_call(each_settings, "run-1", "generation", 3, text="No tag.")
    assert [state.state for state in read(each_settings, "evaluation")[12:]] == ["blocked"] * 4
    assert read(each_settings)[3].is_answered


def test_what_no_run_may_send_is_held_but_its_answers_count(each_settings):
    planned_run(each_settings)
    answer_call(each_settings, "run-1", "generation", 0)
    note_refusal(each_settings, "run-1", "Too dear.")
    assert [state.state for state in read(each_settings)] == ["answered", "held", "held", "held"]


def test_a_stored_answer_is_refused_by_the_run_that_wants_another(each_settings):
    planned_run(each_settings)
    answer_call(each_settings, "run-1", "generation", 0)
    planned_run(each_settings, "run-2", now=LATER, generation_temperature=0.9)
    fail(each_settings, 0, StaleResponseError("stale"), run_id="run-2", now=LATER)
    first = read(each_settings)[0]
    assert (first.state, first.is_answered, first.failure.message) == ("refused", False, "stale")
    assert first.row is not None


def test_what_the_experiment_has_not_planned_counts_as_answered_only_with_an_answer(each_settings):
    planned_run(each_settings)
    answer_call(each_settings, "run-1", "generation", 0)
    assert [s.state for s in read(each_settings, experiment_id="other")] == ["answered", *["waiting"] * 3]
