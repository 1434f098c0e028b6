from __future__ import annotations

import pytest

from daydreaming.analysis.disagreement import sd_over_judges


@pytest.mark.parametrize(
    ("scores", "sd"),
    [
        ([("j", 2.0), ("k", 8.0)], 18**0.5),
        # Two rubrics far apart, on which both judges agree.
        ([("j", 0.0), ("j", 10.0), ("k", 0.0), ("k", 10.0)], 0.0),
        # Means of 5, 7 and 9, from three, one and two verdicts.
        ([("j", 4.0), ("j", 5.0), ("j", 6.0), ("k", 7.0), ("l", 8.0), ("l", 10.0)], 2.0),
        ([("j", 2.0), ("j", 8.0)], None),
        ([], None),
    ],
)
def test_judges_differ_in_their_means(scores, sd):
    assert sd_over_judges(scores) == (None if sd is None else pytest.approx(sd))
