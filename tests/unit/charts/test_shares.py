from __future__ import annotations

import math

import pytest

from daydreaming.charts.shares import Part, stacked_shares
from tests.support.svg import drawing, elements, number, texts


def segments(svg):
    """Beginning and width of each part of the bar."""
    return [(number(r, "x"), number(r, "width")) for r in elements(svg, "rect") if number(r, "height") > 12]


def test_parts_follow_each_other_in_proportion():
    svg = stacked_shares([Part("a", 1), Part("b", 2), Part("c", 1)], title="Shares")
    assert [x for x, _ in segments(svg)] == pytest.approx([0, 160, 480])
    assert [width + 1 for _, width in segments(svg)] == pytest.approx([160, 320, 160])
    assert {"a  25 %", "b  50 %", "c  25 %"} <= set(texts(svg))


@pytest.mark.parametrize(
    ("value", "shown"), [(0, "0 %: x"), (-1, "0 %: x"), (None, "not known: x"), (math.nan, "not known: x")]
)
def test_what_has_no_size_is_named_and_takes_no_place(value, shown):
    svg = stacked_shares([Part("a", 3), Part("x", value), Part("b", 1)], title="Shares")
    assert [x for x, _ in segments(svg)] == pytest.approx([0, 480])
    assert shown in texts(svg)


def test_one_part_is_the_whole():
    svg = stacked_shares([Part("all", 0.2)], title="Shares")
    assert segments(svg) == [(0, 639)]


@pytest.mark.parametrize("parts", [[], [Part("a", 0)], [Part("a", None), Part("b", -1)]])
def test_nothing_to_cut_is_said(parts):
    assert texts(stacked_shares(parts, title="Shares")) == ["Nothing to show yet."]


def test_long_names_get_a_line_each():
    height = number(drawing(stacked_shares([Part("a", 1), Part("b", 1)], title="t")), "height")
    long = [Part("a", 1), Part("combination x template x generator x something", 1)]
    assert number(drawing(stacked_shares(long, title="t")), "height") > height
    assert any("something  50 %" in text for text in texts(stacked_shares(long, title="t")))


def test_a_hundred_parts_and_hostile_names_are_drawn():
    svg = stacked_shares([Part(f"<i>{n}", 1) for n in range(100)], title="<title>")
    assert len(segments(svg)) == 100
    assert "<i>" not in svg
    assert drawing(svg).attrib["aria-label"] == "<title>"
