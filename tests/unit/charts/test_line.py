from __future__ import annotations

import math

import pytest

from daydreaming.charts.intervals import Reference
from daydreaming.charts.line import Series, line
from tests.support.svg import boxes, drawing, elements, number, texts


def chart(*series, **options):
    return line(series, title="SE", x_unit="times", y_unit="SE of a mean", **options)


def points(svg):
    return [(number(c, "cx"), number(c, "cy")) for c in elements(svg, "circle")]


def rungs(svg):
    return {
        e.text: number(e, "y") - 11 / 3 for e in elements(svg, "text") if e.attrib["text-anchor"] == "end"
    }


def ticks(svg):
    return {e.text: number(e, "x") for e in elements(svg, "text") if e.attrib["text-anchor"] == "middle"}


def test_points_are_where_both_axes_say():
    svg = chart(Series("a", [(1, 0.4), (2, 0.3), (5, 0.2)]))
    across, up = ticks(svg), rungs(svg)
    assert points(svg) == [
        pytest.approx((across["1"], up["0.4"]), abs=0.05),
        pytest.approx((across["2"], up["0.3"]), abs=0.05),
        pytest.approx((across["5"], up["0.2"]), abs=0.05),
    ]
    [path] = elements(svg, "polyline")
    assert path.attrib["points"].split()[0] == "{:g},{:g}".format(*points(svg)[0])


def test_the_vertical_axis_holds_zero_and_the_reference():
    svg = chart(Series("a", [(1, 5), (2, 6)]), reference=Reference(9, "goal"))
    assert "0" in rungs(svg)
    assert "goal" in texts(svg)
    [goal] = [e for e in elements(svg, "line") if "chart-accent" in e.attrib["stroke"]]
    assert number(goal, "y1") < min(y for _, y in points(svg))


def test_series_are_told_apart_by_colour_and_dashes_and_named():
    svg = chart(Series("a", [(1, 1), (2, 2)]), Series("b", [(1, 2), (2, 3)]))
    one, other = elements(svg, "polyline")
    assert one.attrib["stroke"] != other.attrib["stroke"]
    assert one.attrib.get("stroke-dasharray") != other.attrib.get("stroke-dasharray")
    assert {"a", "b"} <= set(texts(svg))


def test_points_that_are_none_are_left_out():
    svg = chart(Series("a", [(1, math.nan), (2, 1), (math.inf, 2), (3, 2)]), Series("gone", [(1, math.nan)]))
    assert len(points(svg)) == 2
    assert "gone" not in texts(svg)


def test_negative_values_and_a_single_point():
    svg = chart(Series("a", [(1, -2), (2, 1)]))
    (_, low), (_, high) = points(svg)
    assert high < rungs(svg)["0"] < low
    assert len(points(chart(Series("a", [(3, 3)])))) == 1


def test_nothing_and_a_hundred_hostile_series():
    assert texts(chart()) == ["Nothing to show yet."]
    svg = chart(*(Series(f"<b>{i}", [(1, i), (2, i / 2)]) for i in range(100)))
    height = number(drawing(svg), "height")
    assert len(points(svg)) == 200
    assert "<b>" not in svg
    assert all(0 <= x <= 640 and 0 <= y <= height for x, y in boxes(svg))
