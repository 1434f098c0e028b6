from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from daydreaming import errors
from daydreaming.errors import InputError, LLMPermanentError, LLMTransientError, MissingResponseError
from daydreaming.pipeline.call import failure_row, open_call
from daydreaming.pipeline.failures_list import (
    ADVICE,
    OTHER_ADVICE,
    REASONS,
    Missing,
    first_failed,
    read_missing,
    read_unreadable,
)
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.open_cells import STATES, OpenFilter
from daydreaming.store.results import insert_failure
from tests.support.experiments import NOW, planned_run
from tests.support.finished import answer_distinctly

LATER = NOW + timedelta(days=1)


def fail(settings: Settings, stage, index: int, error: Exception, run_id: str = "run-1") -> None:
    call = open_call(settings, run_id, stage, index)
    insert_failure(engine_for(settings), failure_row(call, error, attempt=1, final=True, now=NOW))


def read(settings: Settings, *, page: int = 1, size: int = 50, now: datetime = LATER, **wanted) -> Missing:
    return read_missing(settings, "demo", OpenFilter(**wanted), now, page=page, size=size)


def test_nobody_has_started_it(settings: Settings) -> None:
    with pytest.raises(InputError, match="Unknown experiment ID 'demo'"):
        read(settings)


def test_errors_are_told_with_their_number_and_what_to_do(settings: Settings) -> None:
    planned_run(settings)
    fail(settings, "generation", 0, LLMPermanentError("no credit"))
    fail(settings, "generation", 1, LLMPermanentError("bad key"))
    fail(settings, "generation", 2, LLMTransientError("busy"))
    fail(settings, "evaluation", 0, MissingResponseError("nothing to judge"))
    fail(settings, "evaluation", 1, RuntimeError("?"))
    found = read(settings)
    assert found.by_state == {"failed": 5, "waiting": 15}
    assert [(k.error_class, k.stage, k.cells, k.message) for k in found.errors] == [
        ("LLMPermanentError", "generation", 2, "bad key"),
        ("LLMTransientError", "generation", 1, "busy"),
        ("RuntimeError", "evaluation", 1, "?"),
        ("MissingResponseError", "evaluation", 1, "nothing to judge"),
    ]
    assert found.errors[3].advice == ADVICE["MissingResponseError"]
    assert found.errors[2].advice == OTHER_ADVICE
    assert found.failed_by_run == [("run-1", 5)]
    assert [cell.error_class for cell in first_failed(settings, "demo", LATER, 2)] == [
        "LLMPermanentError"
    ] * 2


def test_the_total_is_that_of_the_filter(settings: Settings) -> None:
    planned_run(settings)
    fail(settings, "generation", 0, LLMPermanentError("no"))
    assert (read(settings).total, read(settings, size=7, page=3).total) == (20, 20)
    assert len(read(settings, size=7, page=3).cells) == 6
    assert read(settings, page=9).cells == []
    assert read(settings, state="failed").total == 1
    assert read(settings, stage="evaluation", model="judge").total == 8
    # What is counted by state and error is all, whatever is listed.
    assert read(settings, state="failed").by_state == {"failed": 1, "waiting": 19}


def test_runs_to_clear_are_those_that_failed_most(settings: Settings) -> None:
    planned_run(settings, generation_replicates=2)
    planned_run(settings, "run-2", now=NOW + timedelta(hours=1))
    for index in range(2):
        fail(settings, "generation", index, LLMPermanentError("no"), "run-2")
    replicate = next(c.map_index for c in read(settings).cells if c.run_id == "run-1")
    fail(settings, "generation", replicate, LLMPermanentError("no"))
    assert read(settings).failed_by_run == [("run-2", 2), ("run-1", 1)]


def test_a_complete_experiment_misses_nothing(settings: Settings) -> None:
    planned_run(settings)
    answer_distinctly(settings, "run-1", texts={("evaluation", 2): "Well."})
    found = read(settings)
    assert (found.by_state, found.errors, found.cells, found.is_live) == ({}, [], [], False)
    answers, counts = read_unreadable(settings, "demo", page=1, size=10)
    assert [answer.stage for answer in answers] == ["evaluation"]
    assert counts == {"generation": 0, "evaluation": 1}
    assert read_unreadable(settings, "demo", page=2, size=10)[0] == []


def test_every_state_has_a_reason_and_every_advice_an_error() -> None:
    assert set(REASONS) == set(STATES)
    assert all(hasattr(errors, name) for name in ADVICE)
