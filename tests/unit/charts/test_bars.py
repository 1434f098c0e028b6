from __future__ import annotations

import math

import pytest

from daydreaming.charts.bars import Bar, bars
from daydreaming.charts.labels import text_width
from tests.support.svg import boxes, drawing, elements, marks, number, texts


def chart(*rows, **options):
    return bars(rows, title="Money", unit="US dollars", **options)


def drawn(svg):
    return [(number(b, "x"), number(b, "width")) for b in marks(svg, "rect", "chart-mark")]


def ticks(svg):
    return {e.text: number(e, "x") for e in elements(svg, "text") if e.attrib["text-anchor"] == "middle"}


def test_bars_go_from_zero_to_their_amount():
    svg = chart(Bar("a", 4), Bar("b", 1), Bar("c", 0))
    zero = ticks(svg)["0"]
    assert drawn(svg) == [
        (pytest.approx(zero, abs=0.02), pytest.approx(ticks(svg)["4"] - zero, abs=0.02)),
        (pytest.approx(zero, abs=0.02), pytest.approx(ticks(svg)["1"] - zero, abs=0.02)),
        (pytest.approx(zero, abs=0.02), 0),
    ]


def test_negative_amounts_go_to_the_left():
    svg = chart(Bar("a", -2), Bar("b", 1))
    (left, width), (zero, _) = drawn(svg)
    assert left + width == pytest.approx(zero, abs=0.03)
    assert width == pytest.approx(2 * drawn(svg)[1][1], abs=0.03)
    assert "−2" in texts(svg)


@pytest.mark.parametrize("missing", [None, math.nan])
def test_an_unknown_amount_has_no_bar(missing):
    svg = chart(Bar("a", 1), Bar("b", missing))
    assert len(drawn(svg)) == 1
    assert "not known" in texts(svg)
    assert "b: –" in drawing(svg).findtext("{*}desc")


def test_amounts_are_written_as_asked():
    assert "$1.50" in texts(chart(Bar("a", 1.5), label=lambda usd: f"${usd:.2f}"))


def test_nothing_one_and_a_hundred_rows():
    assert texts(chart()) == ["Nothing to show yet."]
    assert len(drawn(chart(Bar("one", 5)))) == 1
    svg = chart(*(Bar(f"<b>{i}", (-1) ** i * i) for i in range(100)))
    height = number(drawing(svg), "height")
    assert len(drawn(svg)) == 100
    assert "<b>" not in svg
    assert all(0 <= x <= 640 and 0 <= y <= height for x, y in boxes(svg))


def test_amounts_stay_within_the_drawing():
    svg = chart(Bar("a", -123456.789), Bar("b", 123456.789), label=lambda v: f"{v:,.6f}")
    for text in elements(svg, "text"):
        end = number(text, "x")
        width = text_width(text.text or "", 11)
        low, high = {"start": (end, end + width), "end": (end - width, end)}.get(
            text.attrib["text-anchor"], (end, end)
        )
        assert low >= 0
        assert high <= 640
