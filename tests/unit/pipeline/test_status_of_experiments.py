from __future__ import annotations

from datetime import timedelta

import pytest

from daydreaming.errors import InputError, LLMPermanentError, LLMTransientError
from daydreaming.pipeline.call import open_call, record_failure
from daydreaming.pipeline.status import StageStatus, experiment_status
from daydreaming.settings import Settings
from tests.support.experiments import NOW, answer_call, planned_run


def _fail(settings: Settings, run_id: str, index: int, *, final: bool) -> None:
    call = open_call(settings, run_id, "generation", index)
    error = LLMPermanentError("401") if final else LLMTransientError("503")
    record_failure(call, error, attempt=1, final=final, now=NOW)


def _of(rows: list[StageStatus], stage: str, model: str) -> tuple[int, int, int, int]:
    [row] = [row for row in rows if (row.stage, row.model) == (stage, model)]
    return row.planned, row.answered, row.failed, row.waiting


def test_calls_are_counted_by_stage_and_model(settings: Settings):
    planned_run(settings)
    answer_call(settings, "run-1", "generation", 0)
    answer_call(settings, "run-1", "evaluation", 0)
    _fail(settings, "run-1", 1, final=True)
    rows = experiment_status(settings, "demo")
    assert [(row.stage, row.model) for row in rows] == [
        ("generation", "free"),
        ("generation", "paid"),
        ("evaluation", "free"),
        ("evaluation", "judge"),
    ]
    assert _of(rows, "generation", "free") == (2, 1, 0, 1)
    assert _of(rows, "generation", "paid") == (2, 0, 1, 1)
    assert _of(rows, "evaluation", "free") == (8, 1, 0, 7)


def test_a_failed_attempt_that_will_be_tried_again_is_waiting(settings: Settings):
    planned_run(settings)
    _fail(settings, "run-1", 0, final=False)
    assert _of(experiment_status(settings, "demo"), "generation", "free") == (2, 0, 0, 2)
    _fail(settings, "run-1", 0, final=True)
    assert _of(experiment_status(settings, "demo"), "generation", "free") == (2, 0, 1, 1)
    # Cleared, and being tried again.
    _fail(settings, "run-1", 0, final=False)
    assert _of(experiment_status(settings, "demo"), "generation", "free") == (2, 0, 0, 2)


def test_a_failed_call_that_was_answered_since_is_answered(settings: Settings):
    planned_run(settings)
    _fail(settings, "run-1", 0, final=True)
    answer_call(settings, "run-1", "generation", 0)
    assert _of(experiment_status(settings, "demo"), "generation", "free") == (2, 1, 0, 1)


def test_a_call_that_failed_in_an_earlier_run_waits_in_the_run_that_planned_it_anew(settings: Settings):
    planned_run(settings)
    _fail(settings, "run-1", 0, final=True)
    planned_run(settings, "run-2", now=NOW + timedelta(hours=1))
    assert _of(experiment_status(settings, "demo"), "generation", "free") == (2, 0, 0, 2)
    _fail(settings, "run-2", 0, final=True)
    assert _of(experiment_status(settings, "demo"), "generation", "free") == (2, 0, 1, 1)


def test_without_an_id_all_experiments_are_shown_oldest_first(settings: Settings):
    planned_run(settings, "run-1", experiment_id="zeta")
    planned_run(settings, "run-2", now=NOW + timedelta(hours=1), experiment_id="alpha")
    names = [row.experiment_id for row in experiment_status(settings)]
    assert list(dict.fromkeys(names)) == ["zeta", "alpha"]
    assert {row.experiment_id for row in experiment_status(settings, "alpha")} == {"alpha"}


def test_an_unknown_experiment_lists_those_that_were_run(settings: Settings):
    planned_run(settings)
    with pytest.raises(InputError, match=r"Unknown experiment ID 'nope'.*demo"):
        experiment_status(settings, "nope")


def test_nothing_run_yet_makes_no_database(settings: Settings):
    assert experiment_status(settings) == []
    with pytest.raises(InputError, match="none yet"):
        experiment_status(settings, "demo")
    assert not settings.data_root.exists()
