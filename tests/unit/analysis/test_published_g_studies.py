"""G and D studies of the worked examples of a paper, from its scores to its coefficients.

A. Huebner, M. Lucht (2019), Generalizability Theory in R, Practical Assessment, Research, and Evaluation 24,
article 5: its appendix has the scores, tables 3 and 5 the components, 4 and 6 the D studies. The paper was
not at hand. Scores and figures are quoted from the tests of the project fast-mlsirm (module gtheory of
crates/mlsirm-core), which names the paper and says that the figures agree with its tables as far as these are
printed; the components with two decimals are the paper's own. So all of them are also worked out here from
the scores alone, by the textbook analysis of variance, without a line of the package.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from daydreaming.analysis.components import RESIDUAL, variance_components
from daydreaming.analysis.gstudy import Design, g_study, precision
from tests.support.designs import as_scores
from tests.unit.analysis.test_variance_components import (
    NAMES,
    I,
    O,
    P,
    components_by_hand,
    persons_as_essays,
    squares_by_hand,
)

pytestmark = pytest.mark.filterwarnings("error")

#: Six persons, four items.
P_I = np.array([9, 9, 7, 4, 9, 8, 4, 6, 8, 8, 6, 2, 9, 8, 6, 3, 10, 9, 8, 7, 6, 4, 5, 1], float).reshape(6, 4)
#: Six persons, four items, two occasions.
P_I_O = np.array(
    [
        [9, 9, 9, 8, 7, 5, 4, 5], [9, 6, 8, 5, 4, 3, 6, 3], [8, 8, 8, 7, 6, 3, 2, 2],
        [9, 9, 8, 6, 6, 6, 3, 2], [10, 8, 9, 8, 8, 9, 7, 7], [6, 3, 4, 2, 5, 3, 1, 2],
    ],
    dtype=float,
).reshape(6, 4, 2)  # fmt: skip
EXAMPLES = pytest.mark.parametrize(
    ("table", "squares", "printed"),
    [
        (P_I, {P: 44.5, I: 76.3333, P + I: 19.1667}, {P: 1.91, I: 4.03, P + I: 1.28}),
        (
            P_I_O,
            {P: 112.9375, I: 117.8958, O: 15.1875, P + I: 35.4792, P + O: 5.9375, I + O: 2.8958,
             P + I + O: 12.4792},
            {P: 2.48, I: 3.07, O: 0.58, P + I: 0.77, P + O: 0.09, I + O: 0.02, P + I + O: 0.83},
        ),
    ],
    ids=["p x i", "p x i x o"],
)  # fmt: skip
#: Relative and absolute error variance, generalizability and dependability by numbers of items and occasions.
D_STUDIES = pytest.mark.parametrize(
    ("table", "items", "occasions", "relative", "absolute", "generalizability", "phi"),
    [
        (P_I, 4, 1, 0.3194, 1.3264, 0.8564, 0.5896),
        (P_I, 10, 1, 0.1278, 0.5306, 0.9372, 0.7822),
        (P_I_O, 4, 2, 0.3401, 1.3984, 0.8795, 0.6397),
        (P_I_O, 1, 1, 1.6875, 5.3542, 0.5954, 0.3169),
        (P_I_O, 5, 3, 0.2384, 1.0458, 0.9124, 0.7037),
    ],
)


@EXAMPLES
def test_the_quoted_figures_follow_from_the_scores(table, squares, printed):
    assert {e: found for e, (found, _) in squares_by_hand(table).items()} == pytest.approx(squares, abs=6e-5)
    assert components_by_hand(table) == pytest.approx(printed, abs=0.0051)


@EXAMPLES
def test_components_are_those_of_the_paper(table, squares, printed):
    del squares
    found = variance_components(persons_as_essays(table)).variance
    expected = {RESIDUAL if len(e) == np.ndim(table) else NAMES[e]: value for e, value in printed.items()}
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=0.0055)


@D_STUDIES
def test_d_studies_are_those_of_the_paper(table, items, occasions, relative, absolute, generalizability, phi):
    components = variance_components(persons_as_essays(table))
    design = Design(len(table), 1, 1, 1, judges=items, rubrics=occasions, evaluation_replicates=1)
    found = precision(components, design, "essay")
    assert (found.relative, found.absolute) == pytest.approx((relative, absolute), abs=0.001)
    assert (found.generalizability, found.phi) == pytest.approx((generalizability, phi), abs=0.0005)


@D_STUDIES
def test_the_quoted_d_studies_follow_from_the_components(
    table, items, occasions, relative, absolute, generalizability, phi
):
    variance = components_by_hand(table)
    sizes = {I: items, O: occasions, I + O: items * occasions}
    with_person = [variance.get(P + e, 0.0) / size for e, size in sizes.items()]
    without = [variance.get(e, 0.0) / size for e, size in sizes.items()]
    error, whole = math.fsum(with_person), math.fsum([*with_person, *without])
    assert (error, whole) == pytest.approx((relative, absolute), abs=6e-5)
    assert variance[P] / (variance[P] + error) == pytest.approx(generalizability, abs=6e-5)
    assert variance[P] / (variance[P] + whole) == pytest.approx(phi, abs=6e-5)


@pytest.mark.parametrize(("table", "generalizability", "phi"), [(P_I, 0.86, 0.59), (P_I_O, 0.88, 0.64)])
def test_the_table_says_so_of_the_design_as_it_was(table, generalizability, phi):
    rows = g_study(as_scores(persons_as_essays(table))).set_index("component")
    essay = rows.loc["essay"]
    assert (essay["generalizability"], essay["phi"]) == pytest.approx((generalizability, phi), abs=0.005)
