"""P-values corrected for being many."""

from __future__ import annotations

import numpy as np
import pytest

from daydreaming.analysis.corrections import benjamini_hochberg, holm
from daydreaming.errors import InputError

# Benjamini and Hochberg (1995), section 3.2: thrombolysis, 15 endpoints.
THROMBOLYSIS = [
    0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528,
    0.7590, 1.0,
]  # fmt: skip


@pytest.mark.parametrize(
    ("p", "expected"),
    [
        ([], []),
        ([0.03], [0.03]),
        ([0.01, 0.02, 0.03, 0.04, 0.05], [0.05, 0.08, 0.09, 0.09, 0.09]),
        ([0.04, 0.01, 0.03], [0.06, 0.03, 0.06]),
        ([0.6, 0.9], [1, 1]),
        ([0.01, float("nan"), 0.04], [0.02, float("nan"), 0.04]),
    ],
)
def test_holm_multiplies_by_what_is_left_to_test(p, expected):
    np.testing.assert_allclose(holm(p), expected)


@pytest.mark.parametrize(
    ("p", "expected"),
    [
        ([], []),
        ([0.01, 0.02, 0.03, 0.04, 0.05], [0.05] * 5),
        ([0.04, 0.01, 0.03], [0.04, 0.03, 0.04]),
        ([0.01, float("nan"), 0.04], [0.02, float("nan"), 0.04]),
    ],
)
def test_benjamini_hochberg_multiplies_by_tests_over_rank(p, expected):
    np.testing.assert_allclose(benjamini_hochberg(p), expected)


def test_corrections_reject_what_benjamini_and_hochberg_published():
    assert (holm(THROMBOLYSIS) <= 0.05).sum() == 3
    assert (benjamini_hochberg(THROMBOLYSIS) <= 0.05).sum() == 4


def test_corrections_leave_their_argument_as_it_is():
    p = np.array([0.04, 0.01])
    holm(p), benjamini_hochberg(p)
    assert p.tolist() == [0.04, 0.01]


@pytest.mark.parametrize("correct", [holm, benjamini_hochberg])
def test_p_values_outside_0_to_1_are_refused(correct):
    with pytest.raises(InputError, match=r"between 0 and 1; got 1\.5"):
        correct([0.1, 1.5])
