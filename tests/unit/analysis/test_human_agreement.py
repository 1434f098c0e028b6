"""Judges beside people: Bland and Altman's numbers, and those of simulated raters."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from daydreaming.analysis.frames import typed_frame
from daydreaming.analysis.human_agreement import KINDS, RATING_KINDS, human_agreement
from daydreaming.analysis.reliability import icc, krippendorff_alpha
from daydreaming.analysis.scores import parsed_scores

pytestmark = pytest.mark.filterwarnings("error")

#: Peak expiratory flow of 17 people by two meters (l/min), first ones each: Bland & Altman (1986), table 1.
LARGE = (494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427)
MINI = (512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451)
SCALE = (0, 1000)


def ratings(*rows):
    """Of (essay, score, rater, rubric, scale)."""
    columns = ("generation_task_id", "score", "rater", "evaluation_template", "scale")
    made = [dict(zip(columns, row, strict=True)) for row in rows]
    return typed_frame(
        ({**row, "score_min": row["scale"][0], "score_max": row["scale"][1]} for row in made), RATING_KINDS
    )


def essay(combo):
    return f"{combo}_g1_m1"


def one(table, judge="j1", rubric="r1"):
    [row] = table[(table["evaluation_model"] == judge) & (table["evaluation_template"] == rubric)].to_dict(
        "records"
    )
    return row


def test_the_example_of_bland_and_altman(row):
    scores = parsed_scores([row(value, combo=f"c{i:02}", scale=SCALE) for i, value in enumerate(LARGE)])
    people = ratings(*((essay(f"c{i:02}"), value, "ada", "r1", SCALE) for i, value in enumerate(MINI)))
    found = one(human_agreement(scores, people))
    # They print −2.1, 38.8 and, with 2 in the place of 1.96, limits of −79.7 and 75.5; all in l/min.
    assert found["difference"] * 100 == pytest.approx(-2.1, abs=0.05)
    assert found["sd_difference"] * 100 == pytest.approx(38.8, abs=0.05)
    assert found["limit_low"] * 100 == pytest.approx(-2.118 - 1.96 * 38.765, abs=0.01)
    assert found["limit_high"] * 100 == pytest.approx(-2.118 + 1.96 * 38.765, abs=0.01)
    # And an interval of the mean difference of −22.0 to 17.8, with t = 2.12 for 16 degrees of freedom.
    assert found["ci_low"] * 100 == pytest.approx(-22.0, abs=0.1)
    assert found["ci_high"] * 100 == pytest.approx(17.8, abs=0.1)
    assert (found["essays"], found["left_out"], found["why"]) == (17, 0, "")


def test_coefficients_are_those_of_judge_and_people_as_two_raters(row):
    rng = np.random.default_rng(3)
    truth = rng.normal(5, 2, 30).clip(0, 10)
    judge, human = (truth + 0.5).clip(0, 10), (truth + rng.normal(0, 1, 30)).clip(0, 10)
    scores = parsed_scores([row(float(v), combo=f"c{i:02}") for i, v in enumerate(judge)])
    people = ratings(*((essay(f"c{i:02}"), v, "ada", "r1", (0, 10)) for i, v in enumerate(human)))
    found = one(human_agreement(scores, people))
    pairs = np.column_stack([judge, human])
    assert found["icc_a1"] == pytest.approx(icc(pairs).absolute_1)
    assert found["krippendorff_alpha"] == pytest.approx(krippendorff_alpha(pairs, "interval"))
    assert found["difference"] == pytest.approx(np.mean(judge - human))
    assert (found["judge_mean"], found["human_mean"]) == (
        pytest.approx(judge.mean()),
        pytest.approx(human.mean()),
    )


def test_the_interval_holds_the_true_difference_as_often_as_it_says(row):
    rng = np.random.default_rng(11)
    covered = 0
    for _ in range(200):
        human = rng.uniform(3, 6, 12)
        judge = human + 0.7 + rng.normal(0, 0.6, 12)
        scores = pd.DataFrame([row(float(v), combo=f"c{i:02}") for i, v in enumerate(judge)])
        people = ratings(*((essay(f"c{i:02}"), v, "ada", "r1", (0, 10)) for i, v in enumerate(human)))
        found = one(human_agreement(scores, people))
        covered += found["ci_low"] <= 0.7 <= found["ci_high"]
    # Of 200 intervals 190 are expected; fewer than 180 or more than 199 has a chance below 1 in 200.
    assert 180 <= covered <= 199


def test_each_judge_and_their_mean_stand_beside_people_by_rubric(row):
    rows = [
        row(score, combo=combo, judge=judge, rubric=rubric)
        for rubric in ("r1", "r2", "r3")
        for judge, shift in (("j1", 1.0), ("j2", -2.0))
        for combo, score in (("a", 4 + shift), ("b", 6 + shift), ("c", 8 + shift))
    ]
    people = ratings(
        *((essay(combo), score, "ada", "r1", (0, 10)) for combo, score in (("a", 4), ("b", 6), ("c", 8))),
        (essay("a"), 5, "bob", "r2", (0, 10)),
    )
    table = human_agreement(parsed_scores(rows), people)
    assert list(table.columns) == list(KINDS)
    names = list(zip(table["evaluation_template"], table["evaluation_model"], strict=True))
    assert names == [("r1", ""), ("r1", "j1"), ("r1", "j2"), ("r2", ""), ("r2", "j1"), ("r2", "j2")]
    assert table["difference"].round(6).tolist() == [-0.5, 1.0, -2.0, -1.5, 0.0, -3.0]
    assert one(table)["sd_difference"] == 0
    # Without width, an interval or limits would pass for certainty.
    assert all(math.isnan(one(table)[name]) for name in ("ci_low", "ci_high", "limit_low", "limit_high"))
    assert one(table)["why"].startswith("no interval: the 3 essays are all alike in it")


def test_several_people_and_replicates_make_one_number_each(row):
    rows = [row(v, combo="a", evaluation_replicate=i) for i, v in enumerate((2, 4), 1)] + [row(5, combo="b")]
    people = ratings(
        (essay("a"), 1, "ada", "r1", (0, 10)),
        (essay("a"), 2, "bob", "r1", (0, 10)),
        (essay("b"), 5, "eve", "r1", (0, 10)),
    )
    found = one(human_agreement(parsed_scores(rows), people))
    assert (found["essays"], found["raters"]) == (2, 3)
    assert found["difference"] == pytest.approx((3 - 1.5 + 0) / 2)


def test_scales_may_differ(row):
    rows = [row(9, combo="a", scale=(0, 9)), row(0, combo="b", scale=(0, 9))]
    people = ratings((essay("a"), 100, "ada", "r1", (0, 100)), (essay("b"), 0, "ada", "r1", (0, 100)))
    found = one(human_agreement(parsed_scores(rows), people))
    assert (found["difference"], found["judge_mean"], found["icc_a1"]) == (0, 5, 1)


def test_rated_essays_without_a_score_are_counted(row):
    rows = [
        row(5, combo="a"), row(None, combo="b"), row(6, combo="c"),
        row(5, combo="a", judge="j2"), row(None, combo="a", judge="j3"),
    ]  # fmt: skip
    people = ratings(*((essay(combo), 5, "ada", "r1", (0, 10)) for combo in ("a", "b")))
    table = human_agreement(parsed_scores(rows), people)
    counts = [
        (row["evaluation_model"], row["essays"], row["left_out"], row["raters"])
        for _, row in table.iterrows()
    ]
    assert counts == [("", 1, 1, 1), ("j1", 1, 1, 1), ("j2", 1, 0, 1), ("j3", 0, 1, 0)]
    assert one(table)["why"] == "one essay: no spread, interval or coefficient"
    assert math.isnan(one(table)["sd_difference"])
    assert one(table, "j3")["why"] == "no score of a rated essay"


def test_equal_scores_have_a_difference_and_no_coefficient(row):
    rows = [row(5, combo=combo) for combo in "abc"]
    people = ratings(*((essay(combo), 5, "ada", "r1", (0, 10)) for combo in "abc"))
    found = one(human_agreement(parsed_scores(rows), people))
    assert found["difference"] == found["sd_difference"] == 0
    assert math.isnan(found["icc_a1"])
    assert math.isnan(found["krippendorff_alpha"])
    assert found["why"].endswith("; no variation: all scores are equal")


def test_without_ratings_of_these_essays_there_is_no_row(row):
    scores = parsed_scores([row(5)])
    for people in (
        ratings(),
        ratings(("other", 5, "ada", "r1", (0, 10))),
        ratings((essay("combo_v1_aaaaaaaaaaaa"), 5, "ada", "r9", (0, 10))),
    ):
        table = human_agreement(scores, people)
        assert table.empty
        assert list(table.columns) == list(KINDS)


def test_the_order_of_rows_changes_nothing(row):
    rng = np.random.default_rng(5)
    rows = [row(float(rng.integers(11)), combo=f"c{i}", judge=j) for i in range(9) for j in ("j1", "j2")]
    given = [
        (essay(f"c{i}"), float(rng.integers(11)), rater, "r1", (0, 10))
        for i in range(9)
        for rater in ("ada", "bob")
    ]
    table = human_agreement(parsed_scores(rows), ratings(*given))
    shuffled = human_agreement(pd.DataFrame(rows[::-1]), ratings(*given[::-1]))
    pd.testing.assert_frame_equal(table, shuffled)
