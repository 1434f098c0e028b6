"""Missing cells, bounds of ranks, and the smallest difference that a design finds."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from daydreaming.analysis.missing import KINDS as MISSING_KINDS
from daydreaming.analysis.missing import missing_cells
from daydreaming.analysis.power import KINDS as POWER_KINDS
from daydreaming.analysis.power import detectable_effects
from daydreaming.analysis.scores import parsed_scores

pytestmark = pytest.mark.filterwarnings("error")


def by_model(row, values):
    """One combination per item, one generator per value of an item; a value of '' is not planned."""
    return parsed_scores(
        row(value, combo=f"c{c:03}", model=f"m{m}")
        for c, item in enumerate(values)
        for m, value in enumerate(item)
        if value != ""
    )


def level(table, name, factor="generation_model"):
    return table[(table["factor"] == factor) & (table["level"] == name)].iloc[0]


# --- missing cells ---


def test_each_level_of_each_factor_has_a_row(row):
    table = missing_cells(by_model(row, [(1, 2, 3), (4, 5, 6)]))
    assert list(table.columns) == list(MISSING_KINDS)
    assert table.groupby("factor").size().to_dict() == {
        "generation_template": 1, "generation_model": 3, "evaluation_template": 1, "evaluation_model": 1,
        "combo_id": 2,
    }  # fmt: skip
    assert table["unscored"].sum() == 0
    assert (table["rank_best"] <= table["rank"]).all()
    assert (table["rank"] == table["rank_worst"]).all()


def test_unscored_rows_and_cells_never_planned_are_counted_apart(row):
    table = missing_cells(by_model(row, [(8, 2), (None, ""), (6, 4)]))
    first, second = level(table, "m0"), level(table, "m1")
    assert first[["cells", "not_planned", "planned", "unscored"]].tolist() == [3, 0, 3, 1]
    assert second[["cells", "not_planned", "planned", "unscored"]].tolist() == [3, 1, 2, 0]
    assert first[["mean", "mean_worst", "mean_best"]].tolist() == pytest.approx([7, 14 / 3, 8])
    assert second[["mean", "mean_worst", "mean_best"]].tolist() == pytest.approx([3, 2, 16 / 3])
    assert (first["why"], second["why"]) == ("1 unscored", "1 cell not planned")


def test_ranks_are_bounded_by_the_best_and_the_worst_imputation(row):
    # The first two could change places; the third is last whatever is missing.
    table = missing_cells(by_model(row, [(8, 7, 1), (8, 7, 1), (None, 7, 1), (8, None, 1)]))
    ranks = {
        name: level(table, name)[["rank_best", "rank", "rank_worst"]].tolist() for name in ("m0", "m1", "m2")
    }
    assert ranks == {"m0": [1, 1, 2], "m1": [1, 2, 2], "m2": [3, 3, 3]}


@pytest.mark.parametrize("seed", range(4))
def test_no_imputation_leaves_the_bounds_and_some_reach_them(row, seed):
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 11, size=(5, 3)).astype(float)
    holes = [(int(i), int(j)) for i, j in rng.permutation(list(itertools.product(range(5), range(3))))[:4]]
    table = missing_cells(by_model(row, [
        [None if (i, j) in holes else values[i, j] for j in range(3)] for i in range(5)
    ]))  # fmt: skip
    seen: list[set[int]] = [set(), set(), set()]
    for filled in itertools.product((0.0, 5.0, 10.0), repeat=len(holes)):
        for hole, value in zip(holes, filled, strict=True):
            values[hole] = value
        means = values.mean(axis=0)
        for j in range(3):
            seen[j].add(1 + int((means > means[j] + 1e-12).sum()))
    bounds = [level(table, f"m{j}")[["rank_best", "rank_worst"]].tolist() for j in range(3)]
    assert [[min(ranks), max(ranks)] for ranks in seen] == bounds


def test_replicates_are_planned_rows_of_one_cell(row):
    rows = [row(5, combo=c, evaluation_replicate=r) for c in ("a", "b") for r in (1, 2)]
    only = level(missing_cells(parsed_scores(rows)), "m1")
    assert only[["cells", "not_planned", "planned"]].tolist() == [2, 0, 4]


def test_a_level_without_a_score_has_no_rank_and_all_of_them_possible(row):
    only = level(missing_cells(by_model(row, [(5, None), (6, None)])), "m1")
    assert math.isnan(only["mean"])
    assert only["rank"] is not only["rank_best"]
    assert only[["rank_best", "rank_worst"]].tolist() == [1, 2]
    assert only["why"] == "no score: no mean; 2 unscored"


def test_scores_of_short_scales_are_imputed_on_the_common_one(row):
    rows = [row(4, combo="a", scale=(0, 5)), row(None, combo="b", scale=(0, 5))]
    only = level(missing_cells(parsed_scores(rows)), "m1")
    assert only[["mean", "mean_worst", "mean_best"]].tolist() == [8, 4, 9]


# --- detectable effects ---


def factor(table, name="generation_model"):
    return table[table["factor"] == name].iloc[0]


@pytest.mark.parametrize("power", [0.5, 0.8, 0.95])
@pytest.mark.parametrize("clusters", [3, 8, 30, 1000])
def test_detectable_effects_have_the_power_that_statsmodels_computes(clusters, power):
    from statsmodels.stats.power import TTestPower

    from daydreaming.analysis.power import _detectable

    found = TTestPower().power(_detectable(clusters, power), clusters, 0.05)
    assert found == pytest.approx(power, abs=2e-6)


def test_two_clusters_have_a_detectable_effect_though_the_noncentral_t_has_no_value_there():
    from daydreaming.analysis.power import _detectable

    # By integrating over the half-normal SD of two differences with scipy.integrate.quad.
    assert _detectable(2, 0.9) == pytest.approx(14.824121, abs=1e-6)


def test_detectable_effect_is_that_of_the_paired_t_test(row):
    # Differences between the two generators over ten combinations: SD by hand; d from Cohen's tables.
    differences = [1, 2, 0, 1, 3, -1, 2, 1, 0, 1]
    table = detectable_effects(by_model(row, [(5 + d, 5) for d in differences]))
    found = factor(table)
    assert found[["levels", "cluster", "n_clusters", "why"]].tolist() == [2, "combination", 10, ""]
    assert found["sd_of_differences"] == pytest.approx(np.std(differences, ddof=1))
    assert found["detectable_effect_size"] == pytest.approx(0.996, abs=0.0005)
    assert found["detectable_difference"] == pytest.approx(0.996 * np.std(differences, ddof=1), abs=0.001)


def test_a_difference_of_that_size_is_found_four_times_in_five():
    from scipy.stats import ttest_1samp

    from daydreaming.analysis.power import _detectable

    rng = np.random.default_rng(1)
    samples = rng.normal(_detectable(8, 0.8), 1, size=(4000, 8))
    assert (ttest_1samp(samples, 0, axis=1).pvalue < 0.05).mean() == pytest.approx(0.8, abs=0.02)


def test_the_sd_is_that_of_all_pairs_of_levels(row):
    rng = np.random.default_rng(1)
    values = rng.uniform(0, 10, size=(7, 4))
    found = factor(detectable_effects(by_model(row, values)))
    variances = [np.var(values[:, a] - values[:, b], ddof=1) for a, b in itertools.combinations(range(4), 2)]
    assert found["sd_of_differences"] == pytest.approx(math.sqrt(np.mean(variances)))


def test_combinations_are_compared_over_templates_and_generators(row):
    found = factor(detectable_effects(by_model(row, [(1, 2, 3), (3, 5, 4)])), "combo_id")
    assert found[["levels", "cluster", "n_clusters"]].tolist() == [2, "template x generator", 3]
    assert found["sd_of_differences"] == pytest.approx(np.std([2, 3, 1], ddof=1))


def test_judges_are_compared_on_the_same_essays(row):
    rows = [
        row(score + 2 * (judge == "j2"), combo=f"c{c}", model=model, judge=judge)
        for c, score in enumerate([1, 5, 3])
        for model in ("m1", "m2")
        for judge in ("j1", "j2")
    ]
    found = factor(detectable_effects(parsed_scores(rows)), "evaluation_model")
    assert found[["n_clusters", "sd_of_differences", "why"]].tolist() == [3, 0, "the differences do not vary"]


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ([(1,), (2,)], "1 level: nothing to compare"),
        ([(1, 2)], "no two levels share 2 clusters: nothing to compare"),
        ([(1, None), (None, 2), (3, None)], "no two levels share 2 clusters: nothing to compare"),
        ([(None, None)], "no score: nothing to compare"),
    ],
)
def test_designs_that_compare_nothing_say_why(row, values, why):
    found = factor(detectable_effects(by_model(row, values)))
    assert found["why"] == why
    assert math.isnan(found["detectable_difference"])


def test_a_difference_beyond_the_scale_is_said_to_be_out_of_reach(row):
    rows = [
        row(score, combo=f"c{combo}", judge=judge)
        for combo, pair in enumerate([(0, 9), (9, 0)])
        for judge, score in zip(("j1", "j2"), pair, strict=True)
    ]
    table = detectable_effects(parsed_scores(rows)).set_index("factor")
    found = table.loc["evaluation_model"]
    assert found["detectable_difference"] > 10
    assert found["why"] == "more than the scale has: cannot be found with 2 clusters"


def test_missing_scores_take_their_pair_and_are_counted(row):
    found = factor(detectable_effects(by_model(row, [(1, 2), (3, 5), (None, 9), (4, 4)])))
    assert found[["n_clusters", "left_out"]].tolist() == [3, 1]
    assert found["sd_of_differences"] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("table", "kinds"), [(missing_cells, MISSING_KINDS), (detectable_effects, POWER_KINDS)]
)
def test_no_rows_make_an_empty_table_with_its_columns(table, kinds):
    found = table(parsed_scores([]))
    assert found.empty
    assert list(found.columns) == list(kinds)
