"""Agreement of judges and variance by generation."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from daydreaming.analysis.agreement import COLUMNS as AGREEMENT_COLUMNS
from daydreaming.analysis.agreement import evaluator_agreement
from daydreaming.analysis.scores import parsed_scores
from daydreaming.analysis.variance import COLUMNS as VARIANCE_COLUMNS
from daydreaming.analysis.variance import comprehensive_variance


@pytest.mark.parametrize(
    ("table", "columns"),
    [(evaluator_agreement, AGREEMENT_COLUMNS), (comprehensive_variance, VARIANCE_COLUMNS)],
)
def test_tables_keep_their_columns_and_types_without_scores(row, table, columns):
    empty, one = table(parsed_scores([])), table(parsed_scores([row(7), row(8, judge="j2")]))
    assert list(empty.columns) == list(one.columns) == list(columns)
    assert empty.empty


def judged(row, scores, scale=(0, 10)):
    return parsed_scores([row(s, judge=f"j{i}", scale=scale) for i, s in enumerate(scores)])


def test_agreement_describes_the_scores_of_one_essay_by_one_rubric(row):
    table = evaluator_agreement(judged(row, [8, 6, 7, None]))
    assert len(table) == 1
    only = table.iloc[0]
    assert only[["planned", "count", "judges", "mean", "sd", "min", "max", "median", "range"]].tolist() == [
        4, 3, 3, 7, 1, 6, 8, 7, 2,
    ]  # fmt: skip
    assert only["coefficient_of_variation"] == pytest.approx(1 / 7)
    assert only[["scale", "agreement"]].tolist() == ["0-10", "moderate"]


@pytest.mark.parametrize(
    ("scores", "scale", "agreement"),
    [
        ([7, 7], (0, 10), "high"),
        ([7.3, 8.3], (0, 10), "high"),
        ([7, 8.5], (0, 10), "moderate"),
        ([7, 9], (0, 10), "moderate"),
        ([6, 9], (0, 10), "low"),
        ([5, 9], (0, 10), "poor"),
        ([3, 4], (1, 5), "low"),
        ([5], (0, 10), ""),
        ([5, None], (0, 10), ""),
        ([None, None], (0, 10), ""),
    ],
)
def test_agreement_is_classed_by_the_range_on_zero_to_ten(row, scores, scale, agreement):
    assert evaluator_agreement(judged(row, scores, scale))["agreement"].tolist() == [agreement]


def test_one_score_has_no_spread(row):
    only = evaluator_agreement(judged(row, [5, None])).iloc[0]
    assert only[["mean", "median", "count"]].tolist() == [5, 5, 1]
    assert only[["sd", "range", "range_0_10", "coefficient_of_variation"]].isna().all()


def test_a_mean_of_zero_has_no_coefficient_of_variation(row):
    assert evaluator_agreement(judged(row, [0, 0]))["coefficient_of_variation"].isna().all()


def test_replicates_of_one_judge_are_scores_of_one_judge(row):
    rows = [row(5), row(6, evaluation_replicate=2)]
    assert evaluator_agreement(parsed_scores(rows))[["count", "judges"]].iloc[0].tolist() == [2, 1]


def test_rubrics_of_one_essay_stand_in_rows_of_their_own(row):
    rows = [row(5), row(6, judge="j2"), row(9, rubric="r2", scale=(0, 9)), row(1, template="g0")]
    table = evaluator_agreement(parsed_scores(rows))
    assert table["generation_template"].tolist() == ["g0", "g1", "g1"]
    assert table["evaluation_template"].tolist() == ["r1", "r1", "r2"]
    assert table["scale"].tolist() == ["0-10", "0-10", "0-9"]


def test_variance_is_split_by_rubric_and_by_judge(row):
    cells = {("r1", "j1"): 8, ("r1", "j2"): 6, ("r2", "j1"): 4, ("r2", "j2"): 2, ("r3", "j1"): None}
    table = comprehensive_variance(parsed_scores([row(s, rubric=r, judge=j) for (r, j), s in cells.items()]))
    assert len(table) == 1
    only = table.iloc[0]
    assert only[["planned", "count", "mean", "min", "max", "range"]].tolist() == [5, 4, 5, 2, 8, 6]
    assert only["variance"] == pytest.approx(20 / 3)
    assert only["sd"] == pytest.approx(math.sqrt(20 / 3))
    assert only[["evaluation_templates", "evaluation_template_variance"]].tolist() == [2, 8]
    assert only[["evaluation_models", "evaluation_model_variance"]].tolist() == [2, 2]
    assert only[["scale", "stability"]].tolist() == ["0-10", "unstable"]


@pytest.mark.parametrize(
    ("scores", "scale", "stability"),
    [
        ([7, 7, 8], (0, 10), "stable"),
        ([6, 7, 8], (0, 10), "stable"),
        ([5, 7, 8], (0, 10), "moderate"),
        ([5, 7, 9], (0, 10), "moderate"),
        ([2, 7, 9], (0, 10), "unstable"),
        ([3, 4, 5], (1, 5), "unstable"),
        ([7], (0, 10), ""),
        ([None], (0, 10), ""),
    ],
)
def test_stability_is_classed_by_the_standard_deviation_on_zero_to_ten(row, scores, scale, stability):
    assert comprehensive_variance(judged(row, scores, scale))["stability"].tolist() == [stability]


def test_a_generation_with_one_score_has_a_mean_and_no_spread(row):
    only = comprehensive_variance(judged(row, [5])).iloc[0]
    assert only[["mean", "evaluation_templates", "evaluation_models"]].tolist() == [5, 1, 1]
    spread = [
        "variance",
        "sd",
        "range",
        "evaluation_template_variance",
        "evaluation_model_variance",
        "sd_0_10",
    ]
    assert only[spread].isna().all()


def test_variance_over_rubrics_on_several_scales_is_put_on_one(row):
    table = comprehensive_variance(
        parsed_scores([row(10), row(9, rubric="r2", scale=(0, 9)), row(5, template="g2")])
    )
    assert table[["mean", "variance"]].iloc[0].tolist() == [10, 0]
    assert table["scale"].tolist() == ["0-10 (rescaled)"] * 2


@pytest.mark.parametrize("table", [evaluator_agreement, comprehensive_variance])
def test_spread_does_not_depend_on_the_order_of_rows(row, table):
    scores = parsed_scores(
        [row(s / 7, judge=f"j{s % 3}", rubric=f"r{s % 2}", template=f"g{s // 6}") for s in range(12)]
    )
    pd.testing.assert_frame_equal(table(scores), table(scores.sample(frac=1, random_state=4)))
