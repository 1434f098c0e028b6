from __future__ import annotations

import math

import pytest

from daydreaming.charts.colours import HEAT_STEPS, paint
from daydreaming.charts.heat import NO_VALUE, heat_cell, heat_css, heat_legend
from tests.support.svg import drawing, elements, number, texts


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (0, "heat-0"),
        (1.1, "heat-0"),
        (1.2, "heat-1"),
        (5, "heat-4"),
        (8.8, "heat-7"),
        (9, "heat-8"),
        (10, "heat-8"),
        (-4, "heat-0"),
        (44, "heat-8"),
    ],
)
def test_values_get_a_step_by_their_place_in_the_range(value, cell):
    assert heat_cell(value, 0, 10) == cell


@pytest.mark.parametrize("value", [None, math.nan, math.inf])
def test_no_value_has_a_class_of_its_own(value):
    assert heat_cell(value, 0, 10) == NO_VALUE


@pytest.mark.parametrize(("low", "high"), [(3, 3), (4, 3), (math.nan, 3)])
def test_a_range_of_one_value_gets_the_colour_in_the_middle(low, high):
    assert heat_cell(3, low, high) == "heat-4"


def test_negative_ranges_work():
    assert [heat_cell(v, -2, 0) for v in (-2, -1, 0)] == ["heat-0", "heat-4", "heat-8"]


def test_every_class_is_in_the_style_sheet_with_its_own_text_colour():
    css = heat_css()
    for step in range(HEAT_STEPS):
        rule = f".heat-{step}{{background:{paint(f'heat-{step}')};color:{paint(f'heat-text-{step}')}}}"
        assert rule in css
    assert f".{NO_VALUE}{{" in css
    assert "url(" not in css


def test_the_legend_shows_all_steps_and_the_ends_of_the_range():
    svg = heat_legend(-1.5, 8.25, unit="mean <score>")
    fills = [rect.attrib["fill"] for rect in elements(svg, "rect")]
    assert fills == [paint(f"heat-{step}") for step in range(HEAT_STEPS)]
    assert texts(svg) == ["−1.5", "8.25", "mean <score>"]
    assert drawing(svg).findtext("{*}desc") == "From −1.5 (lowest) to 8.25 (highest) mean <score>."
    assert min(number(e, "font-size") for e in elements(svg, "text")) >= 11
