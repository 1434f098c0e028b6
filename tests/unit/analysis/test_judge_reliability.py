"""Krippendorff's alpha and intraclass correlations against published examples.

Neither paper was at hand. Krippendorff's ratings are those that issue 4 of fast-krippendorff quotes from
the paper; Shrout and Fleiss's ratings and their six coefficients (0.17, 0.29, 0.71, 0.44, 0.62, 0.91) are
those of the tests of the R package psych. All figures are also worked out here from the ratings, by the
formulas and without a line of the package.
"""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

from daydreaming.analysis.reliability import KINDS, icc, judge_reliability, krippendorff_alpha
from daydreaming.analysis.scores import parsed_scores

N = np.nan
#: K. Krippendorff (2011), Computing Krippendorff's Alpha-Reliability: four observers, twelve units.
KRIPPENDORFF_2011 = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, N, N, N],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, N, 3],
        [N, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, N],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, N],
    ]
).T
#: P. E. Shrout, J. L. Fleiss (1979), Intraclass correlations, Psychological Bulletin 86(2), 420–428: six
#: targets, four judges.
SHROUT_FLEISS_1979 = np.array(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], dtype=float
)


@pytest.fixture(autouse=True)
def _no_warning_is_left_to_the_reader():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def alpha_by_coincidences(ratings, level):
    """The formula as it is printed: a matrix of coincidences and a metric."""
    units = [[v for v in unit if not np.isnan(v)] for unit in ratings]
    units = [unit for unit in units if len(unit) >= 2]
    values = sorted({v for unit in units for v in unit})
    o = np.zeros((len(values), len(values)))
    for unit in units:
        for i, a in enumerate(unit):
            for j, b in enumerate(unit):
                if i != j:
                    o[values.index(a), values.index(b)] += 1 / (len(unit) - 1)
    n_c, n = o.sum(axis=1), o.sum()
    observed = expected = 0.0
    for c in range(len(values)):
        for k in range(c + 1, len(values)):
            apart = (
                n_c[c : k + 1].sum() - (n_c[c] + n_c[k]) / 2 if level == "ordinal" else values[c] - values[k]
            )
            observed += o[c, k] * apart**2
            expected += n_c[c] * n_c[k] * apart**2
    return 1 - (n - 1) * observed / expected


@pytest.mark.parametrize(("level", "alpha"), [("ordinal", 0.815), ("interval", 0.849)])
def test_alpha_of_the_published_example(level, alpha):
    assert alpha_by_coincidences(KRIPPENDORFF_2011, level) == pytest.approx(alpha, abs=0.0005)
    assert krippendorff_alpha(KRIPPENDORFF_2011, level) == pytest.approx(alpha, abs=0.0005)


@pytest.mark.parametrize("level", ["ordinal", "interval"])
@pytest.mark.parametrize("seed", range(5))
def test_alpha_is_that_of_the_coincidence_matrix(level, seed):
    generator = np.random.default_rng(seed)
    ratings = generator.integers(-3, 8, size=(30, 4)) / 2 + 1000
    ratings[generator.random(ratings.shape) < 0.4] = N
    expected = alpha_by_coincidences(ratings, level)
    assert krippendorff_alpha(ratings, level) == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("level", ["ordinal", "interval"])
@pytest.mark.parametrize("seed", range(5))
def test_alpha_is_that_of_the_krippendorff_library(level, seed):
    import krippendorff

    generator = np.random.default_rng(seed)
    ratings = (
        generator.integers(0, 11, size=(40, 5)).astype(float) + generator.normal(0, 2, size=(40, 1)).round()
    )
    ratings[generator.random(ratings.shape) < 0.3] = N
    expected = krippendorff.alpha(reliability_data=ratings.T, level_of_measurement=level)
    assert krippendorff_alpha(ratings, level) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_icc_is_that_of_pingouin(seed):
    import pingouin

    generator = np.random.default_rng(seed)
    rows, raters = generator.integers(2, 20), generator.integers(2, 6)
    ratings = (
        generator.normal(size=(rows, raters))
        + generator.normal(size=(rows, 1))
        + generator.normal(size=raters)
    )
    long = pd.DataFrame(
        {
            "score": ratings.ravel(),
            "essay": np.repeat(np.arange(rows), raters),
            "judge": np.tile(np.arange(raters), rows),
        }
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it uses what pandas will drop
        table = pingouin.intraclass_corr(long, targets="essay", raters="judge", ratings="score")
    expected = dict(zip(table["Type"], table["ICC"], strict=True))
    assert icc(ratings).by_name() == pytest.approx(
        {name: expected[name] for name in ("ICC(A,1)", "ICC(C,1)", "ICC(A,k)", "ICC(C,k)")}, rel=1e-9
    )


def test_ordinal_alpha_takes_ranks_alone():
    curved = krippendorff_alpha(np.exp(KRIPPENDORFF_2011), "ordinal")
    assert curved == pytest.approx(krippendorff_alpha(KRIPPENDORFF_2011, "ordinal"))


@pytest.mark.parametrize("level", ["ordinal", "interval"])
@pytest.mark.parametrize(
    ("ratings", "alpha"),
    [
        ([[1, 1], [4, 4], [9, 9]], 1.0),
        ([[0.1, 0.1, 0.1], [0.7, 0.7, 0.7]], 1.0),
        ([[0, 1], [1, 0]], -0.5),
        ([[5, 5], [5, 5]], None),
        ([[0.1, 0.1, 0.1]], None),
        ([[1, N], [N, 2]], None),
        ([[1], [2]], None),
        ([[N, N]], None),
        (np.empty((0, 3)), None),
        (np.empty((3, 0)), None),
    ],
)
def test_alpha_at_the_edges(ratings, alpha, level):
    assert krippendorff_alpha(ratings, level) == (None if alpha is None else pytest.approx(alpha))


@pytest.mark.parametrize("function", [icc, lambda r: krippendorff_alpha(r, "ordinal")])
@pytest.mark.parametrize(("ratings", "text"), [([1, 2], "units × raters"), ([[1, np.inf]], "finite")])
def test_what_is_no_table_of_ratings_is_refused(function, ratings, text):
    with pytest.raises(ValueError, match=text):
        function(ratings)


def shrout_fleiss_by_hand(ratings):
    """The six coefficients from mean squares, by their names in Shrout & Fleiss (1979)."""
    n, k = ratings.shape
    rows, columns = ratings.mean(axis=1), ratings.mean(axis=0)
    between = k * ((rows - ratings.mean()) ** 2).sum() / (n - 1)
    within = ((ratings - rows[:, None]) ** 2).sum() / (n * (k - 1))
    judges = n * ((columns - ratings.mean()) ** 2).sum() / (k - 1)
    error = (within * n * (k - 1) - judges * (k - 1)) / ((n - 1) * (k - 1))
    return {
        "ICC(1,1)": (between - within) / (between + (k - 1) * within),
        "ICC(2,1)": (between - error) / (between + (k - 1) * error + k * (judges - error) / n),
        "ICC(3,1)": (between - error) / (between + (k - 1) * error),
        "ICC(1,k)": (between - within) / between,
        "ICC(2,k)": (between - error) / (between + (judges - error) / n),
        "ICC(3,k)": (between - error) / between,
    }


def test_the_quoted_coefficients_follow_from_the_ratings():
    found = list(shrout_fleiss_by_hand(SHROUT_FLEISS_1979).values())
    assert [round(value, 2) for value in found] == [0.17, 0.29, 0.71, 0.44, 0.62, 0.91]


def test_icc_of_the_published_example():
    found = icc(SHROUT_FLEISS_1979)
    by_hand = shrout_fleiss_by_hand(SHROUT_FLEISS_1979)
    names = ("ICC(2,1)", "ICC(3,1)", "ICC(2,k)", "ICC(3,k)")
    assert [*found.by_name().values()] == pytest.approx([by_hand[name] for name in names])
    values = {name: round(value, 2) for name, value in found.by_name().items()}
    assert values == {"ICC(A,1)": 0.29, "ICC(C,1)": 0.71, "ICC(A,k)": 0.62, "ICC(C,k)": 0.91}
    assert (found.rows, found.raters, found.left_out, found.why) == (6, 4, 0, "")


def test_icc_leaves_incomplete_rows_out_and_counts_them():
    found = icc(np.vstack([SHROUT_FLEISS_1979, [1, N, 3, 4], [N, N, N, N]]))
    assert found.by_name() == icc(SHROUT_FLEISS_1979).by_name()
    assert (found.rows, found.left_out) == (6, 2)


@pytest.mark.parametrize(
    ("ratings", "why"),
    [
        ([[1], [2]], "only one judge"),
        (np.empty((2, 0)), "no scores"),
        ([[1, 2], [3, N]], "1 essay scored by all 2 judges: at least 2 needed"),
        ([[1, N], [N, 3]], "no essays scored by all 2 judges: at least 2 needed"),
        ([[0.1, 0.1], [0.1, 0.1]], "no variation: all scores are equal"),
    ],
)
def test_no_icc_says_why(ratings, why):
    found = icc(ratings)
    assert set(found.by_name().values()) == {None}
    assert found.why == why


@pytest.mark.parametrize(
    ("ratings", "expected"),
    [
        ([[0.1, 0.4], [0.1, 0.4], [0.1, 0.4]], [0.0, None, 0.0, None]),  # the judges differ, no essay does
        ([[1, 2], [2, 1]], [None, -1.0, None, None]),  # the judges contradict each other
        ([[1, 3], [2, 4]], [0.2, 1.0, 1 / 3, 1.0]),  # one judge is lenient
    ],
)
def test_icc_at_the_edges(ratings, expected):
    values = list(icc(ratings).by_name().values())
    assert values == [None if value is None else pytest.approx(value) for value in expected]


def essays(row, table, rubric="r1", **other):
    return [
        row(None if np.isnan(score) else score, combo=f"c{i:04}", judge=f"j{j}", rubric=rubric, **other)
        for i, scores in enumerate(table)
        for j, score in enumerate(scores)
    ]


def test_each_rubric_has_one_row_per_statistic(row):
    rows = [*essays(row, KRIPPENDORFF_2011), *essays(row, SHROUT_FLEISS_1979, rubric="r0")]
    table = judge_reliability(parsed_scores(rows), resamples=200)
    assert list(table.columns) == list(KINDS)
    assert table["evaluation_template"].tolist() == ["r0"] * 6 + ["r1"] * 6
    assert table["statistic"].tolist()[6:] == [
        "krippendorff_alpha", "krippendorff_alpha", "ICC(A,1)", "ICC(C,1)", "ICC(A,k)", "ICC(C,k)",
    ]  # fmt: skip
    assert table["value"].round(2).tolist()[2:6] == [0.29, 0.71, 0.62, 0.91]
    assert table["value"].round(3).tolist()[6:8] == [0.815, 0.849]
    alphas = table.iloc[6:8]
    # One unit has a single rating; no ICC may use the five units that miss one.
    assert alphas[["essays", "judges", "left_out"]].to_numpy().tolist() == [[11, 4, 1]] * 2
    assert table.iloc[8][["essays", "judges", "left_out"]].tolist() == [8, 4, 4]
    assert (alphas["ci_low"] < alphas["value"]).all()
    assert (alphas["ci_high"] > alphas["value"]).all()
    assert alphas["why"].tolist() == ["", ""]
    assert table.iloc[8:][["ci_low", "ci_high"]].isna().all(axis=None)


def test_the_interval_depends_on_the_seed_alone(row):
    rows = essays(row, KRIPPENDORFF_2011)
    first = judge_reliability(parsed_scores(rows), resamples=50)
    other = [*essays(row, SHROUT_FLEISS_1979, rubric="r0"), *reversed(rows)]
    again = judge_reliability(parsed_scores(other), resamples=50).iloc[6:].reset_index(drop=True)
    pd.testing.assert_frame_equal(first, again)
    reseeded = judge_reliability(parsed_scores(rows), resamples=50, seed=1)
    assert not first["ci_low"].equals(reseeded["ci_low"])
    assert first["value"].equals(reseeded["value"])


def test_replicates_of_a_judge_are_averaged_first(row):
    whole = essays(row, SHROUT_FLEISS_1979)
    halves = [
        *essays(row, SHROUT_FLEISS_1979 - 1, evaluation_replicate=1),
        *essays(row, SHROUT_FLEISS_1979 + 1, evaluation_replicate=2, scale=(0, 11)),
    ]
    halves = [{**r, "score_max": 11} for r in halves]
    averaged = judge_reliability(parsed_scores(halves), resamples=0)
    assert (
        averaged["value"].tolist() == judge_reliability(parsed_scores(whole), resamples=0)["value"].tolist()
    )


@pytest.mark.parametrize(
    ("table", "judges", "alpha_why", "icc_why"),
    [
        ([[7], [8]], 1, "only one judge", "only one judge"),
        ([[7, N], [8, N]], 1, "only one judge", "only one judge"),
        ([[N, N]], 0, "no scores", "no scores"),
        ([[7, N], [N, 8]], 2, "no essay is scored by 2 judges", "no essays scored by all 2 judges"),
        ([[7, 7], [7, 7]], 2, "no variation: all scores are equal", "no variation"),
        ([[7, 8]], 2, "no interval: only one essay has 2 judges", "1 essay scored by all 2 judges"),
        ([[7, 7], [8, 8]], 2, "no interval: ", "intervals are made for alpha only"),
    ],
)
def test_what_is_missing_has_its_reason(row, table, judges, alpha_why, icc_why):
    found = judge_reliability(parsed_scores(essays(row, table)), resamples=100)
    assert found["judges"].unique().tolist() == [judges]
    assert found[["ci_low", "ci_high"]].isna().all(axis=None)
    assert found["why"].str.startswith(alpha_why).tolist()[:2] == [True, True]
    assert found["why"].str.startswith(icc_why).tolist()[2:] == [True] * 4


def test_no_scores_make_an_empty_table_with_its_columns():
    table = judge_reliability(parsed_scores([]))
    assert table.empty
    assert list(table.columns) == list(KINDS)
