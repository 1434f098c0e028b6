"""Levels with cluster-bootstrap intervals, paired comparisons, Friedman's test."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from daydreaming.analysis.comparisons import (
    FRIEDMAN_KINDS,
    LEVEL_KINDS,
    PAIR_KINDS,
    _adjusted,
    factor_levels,
    friedman,
    paired_comparisons,
)
from daydreaming.analysis.scores import parsed_scores
from daydreaming.errors import InputError

pytestmark = pytest.mark.filterwarnings("error")

# Darwin's maize as Fisher (1935) gives it: crossed minus self-fertilised, in eighths of an inch.
MAIZE = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]

# Hollander and Wolfe (1973), rounding first base: 22 players, 3 methods.
BASEBALL = [
    (5.40, 5.50, 5.55), (5.85, 5.70, 5.75), (5.20, 5.60, 5.50), (5.55, 5.50, 5.40), (5.90, 5.85, 5.70),
    (5.45, 5.55, 5.60), (5.40, 5.40, 5.35), (5.45, 5.50, 5.35), (5.25, 5.15, 5.00), (5.85, 5.80, 5.70),
    (5.25, 5.20, 5.10), (5.65, 5.55, 5.45), (5.60, 5.35, 5.45), (5.05, 5.00, 4.95), (5.50, 5.50, 5.40),
    (5.45, 5.55, 5.50), (5.55, 5.55, 5.35), (5.45, 5.50, 5.55), (5.50, 5.45, 5.25), (5.65, 5.60, 5.40),
    (5.70, 5.65, 5.55), (6.30, 6.30, 6.25),
]  # fmt: skip


def by_model(row, values, scale=(0, 10)):
    """One combination per item, one generator per value of an item."""
    return parsed_scores(
        row(value, combo=f"c{c:03}", model=f"m{m}", scale=scale)
        for c, item in enumerate(values)
        for m, value in enumerate(item)
    )


def simulated(row, seed, combos=30, effect=1.0, judges=3):
    rng = np.random.default_rng(seed)
    rows = []
    for combo in range(combos):
        base = rng.normal(5, 0.8)
        for model in range(2):
            essay = base + effect * model + rng.normal(0, 0.3)
            rows += [
                row(round(score, 2), combo=f"c{combo:03}", model=f"m{model}", judge=f"j{judge}")
                for judge, score in enumerate(np.clip(essay + rng.normal(0, 0.3, judges), 0, 10))
            ]
    return parsed_scores(rows)


def level(table, factor, name):
    return table[(table["factor"] == factor) & (table["level"] == name)].iloc[0]


def pair(table, factor):
    return table[table["factor"] == factor].iloc[0]


@pytest.mark.parametrize(
    ("table", "kinds"),
    [(factor_levels, LEVEL_KINDS), (paired_comparisons, PAIR_KINDS), (friedman, FRIEDMAN_KINDS)],
)
def test_tables_keep_their_columns_and_types_without_rows(row, table, kinds):
    empty, full = table(parsed_scores([])), table(by_model(row, [(1, 2, 3), (2, 3, 5)]))
    assert list(empty.columns) == list(full.columns) == list(kinds)
    assert empty.empty
    assert not full.empty
    assert empty.dtypes.equals(full.dtypes)


@pytest.mark.parametrize("table", [factor_levels, paired_comparisons, friedman])
def test_rows_without_a_score_give_reasons_and_no_numbers(row, table):
    result = table(by_model(row, [(None, None, None)] * 2))
    assert (result["why"] != "").all()
    assert (result["left_out"] > 0).all()
    assert result.select_dtypes("float64").isna().all(axis=None)


# --- levels ---


def test_each_level_of_each_factor_has_a_row(row):
    table = factor_levels(simulated(row, 1, combos=2))
    assert table.groupby("factor").size().to_dict() == {
        "combo_id": 2, "evaluation_model": 3, "evaluation_template": 1, "generation_model": 2,
        "generation_template": 1,
    }  # fmt: skip
    assert level(table, "combo_id", "c000")["n_clusters"] == 2  # essays
    assert level(table, "generation_model", "m0")["n_clusters"] == 2  # combinations


def test_level_counts_its_unscored_rows_and_leaves_them_out_of_the_mean(row):
    only = level(factor_levels(by_model(row, [(2,), (4,), (None,)])), "generation_model", "m0")
    assert only[["mean", "n_scores", "n_clusters", "left_out"]].tolist() == [3, 2, 2, 1]
    assert (
        only["why"]
        == "only 2 combinations: the interval is rough, likely too narrow; 1 row unscored, left out"
    )
    assert (only["ci_low"], only["ci_high"]) == (2, 4)


def test_level_with_one_cluster_has_no_interval_and_says_why(row):
    table = factor_levels(parsed_scores([row(3, judge="j1"), row(5, judge="j2")]))
    model, combo = level(table, "generation_model", "m1"), level(table, "combo_id", "combo_v1_aaaaaaaaaaaa")
    assert table[["ci_low", "ci_high"]].isna().all(axis=None)
    assert (model["mean"], model["why"]) == (4, "1 combination: an interval needs 2")
    assert combo["why"] == "1 essay: an interval needs 2"


def test_more_rows_within_clusters_do_not_narrow_the_interval(row):
    rng = np.random.default_rng(3)
    base = rng.uniform(3, 7, 20)

    def width(copies):
        rows = [row(v, combo=f"c{c:02}", judge=f"j{j}") for c, v in enumerate(base) for j in range(copies)]
        one = level(factor_levels(parsed_scores(rows)), "generation_model", "m1")
        assert one["n_scores"] == 20 * copies
        return one["ci_high"] - one["ci_low"]

    assert width(10) == pytest.approx(width(1), rel=1e-6)
    assert width(1) == pytest.approx(2 * 1.96 * base.std() / np.sqrt(20), rel=0.15)


def test_interval_covers_the_true_mean_about_as_often_as_it_says(row):
    covered = 0
    for seed in range(40):
        only = level(factor_levels(simulated(row, seed, judges=2), resamples=300), "generation_model", "m0")
        covered += only["ci_low"] <= 5 <= only["ci_high"]
    assert covered >= 34


def test_rubrics_with_different_ranges_are_put_on_0_to_10(row):
    rows = [
        row(value * top / 10, combo=f"c{c}", rubric=f"r{top}", scale=(0, top))
        for c, value in enumerate([2, 4, 8])
        for top in (10, 100, 1)
    ]
    table = factor_levels(parsed_scores(rows))
    means = table[table["factor"].isin(["evaluation_template", "generation_model"])]["mean"]
    assert means.tolist() == pytest.approx([14 / 3] * 4)
    rubrics = paired_comparisons(parsed_scores(rows))
    assert rubrics["difference"].tolist() == [0, 0, 0]


def test_table_without_generation_task_ids_names_essays_by_their_factors(row):
    scores = simulated(row, 2, combos=4)
    pd.testing.assert_frame_equal(
        factor_levels(scores.drop(columns="generation_task_id")), factor_levels(scores)
    )


# --- pairs ---


def test_sign_flips_of_fishers_maize_are_exact(row):
    scores = by_model(row, [(100 + d, 100) for d in MAIZE], scale=(0, 1000))
    only = pair(paired_comparisons(scores, permutations=2**15), "generation_model")
    assert only["p_permutation"] == pytest.approx(1726 / 32768)
    assert only["difference"] == pytest.approx(np.mean(MAIZE) / 100)
    assert only["effect_size"] == pytest.approx(np.mean(MAIZE) / np.std(MAIZE, ddof=1))
    drawn = pair(paired_comparisons(scores, permutations=20_000), "generation_model")
    assert drawn["p_permutation"] == pytest.approx(1726 / 32768, abs=0.006)


@pytest.mark.parametrize(
    ("differences", "p", "effect", "why"),
    [
        ([1, 2, 3], 2 / 8, 2.0, "with 3 combinations p cannot be below 0.25"),
        ([3, -1, 2, 0], 8 / 16, 1 / np.sqrt(10 / 3), "with 4 combinations p cannot be below 0.125"),
        ([1, 2, 3, 1, 2, 3], 2 / 64, 2 / np.sqrt(0.8), ""),
        ([2] * 6, 2 / 64, None, "the differences do not vary: no effect size"),
        ([0] * 6, 1, None, "the differences do not vary: no effect size"),
        ([1], None, None, "1 combination: a test needs 2"),
    ],
)
def test_small_comparisons_as_by_hand(row, differences, p, effect, why):
    table = paired_comparisons(by_model(row, [(5 + d, 5) for d in differences]))
    assert len(table) == 1
    only = table.iloc[0]
    assert only[["factor", "level_a", "level_b", "why"]].tolist() == ["generation_model", "m0", "m1", why]
    assert only["difference"] == pytest.approx(np.mean(differences))
    for column, expected in {"p_permutation": p, "p_holm": p, "p_bh": p, "effect_size": effect}.items():
        assert pd.isna(only[column]) if expected is None else only[column] == pytest.approx(expected)


def test_known_effect_is_found_and_none_is_not(row):
    strong = pair(paired_comparisons(simulated(row, 5, effect=1.0)), "generation_model")
    assert strong["difference"] == pytest.approx(-1, abs=0.25)
    assert strong["p_permutation"] == pytest.approx(1 / 5001, abs=1e-9)  # no draw as extreme, yet never 0
    false = [
        pair(paired_comparisons(simulated(row, seed, 12, effect=0)), "generation_model")["p_permutation"]
        <= 0.05
        for seed in range(40)
    ]
    assert sum(false) <= 6


def test_unit_is_the_combination_whatever_the_number_of_blocks(row):
    rows = [
        row(5 + d if m else 5, combo=f"c{c}", model=f"m{m}", judge=f"j{j}")
        for c, d in enumerate([1, 2, 3])
        for m in (0, 1)
        for j in range(8)
    ]
    only = pair(paired_comparisons(parsed_scores(rows)), "generation_model")
    assert only[["n_blocks", "n_combinations", "left_out"]].tolist() == [24, 3, 0]
    assert (only["difference"], only["p_permutation"]) == (-2, 0.25)


def test_levels_are_compared_only_where_all_else_is_equal(row):
    # m0 was judged by the harsh j1 too, m1 was not: the plain means differ, the blocks do not.
    rows = [
        row(score, combo=f"c{c}", model=model, judge=judge)
        for c in range(3)
        for score, model, judge in [(6, "m0", "j0"), (2, "m0", "j1"), (6, "m1", "j0"), (None, "m1", "j1")]
    ]
    only = pair(paired_comparisons(parsed_scores(rows)), "generation_model")
    assert only[["difference", "n_blocks", "left_out"]].tolist() == [0, 3, 6]
    assert only["why"].endswith("3 rows unscored, 3 scores without a partner, left out")


def test_judges_are_compared_on_the_same_replicate(row):
    rows = [
        row(score, combo=f"c{c}", judge=judge, generation_replicate=replicate)
        for c in range(2)
        for score, judge, replicate in [(8, "j0", 1), (2, "j0", 2), (7, "j1", 1), (None, "j1", 2)]
    ]
    only = pair(paired_comparisons(parsed_scores(rows)), "evaluation_model")
    assert only[["difference", "n_blocks", "left_out"]].tolist() == [1, 2, 4]


def test_level_without_a_partner_is_not_tested_nor_counted_in_the_correction(row):
    scores = pd.concat(
        [
            by_model(row, [(5 + d, 5) for d in [1, 2, 3, 1, 2, 3]]),
            parsed_scores([row(9, combo="elsewhere", model="m9")]),
        ],
        ignore_index=True,
    )
    table = paired_comparisons(scores)
    alone = table[table["level_b"] == "m9"]
    assert len(alone) == 2
    assert alone["why"].str.startswith("no block has scores of both levels: not compared").all()
    assert alone[["difference", "p_permutation", "p_holm", "p_bh"]].isna().all(axis=None)
    assert table.iloc[0][["p_permutation", "p_holm", "p_bh"]].tolist() == [2 / 64] * 3


def test_pairs_are_corrected_within_their_factor(row):
    table = paired_comparisons(by_model(row, [(5 + d, 5, 5 - d / 2) for d in [1, 2, 3, 1, 2, 3]]))
    assert table["p_permutation"].tolist() == [2 / 64] * 3
    assert table["p_holm"].tolist() == pytest.approx([6 / 64] * 3)
    assert table["p_bh"].tolist() == pytest.approx([2 / 64] * 3)


# --- Friedman ---


def test_friedman_of_rounding_first_base_is_as_published(row):
    only = friedman(by_model(row, BASEBALL)).iloc[0]
    assert only[["factor", "levels", "blocks", "left_out", "why"]].tolist() == [
        "generation_model",
        3,
        22,
        0,
        "",
    ]
    assert only["chi_square"] == pytest.approx(11.1429, abs=1e-4)
    assert only["kendalls_w"] == pytest.approx(11.1429 / 44, abs=1e-4)
    assert only["p_permutation"] == pytest.approx(0.0038, abs=0.003)


def test_friedman_of_equal_orders_as_by_hand(row):
    only = friedman(by_model(row, [(1, 2, 3), (4, 6, 9), (2, 5, 6)])).iloc[0]
    assert (only["chi_square"], only["kendalls_w"]) == (6, 1)
    assert only["p_permutation"] == pytest.approx(1 / 36, abs=0.008)


def test_friedman_averages_the_blocks_of_a_combination(row):
    rows = [
        row(m + j, combo=f"c{c}", model=f"m{m}", judge=f"j{j}")
        for c in range(4)
        for m in range(3)
        for j in range(5)
    ]
    table = friedman(parsed_scores(rows))
    assert table["factor"].tolist() == ["generation_model", "evaluation_model"]
    assert table["blocks"].tolist() == [4, 4]
    assert table["kendalls_w"].tolist() == [1, 1]


def test_friedman_names_the_level_that_has_no_complete_block(row):
    scores = by_model(row, [(1, 2, 3, None), (1, 3, 4, None), (None, None, None, 5)])
    only = friedman(scores).iloc[0]
    assert only[["levels", "blocks", "left_out"]].tolist() == [3, 2, 6]
    assert only["why"] == (
        "left out for want of complete blocks: m3; "
        "5 rows unscored, 1 score without a complete block, left out"
    )


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ([(1, 2, 3)], "a test needs 3 levels that 2 combinations have complete: not tested"),
        ([(4, 4, 4), (5, 5, 5)], "every combination ranks all levels equal: not tested"),
    ],
)
def test_friedman_that_cannot_be_tested_says_why(row, values, why):
    only = friedman(by_model(row, values)).iloc[0]
    assert only["why"] == why
    assert pd.isna(only["chi_square"])


# --- all ---


@pytest.mark.parametrize("table", [factor_levels, paired_comparisons, friedman])
def test_same_seed_gives_the_same_table_in_any_row_order(row, table):
    scores = simulated(row, 7)
    shuffled = scores.sample(frac=1, random_state=1)
    pd.testing.assert_frame_equal(table(scores, seed=4), table(shuffled, seed=4))
    assert not table(scores, seed=4).equals(table(scores, seed=5))


@pytest.mark.parametrize(
    ("table", "name"),
    [(factor_levels, "resamples"), (paired_comparisons, "permutations"), (friedman, "permutations")],
)
def test_no_draws_are_refused(table, name):
    with pytest.raises(InputError, match=f"{name} must be at least 1; got 0"):
        table(parsed_scores([]), **{name: 0})


@pytest.mark.parametrize(("method", "theirs"), [("holm", "holm"), ("bh", "fdr_bh")])
@pytest.mark.parametrize(
    "p",
    [
        [0.01, 0.04, 0.03, 0.005],
        [0.5],
        [0.2, 0.2, 0.2],
        [0.9, 0.001, math.nan, 0.6, math.nan],
        [math.nan],
        [],
    ],
)
def test_p_values_are_corrected_as_statsmodels_does(p, method, theirs):
    from statsmodels.stats.multitest import multipletests

    found = _adjusted(p, method)
    tested = [value for value in p if not math.isnan(value)]
    expected = iter(multipletests(tested, method=theirs)[1] if tested else [])
    for before, after in zip(p, found, strict=True):
        assert math.isnan(after) if math.isnan(before) else after == pytest.approx(next(expected), rel=1e-12)
