"""Intervals of variance components: against chi-square, and how often they hold what was simulated."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from scipy.stats import chi2

from daydreaming.analysis import component_intervals as module
from daydreaming.analysis import reml
from daydreaming.analysis.component_intervals import component_intervals
from daydreaming.analysis.components import PARTS, RESIDUAL, variance_components
from daydreaming.analysis.gstudy import MOST_VARIANCE, g_study
from tests.support.designs import as_scores, crossed, with_values, without

pytestmark = pytest.mark.filterwarnings("error")

KNOWN = {"generator": 0.4, "essay": 0.8, "judge": 0.4, "essay x judge": 0.3, RESIDUAL: 0.5}


def essays_by_judges(essays=9, judges=4, seed=1):
    frame = crossed(combos=essays, judges=judges)
    variances = {"essay": 1.0, "judge": 0.5, RESIDUAL: 0.4}
    return with_values(frame, np.random.default_rng(seed), variances)


def mean_squares(frame):
    table = frame.pivot(index="essay", columns="evaluation_model", values="value").to_numpy()
    apart = table - table.mean()
    by_essay, by_judge = apart.mean(axis=1), apart.mean(axis=0)
    rest = apart - by_essay[:, None] - by_judge
    n, k = table.shape
    return (
        k * (by_essay**2).sum() / (n - 1),
        n * (by_judge**2).sum() / (k - 1),
        (rest**2).sum() / ((n - 1) * (k - 1)),
    )


def test_the_residual_of_a_complete_table_has_its_interval_by_chi_square():
    frame = essays_by_judges()
    found = component_intervals(frame, variance_components(frame), draws=20_000)
    squares, freedom = mean_squares(frame)[2] * 24, 24
    exact = squares / chi2.ppf([0.975, 0.025], freedom)
    assert found[RESIDUAL] == pytest.approx(exact, rel=0.03)


@pytest.mark.parametrize(("name", "which", "freedom", "per_level"), [("essay", 0, 8, 4), ("judge", 1, 3, 9)])
def test_a_component_of_a_complete_table_has_that_of_two_mean_squares(name, which, freedom, per_level):
    """Independent mean squares, the residual's variance taken at its estimate."""
    frame = essays_by_judges()
    components = variance_components(frame)
    found = component_intervals(frame, components, draws=20_000)[name]
    squares, noise = mean_squares(frame)[which], mean_squares(frame)[2]
    rng = np.random.default_rng(3)
    assert components.unconstrained[name] == pytest.approx((squares - noise) / per_level)
    drawn = noise * rng.chisquare(24, 200_000) / 24
    expected = (squares - noise + drawn) * freedom / rng.chisquare(freedom, 200_000) - noise
    ends = np.quantile(np.maximum(expected / per_level, 0), [0.025, 0.975])
    assert found == pytest.approx(ends, rel=0.06)


@pytest.mark.parametrize("missing", [0.0, 0.25])
def test_nineteen_in_twenty_intervals_hold_what_was_simulated(missing, monkeypatch):
    monkeypatch.setattr(reml, "MOST_OPERATIONS", 0)  # the fits would take most of the time
    cells = crossed(combos=6, generators=3, judges=3, rubrics=2)
    inside, most = Counter(), 50
    for seed in range(most):
        rng = np.random.default_rng(seed)
        frame = without(with_values(cells, rng, KNOWN), rng, missing)
        found = component_intervals(frame, variance_components(frame), draws=100, seed=seed)
        inside.update(name for name, (low, high) in found.items() if low <= KNOWN.get(name, 0.0) <= high)
    # Four standard deviations of a share of 0.95 among 50 are 0.12.
    assert {name: n for name, n in inside.items() if n < 0.82 * most} == {}
    assert len(inside) == 9
    assert 0.92 < sum(inside.values()) / (9 * most) < 0.98


def test_few_levels_leave_a_component_open():
    frame = with_values(
        crossed(combos=40, templates=2, judges=8), np.random.default_rng(4), {
            "generation template": 0.5, "judge": 0.5, "essay": 0.5, RESIDUAL: 0.5}
    )  # fmt: skip
    components = variance_components(frame)
    found = component_intervals(frame, components)
    width = {name: high / max(low, 1e-9) for name, (low, high) in found.items()}
    assert width["generation template"] > 100 * width["essay"]
    assert width["essay"] < 3 < width["judge"] < 40


def test_an_interval_holds_its_estimate_and_is_never_below_zero():
    for seed in range(5):
        rng = np.random.default_rng(seed)
        frame = without(with_values(crossed(combos=6, judges=3, rubrics=2), rng, KNOWN), rng, 0.4)
        components = variance_components(frame)
        for name, (low, high) in component_intervals(frame, components, draws=50).items():
            assert 0 <= low <= components.variance[name] <= high


def test_a_component_taken_as_zero_has_an_upper_end():
    frame = with_values(crossed(combos=12, judges=4), np.random.default_rng(2), {"judge": 1.0, RESIDUAL: 1.0})
    components = variance_components(frame)
    assert components.variance["essay"] == 0
    low, high = component_intervals(frame, components)["essay"]
    assert low == 0
    assert 0.1 < high < 1


def test_the_order_of_the_rows_does_not_matter_and_the_seed_does():
    rng = np.random.default_rng(2)
    frame = without(with_values(crossed(combos=8, generators=2, judges=3), rng, KNOWN), rng, 0.2)
    components = variance_components(frame)
    first = component_intervals(frame, components, draws=100)
    shuffled = component_intervals(frame.sample(frac=1, random_state=1), components, draws=100)
    assert [x for ends in shuffled.values() for x in ends] == pytest.approx(
        [x for ends in first.values() for x in ends]
    )
    assert component_intervals(frame, components, draws=100, seed=1) != first


def test_draws_are_made_in_portions(monkeypatch):
    frame = essays_by_judges()
    portions = []
    products = module._Study.products

    def counted(self, rng, draws):
        portions.append(draws)
        return products(self, rng, draws)

    monkeypatch.setattr(module._Study, "products", counted)
    monkeypatch.setattr("daydreaming.analysis.bootstrap.CHUNK", 36 * 6 * 30)
    component_intervals(frame, variance_components(frame), draws=100)
    assert portions == [30, 30, 30, 10]


def dense_left(frame, components, values):
    """``P y`` as a textbook has it, with matrices as large as the data."""
    covariance = components.variance[RESIDUAL] * np.eye(len(frame))
    for name, columns in PARTS.items():
        if components.variance[name] > 0:
            code = frame.groupby(list(columns)).ngroup().to_numpy()
            covariance += components.variance[name] * (code[:, None] == code)
    inverse = np.linalg.inv(covariance)
    mean = inverse.sum(axis=0) @ values / inverse.sum()
    return inverse @ (values - mean)


def test_what_is_left_is_that_of_the_textbook():
    rng = np.random.default_rng(5)
    frame = without(with_values(crossed(combos=9, generators=2, judges=4, rubrics=2), rng, KNOWN), rng, 0.25)
    components = variance_components(frame)
    kept = [name for name in PARTS if components.variance[name] > 0]
    codes = [frame.groupby(list(PARTS[name])).ngroup().to_numpy() for name in kept]
    variance = np.array([components.variance[name] for name in [*kept, RESIDUAL]])
    study = module._Study.of([*codes, np.arange(len(frame))], variance)
    values = frame["value"].to_numpy()
    assert study.left(values) == pytest.approx(dense_left(frame, components, values), abs=1e-8)


def test_where_cells_are_missing_the_interval_is_about_the_estimate_of_reml():
    """The analysis of variance gives others: much that differs between judges leaks into the rest."""
    far = {"judge": 3.0, "essay": 1.0, "essay x judge": 0.3, "rubric": 1.0, RESIDUAL: 0.5}
    rng = np.random.default_rng(3)
    frame = without(with_values(crossed(combos=60, judges=4, rubrics=2), rng, far), rng, 0.2)
    components = variance_components(frame)
    assert abs(components.unconstrained["essay x judge"] - components.variance["essay x judge"]) > 0.1
    low, high = component_intervals(frame, components)["essay x judge"]
    assert low < components.variance["essay x judge"] - 0.08
    assert high > components.variance["essay x judge"] + 0.08
    assert high - low < 0.5


@pytest.mark.parametrize("values", [[], [5.0], [5.0] * 9])
def test_scores_without_variance_have_no_intervals(values):
    frame = crossed(combos=3, judges=3).assign(value=5.0).head(len(values))
    assert component_intervals(frame, variance_components(frame)) == {}


# --- In the table ---


def test_the_table_has_an_interval_for_each_component_that_can_be_told():
    cells = crossed(combos=8, generators=3, judges=3, rubrics=2)
    frame = with_values(cells, np.random.default_rng(1), KNOWN | {"rubric": 2.0})
    table = g_study(as_scores(frame.assign(value=frame["value"].clip(0, 10))))
    told = table[table["variance"].notna()]
    assert told[["ci_low", "ci_high"]].notna().all(axis=None)
    assert (told["ci_low"] <= told["variance"]).all()
    assert (told["variance"] <= told["ci_high"]).all()
    assert table[table["variance"].isna()][["ci_low", "ci_high"]].isna().all(axis=None)
    # Two rubrics tell nothing of rubrics; no variance of scores on 0-10 exceeds 25.
    assert told["ci_high"].max() == MOST_VARIANCE
    assert told.set_index("component").loc["rubric", "ci_high"] == MOST_VARIANCE


def test_no_draws_make_no_intervals():
    frame = essays_by_judges()
    table = g_study(as_scores(frame.assign(value=frame["value"].clip(0, 10))), draws=0)
    assert table[["ci_low", "ci_high"]].isna().all(axis=None)
    assert not math.isnan(table.set_index("component").loc["essay", "variance"])
