from __future__ import annotations

import math

import pytest

from daydreaming.charts.axis import axis_over, nice_step


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ([0, 10], [0, 2, 4, 6, 8, 10]),
        ([5.58, 6.7], [5.5, 5.75, 6, 6.25, 6.5, 6.75]),
        ([0, 0.0007], [0, 0.0002, 0.0004, 0.0006, 0.0008]),
        ([-1.04, 0.9], [-1.5, -1, -0.5, 0, 0.5, 1]),
        ([0, 123456], [0, 25000, 50000, 75000, 100000, 125000]),
        ([3, 3], [1, 2, 3, 4, 5]),
        ([0], [-1, -0.5, 0, 0.5, 1]),
        ([], [0, 0.2, 0.4, 0.6, 0.8, 1]),
        ([math.nan, math.inf, 1, 2], [1, 1.2, 1.4, 1.6, 1.8, 2]),
    ],
)
def test_ticks_are_round_numbers_around_the_values(values, ticks):
    assert axis_over(values, 0, 100).ticks() == pytest.approx(ticks)


@pytest.mark.parametrize(
    ("span", "step"), [(10, 2), (1, 0.2), (1.1, 0.25), (2.4, 0.5), (49, 10), (0.04, 0.01)]
)
def test_steps_are_1_2_2_5_or_5_times_a_power_of_ten(span, step):
    assert nice_step(span, 5) == pytest.approx(step)


def test_a_value_is_placed_in_proportion_and_never_outside():
    axis = axis_over([0, 10], 100, 300)
    assert [axis.at(v) for v in (0, 5, 10, -3, 12)] == [100, 200, 300, 100, 300]


def test_an_axis_may_go_up():
    axis = axis_over([0, 10], 220, 20)
    assert [axis.at(v) for v in (0, 2.5, 10)] == [220, 170, 20]


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ([0, 0.5], ["0", "0.1", "0.2", "0.3", "0.4", "0.5"]),
        ([-2, 2], ["−2", "−1", "0", "1", "2"]),
        ([0, 4000], ["0", "1,000", "2,000", "3,000", "4,000"]),
    ],
)
def test_ticks_have_the_decimals_of_their_step(values, labels):
    axis = axis_over(values, 0, 1)
    assert [axis.tick_label(tick) for tick in axis.ticks()] == labels
