from __future__ import annotations

import math

import pytest

from daydreaming.charts.intervals import IntervalRow, Reference, dot_intervals
from daydreaming.charts.svg import WIDTH
from tests.support.svg import boxes, drawing, elements, marks, number, texts

HOSTILE = "</text><script>alert('&amp;\x1b')</script>"


def chart(*rows, **options):
    return dot_intervals(rows, title="Means", unit="points", **options)


def dots(svg):
    return [number(dot, "cx") for dot in marks(svg, "circle", "chart-mark")]


def whiskers(svg):
    lines = [e for e in elements(svg, "line") if "chart-mark" in e.attrib["stroke"]]
    return [(number(e, "x1"), number(e, "x2")) for e in lines if number(e, "y1") == number(e, "y2")]


def places_of_ticks(svg):
    ticks = [e for e in elements(svg, "text") if e.attrib["text-anchor"] == "middle"]
    return {e.text: number(e, "x") for e in ticks}


def test_dots_and_whiskers_are_where_the_axis_says():
    svg = chart(IntervalRow("a", 4, 2, 5), IntervalRow("b", 10, 8, 10), IntervalRow("c", 0, 0, 1))
    tick = places_of_ticks(svg)
    assert dots(svg) == pytest.approx([tick["4"], tick["10"], tick["0"]], abs=0.02)
    assert whiskers(svg)[1] == pytest.approx((tick["8"], tick["10"]), abs=0.02)


def test_rows_stand_from_top_to_bottom_beside_their_names():
    svg = chart(*(IntervalRow(name, 1.0 + i, n=i) for i, name in enumerate("abc")))
    heights = [number(dot, "cy") for dot in marks(svg, "circle", "chart-mark")]
    assert heights == sorted(set(heights))
    names = {e.text: number(e, "y") for e in elements(svg, "text") if e.text in {"a", "b", "c"}}
    assert [names[name] for name in "abc"] == pytest.approx([y + 4 for y in heights])


def test_counts_are_at_the_right_under_their_heading():
    svg = chart(IntervalRow("a", 1, n=1234), IntervalRow("b", 2, n=None), n_label="scores")
    assert {"1,234", "scores"} <= set(texts(svg))
    assert "n" not in texts(chart(IntervalRow("a", 1)))


@pytest.mark.parametrize("missing", [None, math.nan, math.inf])
def test_what_has_no_value_gets_no_dot_and_changes_nothing_else(missing):
    svg = chart(IntervalRow("a", 5, 4, 6), IntervalRow("b", missing, missing, missing, 0))
    assert dots(svg) == dots(chart(IntervalRow("a", 5, 4, 6), IntervalRow("b", None, n=0)))
    assert len(dots(svg)) == 1
    assert "no value" in texts(svg)


def test_an_estimate_without_an_interval_is_a_dot_alone():
    svg = chart(IntervalRow("a", 5), IntervalRow("b", 6, math.nan, 7))
    assert len(dots(svg)) == 2
    assert whiskers(svg) == []


def test_one_estimate_is_in_the_middle_of_its_axis():
    svg = chart(IntervalRow("a", 3))
    ticks = places_of_ticks(svg)
    assert dots(svg)[0] == pytest.approx((ticks["1"] + ticks["5"]) / 2, abs=0.02)


def test_negative_values_are_left_of_zero():
    svg = chart(IntervalRow("a", -1, -2, -0.5), IntervalRow("b", 1), reference=Reference(0, "none"))
    left, right = dots(svg)
    [line] = [e for e in elements(svg, "line") if "chart-accent" in e.attrib["stroke"]]
    assert left < number(line, "x1") < right
    assert "none" in texts(svg)
    assert {"−2", "0", "1"} <= set(texts(svg))


def test_the_reference_is_on_the_axis_even_where_no_row_is_near():
    svg = chart(IntervalRow("a", 1), IntervalRow("b", 2), reference=Reference(9, "goal"))
    [line] = [e for e in elements(svg, "line") if "chart-accent" in e.attrib["stroke"]]
    assert number(line, "x1") > max(dots(svg))
    assert "goal" not in texts(chart(IntervalRow("a", 1), reference=Reference(math.nan, "goal")))


def test_nothing_to_show_is_said():
    svg = chart()
    assert texts(svg) == ["Nothing to show yet."]


def test_texts_of_strangers_stay_text():
    svg = chart(IntervalRow(HOSTILE, 1), reference=Reference(1, HOSTILE))
    assert "<script" not in svg
    assert elements(svg, "script") == []
    assert "alert('&amp;\ufffd')" in drawing(svg).find("{*}desc").text


def test_a_hundred_rows_all_lie_within_the_drawing():
    rows = [IntervalRow(f"a name that needs {'two lines ' * (i % 3)}{i}", i % 11, n=i) for i in range(100)]
    svg = chart(*rows)
    height = number(drawing(svg), "height")
    assert len(dots(svg)) == 100
    assert drawing(svg).attrib["viewBox"] == f"0 0 640 {height:g}"
    assert all(0 <= x <= WIDTH and 0 <= y <= height for x, y in boxes(svg))


def test_a_name_that_is_cut_is_whole_for_who_points_at_it():
    name = "Default mode network + Combinatorial search + Generator verifier gap + Economic moat"
    svg = chart(IntervalRow(name, 1))
    assert name not in texts(svg)
    assert any(name == (e.findtext("{*}title") or "") for e in elements(svg, "text"))


def test_a_drawing_has_a_name_and_words_for_who_cannot_see_it():
    root = drawing(chart(IntervalRow("a", 1.25, 1, 2), IntervalRow("b", None)))
    assert (root.attrib["role"], root.attrib["aria-label"]) == ("img", "Means")
    assert root.findtext("{*}title") == "Means"
    assert root.findtext("{*}desc") == "In points. a: 1.25 (1 to 2); b: –."


def test_no_text_is_smaller_than_11_pixels_and_nothing_is_loaded():
    svg = chart(IntervalRow("a", 1, n=3), reference=Reference(1, "x"))
    assert min(number(e, "font-size") for e in elements(svg, "text")) >= 11
    assert all("href" not in e.attrib and "style" not in e.attrib for e in drawing(svg).iter())
