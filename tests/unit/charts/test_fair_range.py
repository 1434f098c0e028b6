from __future__ import annotations

import pytest

from daydreaming.charts.heat import fair_range


@pytest.mark.parametrize(
    ("values", "scale", "ends"),
    [
        ([0.52, 0.58], (0, 1), (0.4, 0.7)),
        ([0.01, 0.02], (0, 1), (0, 0.2)),
        ([10.0], (0, 10), (8.5, 10)),
        ([2.0, 8.0, 5.0], (0, 10), (2, 8)),
        ([-1.0, 0.0], (-5, 5), (-2, 1)),
    ],
)
def test_near_values_get_near_colours(values, scale, ends):
    low, high = fair_range(values, *scale)
    assert low <= min(values)
    assert max(values) <= high
    assert scale[0] <= low < high <= scale[1]
    assert (low, high) == pytest.approx(ends)
