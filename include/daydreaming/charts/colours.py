"""Colours of charts and heat maps: in OKLCH, where equal steps look equally wide, as sRGB for the browser.

Every colour is used as a custom property with a fallback, so that a page may bring its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final, Literal

Theme = Literal["light", "dark"]

HEAT_STEPS: Final = 9
"""Colours of a heat map, from the lowest value to the highest."""

INK: Final[Mapping[Theme, str]] = {"light": "#14181f", "dark": "#f3f5f8"}
"""Text on the page."""

#: Pure black and white: one of them is readable on every colour.
_DARK_TEXT, _LIGHT_TEXT = "#000000", "#ffffff"
#: Lightness, chroma and hue of the lowest and of the highest step. Lightness alone tells the order, so that
#: it is seen without colour vision and in grey print; the hue turns a little to keep middle steps apart.
_HEAT_ENDS: Final[Mapping[Theme, tuple[tuple[float, float, float], tuple[float, float, float]]]] = {
    "light": ((0.96, 0.025, 220.0), (0.40, 0.115, 262.0)),
    "dark": ((0.27, 0.045, 262.0), (0.87, 0.085, 215.0)),
}
_MARKS: Final[Mapping[Theme, Mapping[str, str]]] = {
    "light": {
        "mark": "#24619c",
        "soft": "#7ba6d3",
        "grid": "#d9dde3",
        "muted": "#59626f",
        "accent": "#b3431e",
    },
    "dark": {
        "mark": "#7fb4e8",
        "soft": "#47769f",
        "grid": "#39414d",
        "muted": "#a5afbc",
        "accent": "#f29a72",
    },
}
CATEGORIES: Final[Sequence[str]] = (
    "#0072b2",
    "#e69f00",
    "#009e73",
    "#cc79a7",
    "#56b4e9",
    "#d55e00",
    "#f0e442",
    "#8a8f98",
)
"""Parts of a whole, in this order: told apart with any kind of colour vision, on light and on dark.

Source: M. Okabe, K. Ito (2008), Color Universal Design; grey in the place of black.
"""


def oklch_to_hex(lightness: float, chroma: float, hue_degrees: float) -> str:
    """A colour of OKLCH as ``#rrggbb``; what sRGB cannot show is cut off.

    Source: B. Ottosson (2020), A perceptual color space for image processing.
    """
    a, b = (chroma * turn(math.radians(hue_degrees)) for turn in (math.cos, math.sin))
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    linear = (
        4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
    )
    return "#" + "".join(f"{round(255 * _encoded(channel)):02x}" for channel in linear)


def contrast(one: str, other: str) -> float:
    """Contrast of two ``#rrggbb`` colours, from 1 to 21; text needs 4.5.

    Source: W3C (2023), Web Content Accessibility Guidelines 2.2, "contrast ratio".
    """
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def text_on(colour: str) -> str:
    """Dark or white, whichever is easier to read on a colour."""
    return max((_DARK_TEXT, _LIGHT_TEXT), key=lambda text: contrast(text, colour))


def heat_ramp(theme: Theme) -> tuple[str, ...]:
    """Colours of a heat map, lowest first: even steps in OKLCH, away from the page's background."""
    low, high = _HEAT_ENDS[theme]
    shares = (step / (HEAT_STEPS - 1) for step in range(HEAT_STEPS))
    return tuple(
        oklch_to_hex(*(a + share * (b - a) for a, b in zip(low, high, strict=True))) for share in shares
    )


def theme_properties(theme: Theme) -> dict[str, str]:
    """Every custom property that charts and heat maps use, with its colour in a theme."""
    properties = {f"--chart-{name}": colour for name, colour in _MARKS[theme].items()}
    for number, colour in enumerate(CATEGORIES):
        properties |= {f"--chart-part-{number}": colour, f"--chart-part-text-{number}": text_on(colour)}
    for number, colour in enumerate(heat_ramp(theme)):
        properties |= {f"--heat-{number}": colour, f"--heat-text-{number}": text_on(colour)}
    return properties


def theme_css(theme: Theme) -> str:
    """The same as declarations, to put into a rule of the page."""
    return "".join(f"{name}:{colour};" for name, colour in theme_properties(theme).items())


def paint(name: str) -> str:
    """A custom property by its name without dashes, with its light colour as fallback."""
    return f"var(--{name}, {_LIGHT[f'--{name}']})"


def _encoded(linear: float) -> float:
    value = min(max(linear, 0.0), 1.0)
    return 12.92 * value if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055


def _luminance(colour: str) -> float:
    red, green, blue = (int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5))
    linear = (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in (red, green, blue))
    return sum(weight * value for weight, value in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


_LIGHT: Final = theme_properties("light")
