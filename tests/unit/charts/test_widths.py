from __future__ import annotations

import html
import re

import pytest

from daydreaming.charts.bars import Bar, bars
from daydreaming.charts.heat import heat_legend
from daydreaming.charts.histogram import Group, histogram
from daydreaming.charts.intervals import IntervalRow, Reference, dot_intervals
from daydreaming.charts.labels import text_width
from daydreaming.charts.line import Series, line
from daydreaming.charts.shares import Part, stacked_shares
from daydreaming.charts.svg import NARROW, WIDTH, empty
from daydreaming.charts.widths import both_widths, widths_css

LONG = "a template with quite a long name of many words"
DRAWINGS = {
    "bars": (bars, [[Bar(LONG, 1234.5), Bar("b", 2)]], {"title": "T", "unit": "US dollars"}),
    "heat": (heat_legend, [0, 9.25], {"unit": "share of the rubric's range"}),
    "histogram": (
        histogram,
        [[Group(LONG, [1.0, 2.0, 9.5])]],
        {"title": "T", "unit": "score, 0–10", "low": 0, "high": 10, "step": 0.5},
    ),
    "intervals": (
        dot_intervals,
        [[IntervalRow(LONG, 5.2, 4.9, 5.5, 12_345), IntervalRow("b", 5.45, 5.4, 5.5, 3)]],
        {
            "title": "T",
            "unit": "mean score, 0–10",
            "reference": Reference(5.5, "mean of all"),
            "n_label": "scores",
        },
    ),
    "line": (
        line,
        [
            [
                Series("more judges (at best)", [(1, 1), (2, 0.4)]),
                Series("more evaluation replicates (at best)", [(2, 1)]),
            ]
        ],
        {"title": "T", "x_unit": "times as many as now", "y_unit": "SE, points on 0–10"},
    ),
    "shares": (
        stacked_shares,
        [[Part("combination x template x generator", 0.4), Part("rubric", 0.6), Part(LONG, 0)]],
        {"title": "T"},
    ),
    "empty": (empty, ["T", "Nothing to show yet."], {}),
}
TEXT = re.compile(
    r'<text x="([\d.-]+)"[^>]*font-size="([\d.]+)" text-anchor="(\w+)"[^>]*>'
    r"(?:<title>[^<]*</title>)?([^<]*)"
)


@pytest.mark.parametrize("name", DRAWINGS)
@pytest.mark.parametrize("width", [WIDTH, NARROW])
def test_no_text_runs_out_of_the_drawing_or_is_too_small(name, width):
    draw, data, named = DRAWINGS[name]
    svg = draw(*data, **named, width=width)
    assert f'viewBox="0 0 {width:g} ' in svg
    for x, size, anchor, content in TEXT.findall(svg):
        long = text_width(html.unescape(content), float(size))
        left = float(x) - {"start": 0, "middle": long / 2, "end": long}[anchor]
        assert left >= -0.1, content
        assert left + long <= width + 0.1, content
        assert float(size) * min(1, 340 / width if width < WIDTH else 1) >= 10


def test_a_page_gets_both_and_shows_one():
    both = both_widths(bars, [Bar("<a>", 1)], title="T", unit="u")
    wide, narrow = both.split('<div class="narrow">')
    assert wide.startswith('<div class="wide"><svg')
    assert (f'width="{WIDTH:g}"' in wide, f'width="{NARROW:g}"' in narrow) == (True, True)
    assert "&lt;a&gt;" in narrow
    assert ".drawing .narrow{display:none}" in widths_css()
