"""Members and scores follow from plans and files, whichever experiment's tables are written first."""

from __future__ import annotations

import shutil
from datetime import timedelta

import pytest
from sqlalchemy import delete, insert, select

from daydreaming.errors import StaleResponseError
from daydreaming.pipeline import frozen
from daydreaming.pipeline.call import build_request, open_call, record_failure, settle_stored
from daydreaming.pipeline.refresh import refresh_rows
from daydreaming.pipeline.rescore import rescore
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.members import read_members
from daydreaming.store.results import read_responses
from daydreaming.store.schema import Membership, Score
from tests.support.experiments import NOW, answer_all, answer_call, edit_input, planned_run

EVALUATIONS = "01_raw/evaluation_templates.csv"
RIGOR = {"generation_templates": ["essay"], "evaluation_templates": ["rigor"]}


def _scores(settings: Settings, cell_id: str) -> dict[tuple[str, str], float | None]:
    query = select(Score.parser, Score.scale, Score.score).where(Score.evaluation_task_id == cell_id)
    with engine_for(settings).connect() as connection:
        return {(parser, scale): score for parser, scale, score in connection.execute(query)}


def _shared(settings: Settings, text: str = "SCORE: 9.5") -> str:
    """A verdict of ``demo`` (on 0-9), which ``other`` plans an hour later (on 0-10)."""
    planned_run(settings, **RIGOR)
    answer_call(settings, "run-1", "generation", 0)
    call = answer_call(settings, "run-1", "evaluation", 0, text)
    edit_input(settings.inputs_root, EVALUATIONS, "strict,0,9", "strict,0,10")
    planned_run(settings, "run-2", now=NOW + timedelta(hours=1), experiment_id="other", **RIGOR)
    return call.cell.cell_id


def _row(settings: Settings, cell_id: str) -> tuple[float | None, float]:
    [row] = read_responses(engine_for(settings), "evaluation", [cell_id])
    return row["score"], row["score_max"]


@pytest.mark.parametrize("order", [("demo", "other"), ("other", "demo"), ("demo", "other", "demo")])
def test_the_row_of_a_shared_verdict_is_read_as_the_newest_run_says_in_any_order(settings: Settings, order):
    cell_id = _shared(settings)
    found = {name: refresh_rows(settings, name).rows["evaluation"][cell_id] for name in order}
    assert _row(settings, cell_id) == (9.5, 10.0)
    assert _scores(settings, cell_id) == {("strict", "0-9"): None, ("strict", "0-10"): 9.5}
    # Each experiment's own tables are made of its own reading.
    assert (found["demo"]["score"], found["demo"]["score_max"]) == (None, 9.0)
    assert (found["other"]["score"], found["other"]["score_max"]) == (9.5, 10.0)


def test_a_later_run_of_the_first_experiment_takes_the_row_back(settings: Settings):
    cell_id = _shared(settings)
    refresh_rows(settings, "other")
    edit_input(settings.inputs_root, EVALUATIONS, "strict,0,10", "strict,0,20")
    planned_run(settings, "run-3", now=NOW + timedelta(hours=2), **RIGOR)
    refresh_rows(settings, "demo")
    assert _row(settings, cell_id) == (9.5, 20.0)
    assert set(_scores(settings, cell_id)) == {("strict", "0-9"), ("strict", "0-10"), ("strict", "0-20")}


def test_every_reading_that_was_ever_decided_is_kept(settings: Settings):
    planned_run(settings)
    answer_call(settings, "run-1", "generation", 0)
    call = answer_call(settings, "run-1", "evaluation", 0, "SCORE: 7")
    rescore(settings, "demo", ["rigor"], "complex", "0-10", now=NOW)
    rescore(settings, "demo", ["rigor"], "strict", "0-5", now=NOW)
    assert _scores(settings, call.cell.cell_id) == {
        ("strict", "0-9"): 7.0,
        ("complex", "0-10"): 7.0,
        ("strict", "0-5"): None,
    }
    assert _row(settings, call.cell.cell_id) == (None, 5.0)


def test_a_new_verdict_is_read_in_each_way_and_no_reading_of_the_old_one_stays(settings: Settings):
    cell_id = _shared(settings)
    refresh_rows(settings, "demo")
    open_call(settings, "run-1", "evaluation", 0).files.response("evaluation", cell_id).unlink()
    answer_call(settings, "run-1", "evaluation", 0, "SCORE: 3")
    assert _scores(settings, cell_id) == {("strict", "0-9"): 3.0}
    refresh_rows(settings, "demo")
    assert _scores(settings, cell_id) == {("strict", "0-9"): 3.0, ("strict", "0-10"): 3.0}


def test_rows_that_nothing_asks_for_go_and_those_that_are_missing_come(settings: Settings):
    planned_run(settings)
    answer_all(settings, "run-1")
    refresh_rows(settings, "demo")
    with engine_for(settings).begin() as connection:
        ids = [row.evaluation_task_id for row in connection.execute(select(Score.evaluation_task_id))]
        before = connection.execute(select(Score.__table__).order_by(Score.evaluation_task_id)).all()
        connection.execute(delete(Score).where(Score.evaluation_task_id == ids[0]))
        ghost = {"evaluation_task_id": ids[1], "parser": "gone", "scale": "0-1", "parser_version": 1}
        connection.execute(insert(Score), ghost)
        connection.execute(delete(Membership).where(Membership.cell_id == ids[2]))
        connection.execute(
            insert(Membership), {"experiment_id": "demo", "stage": "evaluation", "cell_id": "ghost"}
        )
    refresh_rows(settings, "demo")
    with engine_for(settings).connect() as connection:
        assert connection.execute(select(Score.__table__).order_by(Score.evaluation_task_id)).all() == before
    assert read_members(engine_for(settings), "demo", "evaluation") == set(ids)


def test_an_answer_that_is_refused_as_stale_serves_nobody_who_refuses_it(settings: Settings):
    planned_run(settings)
    call = answer_call(settings, "run-1", "generation", 0)
    planned_run(
        settings, "run-2", now=NOW + timedelta(hours=1), experiment_id="hot", generation_temperature=0.9
    )
    assert read_members(engine_for(settings), "hot", "generation") == {call.cell.cell_id}
    refused = open_call(settings, "run-2", "generation", 0)
    with pytest.raises(StaleResponseError) as error:
        settle_stored(refused, build_request(refused))
    record_failure(refused, error.value, attempt=0, final=True, now=NOW)
    refresh_rows(settings, "hot")
    assert read_members(engine_for(settings), "hot", "generation") == set()
    refresh_rows(settings, "demo")
    assert read_members(engine_for(settings), "demo", "generation") == {call.cell.cell_id}
    assert read_members(engine_for(settings), "hot", "generation") == set()


def test_a_deleted_answer_serves_nobody_whoever_looks_first(settings: Settings):
    cell_id = _shared(settings)
    refresh_rows(settings, "other")
    assert read_members(engine_for(settings), "other", "evaluation") == {cell_id}
    open_call(settings, "run-1", "evaluation", 0).files.response("evaluation", cell_id).unlink()
    refresh_rows(settings, "demo")
    for name in ("demo", "other"):
        assert read_members(engine_for(settings), name, "evaluation") == set()
    assert _scores(settings, cell_id) == {}


def test_an_experiment_whose_folder_is_gone_has_no_say_in_what_others_share_with_it(settings: Settings):
    cell_id = _shared(settings)
    shutil.rmtree(settings.data_root / "02_tasks/other")
    frozen._read.cache_clear()
    refresh_rows(settings, "demo")
    assert _row(settings, cell_id) == (None, 9.0)
    assert set(_scores(settings, cell_id)) == {("strict", "0-9")}
