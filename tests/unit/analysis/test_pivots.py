from __future__ import annotations

import math

import pandas as pd
import pytest

from daydreaming.analysis.pivots import (
    PERFECT_COLUMNS,
    evaluation_model_template_pivot,
    generation_scores_pivot,
    perfect_score_paths,
)
from daydreaming.analysis.scores import parsed_scores

FIXED_COLUMNS = (
    "combo_id generation_template generation_model generation_replicate generation_task_id "
    "sum_scores mean_score n_planned n_scored scale"
)


def test_perfect_scores_are_the_highest_of_their_own_scale_with_both_files(row):
    rows = [row(10), row(9, rubric="r2"), row(9, rubric="r3", scale=(0, 9)), row(None, rubric="r4")]
    table = perfect_score_paths(parsed_scores(rows))
    assert list(table.columns) == list(PERFECT_COLUMNS)
    assert table["evaluation_template"].tolist() == ["r1", "r3"]
    assert table["score"].tolist() == [10, 9]
    assert table["generation_response_path"][0] == rows[0]["generation_response_path"]
    assert table["evaluation_response_path"][1] == rows[2]["evaluation_response_path"]


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        (perfect_score_paths, " ".join(PERFECT_COLUMNS)),
        (generation_scores_pivot, FIXED_COLUMNS),
        (evaluation_model_template_pivot, "evaluation_model planned count unscored mean_0_10"),
    ],
)
def test_no_scores_give_no_rows_and_the_fixed_columns(table, columns):
    empty = table(parsed_scores([]))
    assert empty.empty
    assert " ".join(empty.columns) == columns


def test_generations_are_rows_and_rubric_with_judge_are_columns(row):
    rows = [
        row(8, rubric="r1", judge="j1"),
        row(6, rubric="r1", judge="j1", evaluation_replicate=2),
        row(5, rubric="r1", judge="j2"),
        row(3, rubric="r2", judge="j1"),
        row(2, rubric="r1", judge="j1", generation_replicate=2),
    ]
    table = generation_scores_pivot(parsed_scores(rows))
    assert list(table.columns)[5:8] == ["r1__j1", "r1__j2", "r2__j1"]
    assert table["generation_replicate"].tolist() == [1, 2]
    first = table.iloc[0]
    assert first[["r1__j1", "r1__j2", "r2__j1", "sum_scores", "mean_score"]].tolist() == [7, 5, 3, 15, 5]
    assert first[["n_planned", "n_scored", "scale"]].tolist() == [4, 4, "0-10"]
    second = table.iloc[1]
    assert second[["r1__j1", "sum_scores", "n_planned"]].tolist() == [2, 2, 1]
    assert math.isnan(second["r2__j1"])


def test_a_generation_with_an_unscored_cell_has_a_mean_and_no_sum(row):
    table = generation_scores_pivot(parsed_scores([row(8), row(None, judge="j2")]))
    assert math.isnan(table["sum_scores"][0])
    assert table["mean_score"][0] == 8
    assert table[["n_planned", "n_scored"]].iloc[0].tolist() == [2, 1]


def test_a_generation_with_nothing_scored_keeps_its_row(row):
    table = generation_scores_pivot(parsed_scores([row(None)]))
    assert table[["r1__j1", "sum_scores", "mean_score"]].isna().all(axis=None)
    assert table["n_scored"].tolist() == [0]


def test_cells_stay_on_the_scale_of_the_rubric_and_sums_are_put_on_one(row):
    table = generation_scores_pivot(parsed_scores([row(5), row(9, rubric="r2", scale=(0, 9))]))
    assert table[["r1__j1", "r2__j1", "sum_scores", "mean_score"]].iloc[0].tolist() == [5, 9, 15, 7.5]
    assert table["scale"].tolist() == ["0-10 (rescaled)"]


def test_pairs_that_would_share_a_name_get_one_each(row):
    table = generation_scores_pivot(
        parsed_scores([row(1, rubric="a__b", judge="c"), row(2, rubric="a", judge="b__c")])
    )
    assert table[["a__b/c", "a/b__c"]].iloc[0].tolist() == [1, 2]


def test_judges_are_rows_and_rubrics_are_columns(row):
    rows = [
        row(8),
        row(6, template="g2"),
        row(None, template="g3"),
        row(9, rubric="r2", scale=(0, 9)),
        row(None, judge="j2"),
    ]
    table = evaluation_model_template_pivot(parsed_scores(rows))
    assert list(table.columns)[5:] == [f"{r}__{s}" for r in ("r1", "r2") for s in ("mean", "sd", "count")]
    first, second = table.iloc[0], table.iloc[1]
    assert first[["evaluation_model", "planned", "count", "unscored", "mean_0_10"]].tolist() == [
        "j1",
        4,
        3,
        1,
        8,
    ]
    assert first[["r1__mean", "r1__count", "r2__mean", "r2__count"]].tolist() == [7, 2, 9, 1]
    assert first["r1__sd"] == pytest.approx(math.sqrt(2))
    assert math.isnan(first["r2__sd"])
    assert second["r1__count"] == 0
    assert second[["r1__mean", "r2__mean", "r2__count", "mean_0_10"]].isna().all()


def test_tables_do_not_depend_on_the_order_of_rows(row):
    scores = parsed_scores(
        [row(s, judge=j, template=t) for s, j, t in [(1, "b", "x"), (2, "a", "y"), (10, "a", "x")]]
    )
    for table in (perfect_score_paths, generation_scores_pivot, evaluation_model_template_pivot):
        pd.testing.assert_frame_equal(table(scores), table(scores.iloc[::-1]))
