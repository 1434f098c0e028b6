from __future__ import annotations

import math
import random

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daydreaming.analysis.final_results import ANALYSES, COLUMNS, final_results
from daydreaming.analysis.scores import parsed_scores


def only(table: pd.DataFrame, analysis: str, **factors: str) -> pd.Series:
    rows = table.loc[table["analysis"] == analysis]
    for factor, level in factors.items():
        rows = rows.loc[rows[factor] == level]
    assert len(rows) == 1
    return rows.iloc[0]


def test_columns_are_in_their_order_and_no_scores_give_no_rows(row):
    assert " ".join(COLUMNS) == (
        "analysis combo_id generation_template generation_model evaluation_template evaluation_model "
        "planned count unscored mean sd min max perfect_scores perfect_percentage scores_ge_8 scores_le_3 "
        "scale mean_0_10"
    )
    empty, one = final_results(parsed_scores([])), final_results(parsed_scores([row(7)]))
    assert list(empty.columns) == list(one.columns) == list(COLUMNS)
    assert empty.empty
    assert empty.dtypes.to_dict() == one.dtypes.to_dict()


def test_each_analysis_names_its_factors_and_leaves_the_others_empty(row):
    table = final_results(parsed_scores([row(7)]))
    assert table["analysis"].tolist() == list(ANALYSES)
    filled = {a: tuple(f for f in COLUMNS[1:6] if only(table, a)[f] != "") for a in ANALYSES}
    assert filled == dict(ANALYSES)


def test_the_statistics_of_scored_rows(row):
    scores = parsed_scores([row(s, judge=f"j{i}") for i, s in enumerate([10, 8, 3, 7, None])])
    overall = only(final_results(scores), "overall")
    assert overall[["planned", "count", "unscored"]].tolist() == [5, 4, 1]
    assert overall[["mean", "min", "max"]].tolist() == [7, 3, 10]
    assert overall["sd"] == pytest.approx(math.sqrt(26 / 3))
    assert overall[["perfect_scores", "perfect_percentage", "scores_ge_8", "scores_le_3"]].tolist() == [
        1,
        25,
        2,
        1,
    ]
    assert overall["scale"] == "0-10"


def test_a_group_with_nothing_scored_is_counted_and_has_no_statistic(row):
    overall = only(final_results(parsed_scores([row(None)])), "overall")
    assert overall[["planned", "count", "unscored", "perfect_scores"]].tolist() == [1, 0, 1, 0]
    assert overall[["mean", "sd", "min", "max", "perfect_percentage", "mean_0_10"]].isna().all()


def test_one_score_has_no_standard_deviation(row):
    overall = only(final_results(parsed_scores([row(7)])), "overall")
    assert math.isnan(overall["sd"])


def test_equal_scores_have_a_standard_deviation_of_exactly_zero(row):
    scores = parsed_scores([row(7.1, judge=f"j{i}") for i in range(3)])
    assert only(final_results(scores), "overall")["sd"] == 0


def test_a_group_on_one_scale_keeps_it_and_counts_on_zero_to_ten(row):
    scores = parsed_scores([row(s, judge=f"j{s}", scale=(0, 9)) for s in (9, 7, 2)])
    overall = only(final_results(scores), "overall")
    assert overall["scale"] == "0-9"
    assert overall[["mean", "max"]].tolist() == [6, 9]
    # 7 of 9 is 7.78 of 10, 2 of 9 is 2.22 of 10.
    assert overall[["perfect_scores", "scores_ge_8", "scores_le_3"]].tolist() == [1, 1, 1]
    assert overall["mean_0_10"] == pytest.approx(60 / 9)


def test_groups_over_several_scales_are_rescaled_and_say_so(row):
    scores = parsed_scores(
        [row(6, rubric="r1"), row(9, rubric="r2", scale=(0, 9)), row(3, rubric="r3", scale=(1, 5))]
    )
    table = final_results(scores)
    overall = only(table, "overall")
    assert overall["scale"] == "0-10 (rescaled)"
    assert overall[["mean", "min", "max"]].tolist() == [7, 5, 10]
    assert overall["perfect_scores"] == 1
    by_rubric = {t: only(table, "by_evaluation_template", evaluation_template=t) for t in ("r1", "r2", "r3")}
    assert {t: (r["mean"], r["scale"]) for t, r in by_rubric.items()} == {
        "r1": (6, "0-10"),
        "r2": (9, "0-9"),
        "r3": (3, "1-5"),
    }


def test_an_unscored_row_on_another_scale_still_decides_the_scale_of_its_group(row):
    scores = parsed_scores([row(6, rubric="r1"), row(None, rubric="r2", scale=(0, 9))])
    assert only(final_results(scores), "overall")["scale"] == "0-10 (rescaled)"


def test_a_rescaled_eight_counts_as_eight(row):
    scores = parsed_scores(
        [row(7.2, scale=(0, 9)), row(0.8, judge="j2", scale=(0, 1)), row(2.7, judge="j3", scale=(0, 9))]
    )
    assert only(final_results(scores), "overall")[["scores_ge_8", "scores_le_3"]].tolist() == [2, 1]


def test_groups_are_the_pairs_that_occur_in_sorted_order(row):
    scores = parsed_scores(
        [row(1, template="b", model="x"), row(2, template="a", model="y"), row(3, template="a", model="x")]
    )
    pairs = final_results(scores).query("analysis == 'by_template_and_model'")
    assert pairs[["generation_template", "generation_model"]].to_numpy().tolist() == [
        ["a", "x"],
        ["a", "y"],
        ["b", "x"],
    ]
    assert pairs["mean"].tolist() == [3, 2, 1]


PROPERTY = settings(max_examples=12, deadline=None, derandomize=True)
LEVELS = st.sampled_from("abc")
CELLS = st.dictionaries(
    st.tuples(LEVELS, LEVELS, LEVELS, LEVELS, LEVELS),
    st.one_of(st.none(), st.integers(0, 90)),
    max_size=25,
)


def rows_of(row, cells):
    scales = {"a": (0, 9), "b": (0, 10), "c": (0, 10)}
    return [
        row(
            None if tenths is None else tenths / 10,
            combo=f"combo_v1_{c}", template=t, model=m, rubric=r, judge=j, scale=scales[r],
        )
        for (c, t, m, r, j), tenths in cells.items()
    ]  # fmt: skip


@PROPERTY
@given(cells=CELLS, seed=st.integers(0, 99))
def test_results_do_not_depend_on_the_order_of_rows(row, cells, seed):
    rows = rows_of(row, cells)
    shuffled = random.Random(seed).sample(rows, len(rows))
    scores = parsed_scores(rows)
    pd.testing.assert_frame_equal(scores, parsed_scores(shuffled))
    mixed = scores.sample(frac=1, random_state=seed)
    pd.testing.assert_frame_equal(final_results(scores), final_results(mixed))


@PROPERTY
@given(cells=CELLS)
def test_counts_of_every_analysis_add_up_and_unscored_rows_change_no_statistic(row, cells):
    rows = rows_of(row, cells)
    table = final_results(parsed_scores(rows))
    scored = [r["score"] for r in rows if r["score"] is not None]
    for _, part in table.groupby("analysis"):
        assert part["planned"].sum() == len(rows)
        assert part["count"].sum() == len(scored)
        assert part["unscored"].sum() == len(rows) - len(scored)
    without = final_results(parsed_scores([r for r in rows if r["score"] is not None]))
    keys = list(COLUMNS[:6])
    both = table.merge(without, on=keys, suffixes=("", "_without")).query("scale == scale_without")
    for statistic in (
        "count",
        "mean",
        "sd",
        "min",
        "max",
        "perfect_scores",
        "perfect_percentage",
        "mean_0_10",
    ):
        pd.testing.assert_series_equal(both[statistic], both[f"{statistic}_without"], check_names=False)
    known = table.query("count > 0")
    assert ((known["min"] <= known["mean"] + 1e-9) & (known["mean"] <= known["max"] + 1e-9)).all()
    assert (known["perfect_scores"] <= known["count"]).all()
    assert known["mean_0_10"].between(0, 10).all()
