from __future__ import annotations

import math
from itertools import pairwise

import pytest

from daydreaming.charts.colours import (
    CATEGORIES,
    INK,
    contrast,
    heat_ramp,
    oklch_to_hex,
    paint,
    text_on,
    theme_css,
    theme_properties,
)

THEMES = ("light", "dark")
READABLE = 4.5


def lightness_and_tint(colour):
    """OKLab of ``#rrggbb``: the way back, by the inverse matrices."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    r, g, b = (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in channels)
    cones = (
        0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b,
        0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b,
        0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b,
    )
    x, y, z = (cone ** (1 / 3) for cone in cones)
    return (
        0.2104542553 * x + 0.7936177850 * y - 0.0040720468 * z,
        1.9779984951 * x - 2.4285922050 * y + 0.4505937099 * z,
        0.0259040371 * x + 0.7827717662 * y - 0.8086757660 * z,
    )


@pytest.mark.parametrize(
    ("oklch", "expected"),
    [
        ((0, 0, 0), "#000000"),
        ((1, 0, 0), "#ffffff"),
        ((0.62796, 0.25768, 29.234), "#ff0000"),
        ((0.86644, 0.29483, 142.495), "#00ff00"),
        ((0.45201, 0.31321, 264.052), "#0000ff"),
    ],
)
def test_the_corners_of_srgb_are_met(oklch, expected):
    assert oklch_to_hex(*oklch) == expected


@pytest.mark.parametrize("theme", THEMES)
def test_steps_of_the_heat_map_look_equally_wide(theme):
    colours = [lightness_and_tint(colour) for colour in heat_ramp(theme)]
    steps = [math.dist(a, b) for a, b in pairwise(colours)]
    assert max(steps) < 1.15 * min(steps)


@pytest.mark.parametrize(("theme", "sign"), [("light", -1), ("dark", 1)])
def test_more_is_farther_from_the_page_and_lightness_alone_tells_the_order(theme, sign):
    lightness = [lightness_and_tint(colour)[0] for colour in heat_ramp(theme)]
    assert lightness == sorted(lightness, reverse=sign < 0)
    assert abs(lightness[-1] - lightness[0]) > 0.5


@pytest.mark.parametrize("theme", THEMES)
def test_text_on_every_step_and_part_is_readable(theme):
    for colour in (*heat_ramp(theme), *CATEGORIES):
        assert contrast(colour, text_on(colour)) >= READABLE


@pytest.mark.parametrize(("theme", "page"), [("light", "#ffffff"), ("dark", "#14181f")])
def test_words_and_marks_stand_out_from_the_page(theme, page):
    properties = theme_properties(theme)
    assert contrast(INK[theme], page) >= 7
    assert contrast(properties["--chart-muted"], page) >= READABLE
    assert contrast(properties["--chart-accent"], page) >= READABLE
    assert contrast(properties["--chart-mark"], page) >= READABLE


def test_both_themes_have_the_same_properties():
    assert theme_properties("light").keys() == theme_properties("dark").keys()
    assert theme_properties("light") != theme_properties("dark")


def test_a_colour_is_a_property_with_the_light_theme_as_fallback():
    assert paint("chart-mark") == f"var(--chart-mark, {theme_properties('light')['--chart-mark']})"
    assert f"--chart-mark:{theme_properties('dark')['--chart-mark']};" in theme_css("dark")
    with pytest.raises(KeyError):
        paint("no-such-colour")


def test_contrast_is_that_of_the_guidelines():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == contrast("#ffffff", "#777777") == pytest.approx(4.48, abs=0.01)
