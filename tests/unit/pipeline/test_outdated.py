from __future__ import annotations

from datetime import timedelta

import pytest

from daydreaming.errors import StaleResponseError, StoreError
from daydreaming.pipeline.call import build_request, open_call, record_failure, settle_stored
from daydreaming.pipeline.completeness import count_run
from daydreaming.pipeline.run_tables import complete_run, update_errors
from daydreaming.pipeline.status import experiment_status
from daydreaming.pipeline.tables import write_scores
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.plans import cells_of_run
from tests.support.experiments import NOW, answer_all, planned_run

LATER = NOW + timedelta(hours=1)


@pytest.fixture
def answered(settings: Settings) -> Settings:
    """A run with every call answered."""
    planned_run(settings)
    answer_all(settings, "run-1")
    return settings


def _instance(settings: Settings, run_id: str, map_index: int) -> None:
    """What an evaluation's instance does with a stored answer."""
    call = open_call(settings, run_id, "evaluation", map_index)
    try:
        settle_stored(call, build_request(call))
    except StaleResponseError as error:
        record_failure(call, error, attempt=0, final=True, now=NOW)


def test_a_complete_run_has_nothing_outdated(answered: Settings):
    _instance(answered, "run-1", 0)
    assert count_run(answered, "run-1").failed == 0


def test_a_stale_verdict_fails_its_run_and_is_no_score(answered: Settings):
    planned_run(answered, "run-2", now=LATER, evaluation_temperature=0.9)
    _instance(answered, "run-2", 0)

    assert count_run(answered, "run-2").evaluation.failed == 1
    with pytest.raises(StoreError, match=r"1 of .* calls have no answer"):
        complete_run(answered, "run-2")
    scores = write_scores(answered, "demo")
    cell_id = cells_of_run(engine_for(answered), "run-2", "evaluation")[0].cell_id
    [row] = scores[scores["evaluation_task_id"] == cell_id].to_dict("records")
    assert row["score"] != row["score"], "NaN: a stale verdict is no score"
    assert "the stored verdict is stale" in row["error"]
    assert update_errors(answered, "run-2") == 1
    assert sum(s.failed for s in experiment_status(answered, "demo")) == 1


def test_the_run_that_asked_for_it_still_counts_it(answered: Settings):
    planned_run(answered, "run-2", now=LATER, evaluation_temperature=0.9)
    _instance(answered, "run-2", 0)
    assert count_run(answered, "run-1").failed == 0


def test_reuse_makes_it_count_again(answered: Settings):
    planned_run(answered, "run-2", now=LATER, evaluation_temperature=0.9)
    _instance(answered, "run-2", 0)
    planned_run(
        answered, "run-3", now=LATER + timedelta(hours=1), evaluation_temperature=0.9, on_stale="reuse"
    )
    assert count_run(answered, "run-3").failed == 0
    assert write_scores(answered, "demo")["score"].notna().all()
