"""Variance components against worked examples, against statsmodels, and against what was simulated.

Where the worked examples come from: R. L. Brennan (2001), Generalizability Theory, synthetic data sets 1 and
3. The book was not at hand. Scores, sums of squares, components and coefficients are quoted from the test
data of the project GeneralizIT (tests/fixtures/design1_fixtures.py and design3_fixtures.py), which names the
book; in which of its tables they stand was not checked. So the figures are also worked out here from the
scores alone, by the textbook analysis of variance, without a line of the package. One figure of that project
is not right: it has the mean square 1.3383 for persons x occasions, where its own sum 12.05 over 9 degrees of
freedom is 1.3389; the component that it quotes follows from the latter.
"""

from __future__ import annotations

import math
import warnings
from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from daydreaming.analysis import reml
from daydreaming.analysis.components import PARTS, RESIDUAL, variance_components
from tests.support.designs import crossed, with_values, without

pytestmark = pytest.mark.filterwarnings("error")

N = math.nan
#: Synthetic data set 1: ten persons, twelve items.
PERSONS_BY_ITEMS = [
    [1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    [1, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0],
    [1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0],
    [1, 1, 0, 1, 1, 0, 0, 1, 0, 0, 0, 0],
    [1, 1, 1, 1, 1, 0, 1, 0, 0, 0, 0, 0],
    [1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 0, 0],
    [1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0],
    [1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 0, 0],
    [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0],
    [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1],
]
#: Synthetic data set 3: ten persons, two occasions of four items each.
PERSONS_BY_ITEMS_BY_OCCASIONS = np.array(
    [
        [2, 4, 5, 5, 4, 4, 2, 3, 0, 6], [6, 5, 5, 9, 3, 4, 6, 4, 5, 8],
        [7, 6, 4, 8, 5, 4, 6, 4, 4, 7], [5, 7, 6, 6, 6, 7, 5, 5, 5, 6],
        [2, 6, 5, 5, 4, 6, 2, 6, 5, 6], [5, 7, 4, 7, 5, 4, 7, 6, 5, 8],
        [5, 5, 5, 7, 6, 7, 7, 6, 5, 8], [5, 7, 5, 6, 4, 8, 5, 4, 3, 6],
    ],
    dtype=float,
).reshape(2, 4, 10)  # fmt: skip
#: Twelve persons, six items, answers missing. Nothing published is claimed for these.
PERSONS_BY_ITEMS_WITH_HOLES = [
    [1, 1, 1, 1, 0, 1], [1, 0, 1, 1, 1, 1], [N, 1, 1, 1, 0, 0], [0, N, N, 1, 0, 1], [1, N, 0, 1, 0, N],
    [1, 1, 1, 1, 0, 1], [0, N, 1, N, 0, 0], [0, N, 1, 1, 1, 1], [1, 1, 0, 1, N, 0], [N, 0, 0, 0, N, 0],
    [1, 1, 1, 1, 1, 1], [N, 0, N, 0, 0, 1],
]  # fmt: skip

#: Variances by part for simulations; those of nothing are left out.
KNOWN = {
    "combination": 0.6, "generation template": 0.3, "generator": 0.3, "essay": 0.8, "judge": 0.4,
    "rubric": 0.2, "judge x rubric": 0.1, "essay x judge": 0.3, "essay x rubric": 0.2, RESIDUAL: 0.5,
}  # fmt: skip


def persons_as_essays(table):
    """One combination per person (rows), judges for items, rubrics for what a third axis holds."""
    table = np.asarray(table, dtype=float)
    table = table[:, :, None] if table.ndim == 2 else table
    frame = crossed(combos=len(table), judges=table.shape[1], rubrics=table.shape[2])
    frame["value"] = table.ravel()
    return frame[frame["value"].notna()].reset_index(drop=True)


def some(components, names):
    return {name: round(components.variance[name], 4) for name in names}


def squares_by_hand(table):
    """Sums of squares of all effects of a complete table by their axes, and their degrees of freedom.

    What an effect adds is the mean over all other axes less what its parts add: inclusion and exclusion.
    """
    table = np.asarray(table, dtype=float)
    axes = range(table.ndim)
    effects = {(): np.full(table.shape, table.mean())}
    found = {}
    for size in range(1, table.ndim + 1):
        for effect in combinations(axes, size):
            others = tuple(a for a in axes if a not in effect)
            mean = np.broadcast_to(table.mean(axis=others, keepdims=True), table.shape)
            effects[effect] = mean - sum(v for parts, v in effects.items() if set(parts) < set(effect))
            found[effect] = (effects[effect] ** 2).sum(), math.prod(table.shape[a] - 1 for a in effect)
    return found


def components_by_hand(table):
    """Components from mean squares, the effect of most axes first.

    The mean square of an effect expects each component that holds the effect, times the number of scores
    that one level of that component stands for.
    """
    shape = np.asarray(table).shape
    found = {}
    for effect, (squares, freedom) in reversed(squares_by_hand(table).items()):
        size = {e: math.prod(n for a, n in enumerate(shape) if a not in e) for e in [effect, *found]}
        larger = sum(size[e] * v for e, v in found.items() if set(effect) < set(e))
        found[effect] = (squares / freedom - larger) / size[effect]
    return found


P, I, O = (0,), (1,), (2,)  # noqa: E741
P_I = {P: 0.0574, I: 0.0754, P + I: 0.1269}
P_I_O = {P: 0.5528, I: 0.4417, O: 0.0074, P + I: 0.5750, P + O: 0.1009, I + O: 0.1565, P + I + O: 0.9352}
TABLES = pytest.mark.parametrize(
    ("table", "quoted"),
    [(PERSONS_BY_ITEMS, P_I), (PERSONS_BY_ITEMS_BY_OCCASIONS.transpose(2, 1, 0), P_I_O)],
    ids=["p x i", "p x i x o"],
)
NAMES = {P: "essay", I: "judge", O: "rubric", P + I: "essay x judge", P + O: "essay x rubric",
         I + O: "judge x rubric"}  # fmt: skip


@pytest.mark.parametrize(
    ("table", "squares"),
    [
        (PERSONS_BY_ITEMS, {P: 7.3417, I: 9.6917, P + I: 12.5583}),
        (
            PERSONS_BY_ITEMS_BY_OCCASIONS.transpose(2, 1, 0),
            {P: 62.2, I: 37.45, O: 3.2, P + I: 56.3, P + O: 12.05, I + O: 7.5, P + I + O: 25.25},
        ),
    ],
)
def test_the_quoted_sums_of_squares_follow_from_the_scores(table, squares):
    found = {effect: squares for effect, (squares, _) in squares_by_hand(table).items()}
    assert found == pytest.approx(squares, abs=0.00006)


@TABLES
def test_the_quoted_components_follow_from_the_scores(table, quoted):
    assert components_by_hand(table) == pytest.approx(quoted, abs=0.00006)


@TABLES
@pytest.mark.parametrize("method", ["REML", "ANOVA"])
def test_components_are_those_of_the_worked_examples(table, quoted, method, monkeypatch):
    if method == "ANOVA":
        monkeypatch.setattr(reml, "MOST_OPERATIONS", 0)
    components = variance_components(persons_as_essays(table))
    assert components.method == method
    # What is left when all factors are named is the residual.
    expected = {RESIDUAL if len(e) == np.ndim(table) else NAMES[e]: v for e, v in quoted.items()}
    # REML stops within a thousandth of the best; the analysis of variance is exact to the printed digits.
    found = some(components, expected)
    assert found == pytest.approx(expected, abs=0.0006 if method == "REML" else 0.00006)
    assert {name for name, v in components.variance.items() if math.isnan(v)} == {*PARTS} - {*expected}


def test_moments_of_a_table_with_missing_answers_are_hendersons():
    """Uncorrected sums of squares set equal to what they expect, written out for two crossed factors.

    Source: C. R. Henderson (1953), method 1. ``T(p)`` expects ``N`` times the persons' variance,
    ``Σ over persons and items of n² / n(person)`` times the items', and the number of persons times the rest.
    """
    table = np.array(PERSONS_BY_ITEMS_WITH_HOLES, dtype=float)
    there = ~np.isnan(table)
    sums = np.where(there, table, 0.0)
    n, by_person, by_item = there.sum(), there.sum(axis=1), there.sum(axis=0)
    observed = [
        (sums.sum(axis=1) ** 2 / by_person).sum(),
        (sums.sum(axis=0) ** 2 / by_item).sum(),
        (sums**2).sum(),
    ]
    expected = np.array(
        [
            [n, (there / by_person[:, None]).sum(), len(table)],
            [(there / by_item).sum(), n, table.shape[1]],
            [n, n, n],
        ]
    )
    mean = np.array([(by_person**2).sum() / n, (by_item**2).sum() / n, 1])
    by_hand = np.linalg.solve(expected - mean, np.array(observed) - sums.sum() ** 2 / n)
    components = variance_components(persons_as_essays(PERSONS_BY_ITEMS_WITH_HOLES))
    found = [components.unconstrained[name] for name in ("essay", "judge", RESIDUAL)]
    assert found == pytest.approx(by_hand)
    assert found == pytest.approx([0.0473, 0.0117, 0.1840], abs=0.00006)


def dense_criterion(frame, ratio):
    """The restricted likelihood as a textbook has it, with matrices as large as the data."""
    values = frame["value"].to_numpy()
    covariance = np.eye(len(values))
    for name, share in ratio.items():
        code = frame.groupby(list(PARTS[name])).ngroup().to_numpy()
        covariance += share * (code[:, None] == code)
    inverse = np.linalg.inv(covariance)
    ones = inverse.sum()
    centred = values - (inverse @ values).sum() / ones
    variance = centred @ inverse @ centred / (len(values) - 1)
    return (len(values) - 1) * np.log(variance) + np.linalg.slogdet(covariance)[1] + np.log(ones), variance


@pytest.mark.parametrize("missing", [0, 0.25])
def test_the_likelihood_is_that_of_the_textbook(missing):
    rng = np.random.default_rng(5)
    size = {"combos": 4, "templates": 2, "generators": 2, "replicates": 2, "judges": 3, "rubrics": 2}
    frame = without(with_values(crossed(**size, evaluation_replicates=2), rng, KNOWN), rng, missing)
    parts = {name: frame.groupby(list(columns)).ngroup().to_numpy() for name, columns in PARTS.items()}
    design = reml._design(parts, reml.CROSSED, frame["value"].to_numpy())
    criteria = []
    for _ in range(4):
        ratio = dict(zip(PARTS, rng.random(len(PARTS)) * (rng.random(len(PARTS)) < 0.8), strict=True))
        fast, dense = reml._criterion(ratio, design), dense_criterion(frame, ratio)
        assert fast[1] == pytest.approx(dense[1], rel=1e-9)
        criteria.append((fast[0], dense[0]))
    # Up to a constant that holds the sizes of the cells.
    assert [f - criteria[0][0] for f, _ in criteria] == pytest.approx(
        [d - criteria[0][1] for _, d in criteria]
    )


def mixed_lm(frame, names):
    """The same model by statsmodels: all factors in one group."""
    import statsmodels.formula.api as smf

    data = frame.assign(
        **{f"p{i}": frame.groupby(list(PARTS[name])).ngroup() for i, name in enumerate(names)}
    )
    formulas = {name: f"0 + C(p{i})" for i, name in enumerate(names)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = smf.mixedlm("value ~ 1", data, groups=np.ones(len(data)), vc_formula=formulas, re_formula="0")
        fit = model.fit(reml=True)
    return dict(zip(model.exog_vc.names, fit.vcomp, strict=True)) | {RESIDUAL: fit.scale}


@pytest.mark.parametrize(
    ("size", "seed"),
    [
        ({"combos": 20, "judges": 3, "rubrics": 3}, 1),
        ({"combos": 12, "templates": 2, "judges": 3, "rubrics": 2}, 13),
        ({"combos": 8, "templates": 2, "generators": 2, "judges": 3}, 8),
        ({"combos": 8, "templates": 2, "generators": 2, "judges": 3}, 9),
        ({"combos": 8, "templates": 2, "generators": 2, "judges": 3}, 10),
    ],
)
def test_components_are_those_of_mixedlm(size, seed):
    rng = np.random.default_rng(seed)
    frame = without(with_values(crossed(**size), rng, KNOWN), rng, 0.1)
    ours = variance_components(frame)
    names = [name for name in PARTS if not math.isnan(ours.variance[name])]
    theirs = mixed_lm(frame, names)

    def criterion(variance):
        return dense_criterion(frame, {name: variance[name] / variance[RESIDUAL] for name in names})[0]

    behind = criterion(theirs) - criterion(ours.variance)
    assert behind > -1e-4
    assert behind < 0.2
    # In some designs, seed 9 among them, it stops before it has the best value.
    if behind < 1e-3:
        inner = {name: v for name, v in theirs.items() if v > 0.02}
        assert len(inner) >= 4
        assert {name: ours.variance[name] for name in inner} == pytest.approx(inner, rel=0.005)


def test_known_components_are_recovered():
    """Means of 24 simulated designs within three standard errors; what has many levels is close each time."""
    size = {"combos": 10, "templates": 2, "generators": 3, "judges": 3, "rubrics": 2}
    cells = crossed(**size)
    found = []
    for seed in range(100, 124):
        rng = np.random.default_rng(seed)
        found.append(variance_components(without(with_values(cells, rng, KNOWN), rng, 0.05)).variance)
    table = pd.DataFrame(found)[list(KNOWN)]
    error = table.std() / math.sqrt(len(table))
    assert ((table.mean() - pd.Series(KNOWN)).abs() < 3 * error).all()
    many_levels = ["essay", "essay x judge", "essay x rubric", RESIDUAL]
    assert (table[many_levels].std() < 0.35 * pd.Series(KNOWN)[many_levels]).all()


def test_replicates_tell_the_cell_from_the_essay_and_the_verdict_from_noise():
    known = {"combination x template x generator": 1.0, "essay": 0.3, "essay x judge x rubric": 0.6}
    known |= {"combination": 0.5, RESIDUAL: 0.2}
    size = {"combos": 60, "templates": 3, "replicates": 2, "judges": 2, "rubrics": 2}
    cells = crossed(**size, evaluation_replicates=2)
    rng = np.random.default_rng(1)
    found = variance_components(with_values(cells, rng, known)).variance
    assert {name: found[name] for name in known} == pytest.approx(known, abs=0.2)


@pytest.mark.parametrize(
    ("size", "counted_in"),
    [
        ({"combos": 8, "templates": 2, "generators": 2, "judges": 2, "rubrics": 2}, {
            "combination x template x generator": ("essay",), "essay x judge x rubric": (RESIDUAL,)}),
        ({"combos": 8, "judges": 2, "rubrics": 2}, {
            "combination": ("essay",), "generation template": (), "generator": (),
            "combination x template x generator": ("essay",), "essay x judge x rubric": (RESIDUAL,)}),
        ({"combos": 8, "generators": 2, "judges": 3}, {
            "generation template": (), "combination x template x generator": ("essay",), "rubric": (),
            "judge x rubric": ("judge",), "essay x judge": (RESIDUAL,), "essay x rubric": ("essay",),
            "essay x judge x rubric": (RESIDUAL,)}),
        ({"combos": 8}, {
            name: (RESIDUAL,) if "combination" in name or "essay" in name else () for name in PARTS}),
    ],
)  # fmt: skip
def test_what_cannot_be_told_apart_counts_where_it_says(size, counted_in):
    frame = with_values(crossed(**size), np.random.default_rng(1), {"essay": 1.0, RESIDUAL: 1.0})
    components = variance_components(frame)
    assert components.counted_in == counted_in
    assert {name for name, v in components.variance.items() if math.isnan(v)} == set(counted_in)
    assert np.isfinite([components.variance[name] for name in {*PARTS, RESIDUAL} - set(counted_in)]).all()


def test_a_judge_for_each_rubric_is_not_told_from_it():
    frame = with_values(crossed(combos=9, judges=2, rubrics=2), np.random.default_rng(1), {RESIDUAL: 1.0})
    frame = frame[frame["evaluation_model"].str[1:] == frame["evaluation_template"].str[1:]]
    components = variance_components(frame)
    assert components.counted_in["rubric"] == ("judge",)
    assert not math.isnan(components.variance["judge"])


def test_what_is_below_zero_is_zero_and_remembered():
    # Judges contradict each other: the essays differ less than chance would have it.
    frame = persons_as_essays([[1, 9], [9, 1], [2, 8], [8, 2]])
    components = variance_components(frame)
    assert components.unconstrained["essay"] < -1
    assert components.variance["essay"] == 0
    assert components.variance[RESIDUAL] > 0


@pytest.mark.parametrize("values", [[], [5.0]])
def test_fewer_than_two_scores_tell_nothing(values):
    components = variance_components(crossed().assign(value=5.0).head(len(values)))
    assert components.method == ""
    assert all(math.isnan(v) for v in components.variance.values())
    assert components.levels["judge"] == len(values)


@pytest.mark.parametrize("table", [[[5, 5], [5, 5]], [[1, 1], [4, 4], [9, 9]], [[1, 2], [3, 4], [8, 9]]])
def test_scores_without_noise_leave_no_residual(table):
    components = variance_components(persons_as_essays(table))
    assert components.variance[RESIDUAL] == pytest.approx(0, abs=1e-9)
    assert components.variance["essay"] == pytest.approx(np.var(np.mean(table, axis=1), ddof=1))


def test_judges_that_agree_on_all_they_read_leave_no_residual():
    rng = np.random.default_rng(1)
    frame = crossed(combos=12, templates=2, judges=4)
    quality = frame["essay"].map(dict(zip(frame["essay"].unique(), rng.normal(5, 1, 24), strict=True)))
    components = variance_components(without(frame.assign(value=quality), rng, 0.3))
    assert components.method == "ANOVA"
    assert components.variance[RESIDUAL] < 0.1
    of_essays = sum(components.variance[n] for n in ("combination", "generation template", "essay"))
    assert of_essays == pytest.approx(quality.drop_duplicates().var(), rel=0.2)


def test_a_residual_below_zero_by_moments_is_found_by_likelihood():
    """Few scores per essay and judges far apart: moments can put the residual below 0."""
    found = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        known = {"essay": 1.0, "judge": 4.0, RESIDUAL: 0.3}
        frame = without(with_values(crossed(combos=8, judges=6), rng, known), rng, 0.6)
        components = variance_components(frame)
        if components.unconstrained[RESIDUAL] < 0:
            found.append((components.method, components.variance[RESIDUAL]))
    assert len(found) >= 3
    assert {method for method, _ in found} == {"REML"}
    assert np.median([variance for _, variance in found]) > 0.05


def test_the_order_of_the_rows_does_not_matter():
    rng = np.random.default_rng(2)
    frame = without(with_values(crossed(combos=8, templates=2, judges=3, rubrics=2), rng, KNOWN), rng, 0.2)
    first = variance_components(frame).variance
    again = variance_components(frame.sample(frac=1, random_state=1)).variance
    assert again == pytest.approx(first, rel=1e-4, abs=1e-5, nan_ok=True)
