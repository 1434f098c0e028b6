"""All experiments at a glance."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from daydreaming.errors import InputError, LLMPermanentError
from daydreaming.pipeline.call import failure_row, open_call
from daydreaming.pipeline.overview import Overview, overview, overviews
from daydreaming.settings import Settings
from daydreaming.store.admission import admit_calls
from daydreaming.store.database import engine_for, writing_engine
from daydreaming.store.plans import cells_of_run
from daydreaming.store.results import insert_failure
from daydreaming.store.schema import EvaluationResponse
from tests.support.attempts import call_order
from tests.support.experiments import NOW, planned_run
from tests.support.finished import answer_distinctly


def counts(found: Overview) -> list[tuple[int, int, int, int, int]]:
    return [(s.planned, s.answered, s.running, s.failed, s.waiting) for s in found.stages]


def fail(settings: Settings, index: int, *, final: bool = True) -> None:
    call = open_call(settings, "run-1", "generation", index)
    error = LLMPermanentError("no")
    insert_failure(engine_for(settings), failure_row(call, error, attempt=1, final=final, now=NOW))


def test_nothing_was_started(settings: Settings) -> None:
    assert overviews(settings, NOW) == []
    with pytest.raises(InputError, match="Unknown experiment ID 'demo'"):
        overview(settings, "demo", NOW)


def test_each_cell_stands_in_one_place(settings: Settings) -> None:
    planned_run(settings)
    engine = engine_for(settings)
    cells = cells_of_run(engine, "run-1", "generation")
    assert len(cells) == 4
    left_out = {("generation", i) for i in (0, 1, 2)} | {("evaluation", i) for i in range(16)}
    answer_distinctly(settings, "run-1", leave_out=frozenset(left_out))
    fail(settings, 0)
    fail(settings, 1)
    fail(settings, 2, final=False)
    with writing_engine(settings).begin() as connection:
        admit_calls(connection, [call_order("sent", experiment_id="demo", cell_id=cells[1].cell_id)])
    found = overview(settings, "demo", datetime.now(UTC) + timedelta(seconds=5))
    # The first has failed; the second has, too, and is being called again; the third is tried again later.
    assert counts(found)[0] == (4, 1, 1, 1, 1)
    assert (found.is_live, found.is_complete) == (True, False)


def test_a_finished_experiment_is_complete(settings: Settings) -> None:
    planned_run(settings)
    answer_distinctly(settings, "run-1")
    found = overview(settings, "demo", NOW)
    assert counts(found) == [(4, 4, 0, 0, 0), (16, 16, 0, 0, 0)]
    assert (found.is_live, found.is_complete) == (False, True)
    assert found.last_at is not None
    assert found.last_at > NOW
    assert found.score is not None
    assert found.score.scores == 16
    # Its two rubrics differ in their range.
    assert found.score.mean is None
    assert 0 < found.score.mean_share < 1


def test_scores_of_different_ranges_are_averaged_as_shares(settings: Settings) -> None:
    planned_run(settings)
    answer_distinctly(settings, "run-1")
    with engine_for(settings).begin() as connection:
        first = cells_of_run(engine_for(settings), "run-1", "evaluation")[0].cell_id
        connection.execute(update(EvaluationResponse).values(score=9.0, score_min=0.0, score_max=10.0))
        connection.execute(
            update(EvaluationResponse)
            .where(EvaluationResponse.evaluation_task_id == first)
            .values(score=50.0, score_max=100.0)
        )
    score = overview(settings, "demo", NOW).score
    assert score is not None
    assert score.mean is None
    assert score.mean_share == pytest.approx((15 * 0.9 + 0.5) / 16)


def test_newest_first(settings: Settings) -> None:
    planned_run(settings)
    planned_run(settings, "run-2", now=NOW + timedelta(days=1), experiment_id="later")
    assert [found.experiment_id for found in overviews(settings, NOW)] == ["later", "demo"]


def test_without_a_call_the_price_is_not_known_yet(settings: Settings) -> None:
    planned_run(settings)
    found = overview(settings, "demo", NOW)
    assert (found.spent_usd, found.expected_usd, found.score) == (0.0, None, None)


def test_a_database_that_is_not_there_yet_is_not_made(settings: Settings) -> None:
    overviews(replace(settings, data_root=settings.data_root / "new"), NOW)
    assert not (settings.data_root / "new").exists()
