from __future__ import annotations

import math

import pytest

from daydreaming.charts.histogram import Group, histogram
from tests.support.svg import boxes, drawing, elements, marks, number, texts


def chart(*groups, low=0, high=10, step=0.5):
    return histogram(groups, title="Scores", unit="score", low=low, high=high, step=step)


def bars(svg):
    """Middle and height of each bar."""
    found = marks(svg, "rect", "chart-soft")
    return [(number(b, "x") + number(b, "width") / 2, number(b, "height")) for b in found]


def ticks(svg):
    return {e.text: number(e, "x") for e in elements(svg, "text") if e.attrib["text-anchor"] == "middle"}


def test_a_bar_stands_over_its_value_and_is_as_high_as_its_share():
    svg = chart(Group("j", [2, 2, 2, 8]))
    (at_2, tall), (at_8, short) = bars(svg)
    assert (at_2, at_8) == pytest.approx((ticks(svg)["2"], ticks(svg)["8"]), abs=0.02)
    assert tall == pytest.approx(3 * short, abs=0.05)


def test_panels_share_one_axis_and_one_scale_of_shares():
    svg = chart(Group("few", [5]), Group("many", [5] * 50 + [6] * 50))
    (first, whole), (second, half), _ = bars(svg)
    assert first == second
    assert half == pytest.approx(whole / 2, abs=0.05)
    assert [t for t in texts(svg) if t in ticks(svg)].count("10") == 1


def test_values_between_bins_go_to_the_nearest_and_those_outside_to_the_end():
    svg = chart(Group("j", [4.9, 5.2, -3, 12]))
    assert [x for x, _ in bars(svg)] == pytest.approx(
        [ticks(svg)["0"], (ticks(svg)["4"] + ticks(svg)["6"]) / 2, ticks(svg)["10"]], abs=0.02
    )


def test_missing_values_are_counted_and_in_no_bar():
    svg = chart(Group("j", [1, math.nan, math.inf, 3]))
    assert len(bars(svg)) == 2
    assert {"n 2, 2 missing", "mean 2"} <= set(texts(svg))


def test_the_mean_is_marked():
    svg = chart(Group("j", [2, 4]))
    [line] = [e for e in elements(svg, "line") if "chart-accent" in e.attrib["stroke"]]
    assert number(line, "x1") == pytest.approx((ticks(svg)["2"] + ticks(svg)["4"]) / 2, abs=0.02)


def test_a_group_without_values_has_an_empty_panel():
    svg = chart(Group("silent", []), Group("j", [5]))
    assert len(bars(svg)) == 1
    assert {"silent", "n 0", "mean –"} <= set(texts(svg))
    assert texts(chart()) == ["Nothing to show yet."]


def test_scales_that_begin_below_zero_work():
    svg = chart(Group("j", [-5, 0, 5]), low=-5, high=5, step=1)
    assert [x for x, _ in bars(svg)] == pytest.approx(
        [ticks(svg)["−4"] - (ticks(svg)["0"] - ticks(svg)["−4"]) / 4, ticks(svg)["0"], ticks(svg)["4"]
         + (ticks(svg)["4"] - ticks(svg)["0"]) / 4], abs=0.02,
    )  # fmt: skip


@pytest.mark.parametrize(("low", "high", "step"), [(1, 1, 1), (2, 1, 1), (0, 1, 0)])
def test_a_range_that_is_none_is_refused(low, high, step):
    with pytest.raises(ValueError, match="low must be below high"):
        chart(Group("j", [1]), low=low, high=high, step=step)


def test_a_hundred_judges_with_hostile_names_lie_within_the_drawing():
    svg = chart(*(Group(f"<b>{i}</b>", [i % 11]) for i in range(100)))
    height = number(drawing(svg), "height")
    assert "<b>" not in svg
    assert "<b>7</b>" in texts(svg)
    assert all(0 <= x <= 640 and 0 <= y <= height for x, y in boxes(svg))
