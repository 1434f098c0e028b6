"""A verdict that two experiments share and read in different ways: each is asked, and answers, for itself."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import insert, select

from daydreaming.pipeline.cell_states import cell_states
from daydreaming.pipeline.refresh import refresh_rows
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for, writing_engine
from daydreaming.store.essay_queries import EssayFilter, EssayList, Ranges, read_essays, read_ranges
from daydreaming.store.failure_sums import unread_reasons
from daydreaming.store.matrix_queries import ScoreCount, ScoreSum, count_scores, score_sums
from daydreaming.store.overview_queries import MeanScore, mean_scores
from daydreaming.store.own_readings import set_own_readings
from daydreaming.store.rating_queries import verdicts_on_rated
from daydreaming.store.result_queries import EvaluationFilter, known_values, read_evaluations
from daydreaming.store.results import delete_responses, read_responses, upsert_responses
from daydreaming.store.schema import OwnReading, Rating
from daydreaming.store.spending import count_scored
from daydreaming.store.unread_answers import count_unread, read_unread
from tests.support.experiments import NOW, edit_input, make_inputs, planned_run
from tests.support.finished import answer_distinctly

EVALUATIONS = "01_raw/evaluation_templates.csv"
ONE = {
    "generation_replicates": 2,
    "generation_templates": ["essay"],
    "generation_models": ["free"],
    "evaluation_templates": ["style"],
    "evaluation_models": ["judge"],
}
TEXTS = {("evaluation", 0): "Fine.\nScore: 8/10", ("evaluation", 1): "Fine.\nScore: 4/10"}


@pytest.fixture
def shared(results_settings: Settings) -> Settings:
    """Two verdicts of ``demo``: 8 and 4. ``other`` plans them an hour later, and reads neither."""
    make_inputs(results_settings.inputs_root)
    planned_run(results_settings, **ONE)
    answer_distinctly(results_settings, "run-1", texts=TEXTS)
    refresh_rows(results_settings, "demo")
    edit_input(results_settings.inputs_root, EVALUATIONS, "in_last_line,0,10", "strict,0,10")
    planned_run(results_settings, "run-2", now=NOW + timedelta(hours=1), experiment_id="other", **ONE)
    refresh_rows(results_settings, "other")
    return results_settings


def own(settings):
    query = select(OwnReading.experiment_id, OwnReading.parser, OwnReading.score)
    with engine_for(settings).connect() as connection:
        return sorted(tuple(row) for row in connection.execute(query))


OF_DEMO = [("demo", "in_last_line", 4.0), ("demo", "in_last_line", 8.0)]


def test_the_row_is_the_newest_runs_and_the_older_experiment_keeps_its_reading(shared):
    assert {row["parser"] for row in read_responses(engine_for(shared), "evaluation")} == {"strict"}
    assert own(shared) == OF_DEMO


@pytest.mark.parametrize("order", [("demo",), ("demo", "other"), ("other", "demo")])
def test_own_readings_do_not_depend_on_whose_tables_are_written_last(shared, order):
    for name in order:
        refresh_rows(shared, name)
    assert own(shared) == OF_DEMO


def test_a_reading_that_the_row_has_again_is_no_own_one_any_more(shared):
    edit_input(shared.inputs_root, EVALUATIONS, "strict,0,10", "in_last_line,0,10")
    planned_run(shared, "run-3", now=NOW + timedelta(hours=2), **ONE)
    refresh_rows(shared, "demo")
    # Now it is the other one that reads otherwise than the row.
    assert own(shared) == [("other", "strict", None)] * 2


def essays(settings, experiment_id):
    listed = EssayList(experiment_id, EssayFilter(), "mean", "desc")
    rows, _ = read_essays(engine_for(settings), listed, limit=9, offset=0)
    return [(row.mean, row.unscored) for row in rows]


def test_lists_matrix_and_overview_have_the_experiments_own_scores(shared):
    engine = engine_for(shared)
    assert essays(shared, "demo") == [(0.8, 0), (0.4, 0)]
    assert essays(shared, "other") == [(None, 1), (None, 1)]
    sums = score_sums(engine, "demo", "generation_template", "evaluation_model")
    assert sums == [ScoreSum("essay", "judge", 2, 12.0, pytest.approx(1.2), (0.0, 0.0, 10.0, 10.0))]
    assert score_sums(engine, "other", "generation_template", "evaluation_model") == []
    assert count_scores(engine, "demo") == [ScoreCount("judge", s, 0.0, 10.0, 1) for s in (4.0, 8.0)]
    assert count_scores(engine, "other") == []
    assert mean_scores(engine, "demo") == MeanScore(2, 6.0, pytest.approx(0.6), 0.0, 10.0)
    assert mean_scores(engine, "other") is None


def test_unread_verdicts_are_those_that_the_experiment_cannot_read(shared):
    engine = engine_for(shared)
    assert (count_unread(engine, "demo")["evaluation"], unread_reasons(engine, "demo")) == (0, [])
    [unread, _] = read_unread(engine, "other", limit=9)
    assert (unread.parser, count_unread(engine, "other")["evaluation"]) == ("strict", 2)
    assert [number for _, number in unread_reasons(engine, "other")] == [1, 1]


def test_cost_query_and_reader_have_the_experiments_own_scores(shared):
    engine = engine_for(shared)
    assert count_scored(engine) == {"demo": 2}

    def asked(**wanted):
        return sorted((r["parser"], r["score"]) for r in read_evaluations(engine, EvaluationFilter(**wanted)))

    demo = [("in_last_line", 4.0), ("in_last_line", 8.0)]
    assert asked(experiments=("demo",)) == demo
    assert asked(experiments=("demo",), min_score=5) == demo[1:]
    assert asked(experiments=("demo",), parsers=("in_last_line",)) == demo
    assert asked(experiments=("demo",), parsers=("strict",)) == []
    # Of no one experiment, or of several, a verdict has the reading of its row.
    assert asked() == asked(experiments=("demo", "other")) == asked(experiments=("other",))
    assert asked() == [("strict", None)] * 2
    assert known_values(engine, "parsers") == ["in_last_line", "strict"]
    ids = [row["evaluation_task_id"] for row in read_responses(engine, "evaluation")]
    states = {name: cell_states(shared, name, "evaluation", ids, NOW) for name in ("demo", "other")}
    assert sorted(s.row["score"] for s in states["demo"].values()) == [4.0, 8.0]
    assert {s.row["score"] for s in states["other"].values()} == {None}


def test_the_verdicts_beside_ratings_are_the_experiments_own(shared):
    engine = engine_for(shared)
    essay = read_responses(engine, "evaluation")[0]["generation_task_id"]
    rating = {
        "rating_id": "r",
        "generation_task_id": essay,
        "evaluation_template": "style",
        "rater": "ada",
        "score": 5.0,
        "score_min": 0.0,
        "score_max": 10.0,
        "comment": None,
        "rated_at": NOW,
    }
    with engine.begin() as connection:
        connection.execute(insert(Rating), [rating])
    [mine], [theirs] = verdicts_on_rated(engine, "demo"), verdicts_on_rated(engine, "other")
    assert (mine["score"] in (4.0, 8.0), theirs["score"]) == (True, None)


def test_a_scale_of_its_own_counts_too(shared):
    engine = engine_for(shared)
    with engine.connect() as connection:
        rows = [dict(row) for row in connection.execute(select(OwnReading.__table__)).mappings()]
    wanted = {(row["experiment_id"], row["evaluation_task_id"]): {**row, "score_max": 16.0} for row in rows}
    set_own_readings(writing_engine(shared), [row["evaluation_task_id"] for row in rows], wanted)
    assert essays(shared, "demo") == [(0.5, 0), (0.25, 0)]
    assert read_ranges(engine, "demo", EssayFilter()) == Ranges(0.0, 16.0, True)
    assert read_ranges(engine, "other", EssayFilter()) == Ranges(0.0, 10.0, True)


def test_an_answer_that_comes_anew_or_goes_takes_the_readings_of_the_old_one_with_it(shared):
    [first, second] = read_responses(engine_for(shared), "evaluation")
    upsert_responses(writing_engine(shared), "evaluation", [first])
    assert len(own(shared)) == 1
    delete_responses(writing_engine(shared), "evaluation", [second["evaluation_task_id"]])
    assert own(shared) == []
