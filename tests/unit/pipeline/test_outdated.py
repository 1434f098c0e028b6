from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import pytest

from daydreaming.errors import StaleResponseError, StoreError
from daydreaming.pipeline.call import CellCall, build_request, open_call, record_failure, settle_stored
from daydreaming.pipeline.completeness import count_run
from daydreaming.pipeline.run_tables import complete_run, update_errors
from daydreaming.pipeline.status import experiment_status
from daydreaming.pipeline.tables import write_all_tables, write_scores
from daydreaming.pipeline.verify import verify
from daydreaming.pipeline.verify_findings import Kind
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.members import read_members
from daydreaming.store.plans import cells_of_run
from tests.support.experiments import ESSAY, NOW, answer_all, answer_call, edit_input, planned_run

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


# Verdicts on an essay that is no longer there. Map indices: the generation tags×free and what judges it.
TAGS_FREE, JUDGING_IT = 2, range(8, 12)
NO_ESSAY = "I would rather not write one."


def _replace_answer(settings: Settings, text: str = "") -> CellCall:
    """Delete a generation's answer, as a person does for another; with a text, that one lands then."""
    call = open_call(settings, "run-1", "generation", TAGS_FREE)
    call.files.response("generation", call.cell.cell_id).unlink()
    return answer_call(settings, "run-1", "generation", TAGS_FREE, text) if text else call


def _judging(settings: Settings, call: CellCall) -> list[dict[str, Any]]:
    """Rows of ``parsed_scores`` of a generation's evaluations."""
    scores = write_scores(settings, "demo")
    return scores[scores["generation_task_id"] == call.cell.cell_id].to_dict("records")


def _wrong(settings: Settings) -> set[Kind]:
    """What is wrong with ``demo``, but for answers that are all alike."""
    found = verify(settings, ["demo"]).findings
    return {finding.kind for finding in found if finding.is_error} - {Kind.DUPLICATE}


@pytest.mark.parametrize("on_stale", ["fail", "reuse", "archive"])
def test_a_verdict_whose_essay_is_gone_is_no_score(settings: Settings, on_stale: str):
    planned_run(settings, on_stale=on_stale)
    answer_all(settings, "run-1")
    rows = _judging(settings, _replace_answer(settings, NO_ESSAY))
    assert len(rows) == 4
    assert all(math.isnan(row["score"]) for row in rows)
    assert all(row["error"].startswith("not evaluated: no essay found in the generation") for row in rows)


def test_it_counts_as_not_possible_and_serves_the_experiment_no_more(answered: Settings):
    _replace_answer(answered, NO_ESSAY)
    line = complete_run(answered, "run-1")
    assert line.startswith("generations: 4 of 4 answered; evaluations: 12 of 16 answered, 4 not possible")
    judges = [s for s in experiment_status(answered, "demo") if s.stage == "evaluation"]
    assert sum(s.answered for s in judges) == 12
    assert len(read_members(engine_for(answered), "demo", "evaluation")) == 12
    assert _wrong(answered) == set()


def test_a_verdict_whose_generation_has_no_response_fails_with_it(answered: Settings):
    call = _replace_answer(answered)
    planned_run(answered, "run-2", now=LATER, max_failed_fraction=0.5)
    assert "evaluations: 12 of 16 answered" in complete_run(answered, "run-2")
    assert count_run(answered, "run-2").evaluation.failed == 4
    rows = _judging(answered, call)
    assert {row["error"] for row in rows} == {
        f"not evaluated: generation {call.cell.cell_id} has no response"
    }
    assert _wrong(answered) == {Kind.MISSING_PARENT}


def test_once_its_essay_is_back_it_counts_again(answered: Settings):
    call = _replace_answer(answered, NO_ESSAY)
    _judging(answered, call)
    call.files.response("generation", call.cell.cell_id).write_text(ESSAY)
    assert [row["score"] for row in _judging(answered, call)] == [7] * 4


def test_a_verdict_that_a_person_brought_is_taken_as_it_is(answered: Settings):
    evaluation = open_call(answered, "run-1", "evaluation", JUDGING_IT[0])
    evaluation.files.provenance("evaluation", evaluation.cell.cell_id).unlink()
    rows = _judging(answered, _replace_answer(answered, NO_ESSAY))
    scored = [row["evaluation_task_id"] for row in rows if row["score"] == 7]
    assert scored == [evaluation.cell.cell_id]


def test_whether_there_is_an_essay_is_for_each_experiment_to_say(answered: Settings):
    # A newer experiment shares all answers and takes an answer as a whole; so their rows are read.
    call = _replace_answer(answered, NO_ESSAY)
    edit_input(
        answered.inputs_root, "01_raw/generation_templates.csv", "Tags,,true,xml_tags", "Tags,,true,whole"
    )
    planned_run(answered, "run-2", now=LATER, experiment_id="other")
    assert all(math.isnan(row["score"]) for row in _judging(answered, call))
    write_all_tables(answered, "demo")
    # The file of the essay is as the newer one cuts it; members, rows and tables are right.
    assert _wrong(answered) == {Kind.ESSAY_DIFFERS}
