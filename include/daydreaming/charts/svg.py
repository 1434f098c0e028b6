"""Elements of SVG as safe HTML: whatever text goes in is escaped. Unscaled, 1 unit is 1 pixel."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Literal

from markupsafe import Markup

from daydreaming.charts.labels import visible

WIDTH: Final = 640.0
NARROW: Final = 350.0
"""Width of the same drawing for a phone, where ``WIDTH`` would be scaled until nobody can read it."""
SIZE: Final = 12.0
"""Font size of names and values."""
SMALL: Final = 11.0
"""Font size of ticks and notes: nothing is smaller."""

Anchor = Literal["start", "middle", "end"]

_FIGURE = Markup(
    '<svg class="chart" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
    'height="{height}" role="img" aria-label="{title}" font-family="inherit" '
    'font-variant-numeric="tabular-nums"><title>{title}</title><desc>{desc}</desc>{parts}</svg>'
)
_TEXT = Markup(
    '<text x="{x}" y="{y}" font-size="{size}" text-anchor="{anchor}" fill="{fill}"{weight}>'
    "{hover}{text}</text>"
)
_LINE = Markup('<line x1="{}" y1="{}" x2="{}" y2="{}" stroke="{}" stroke-width="{}"{}/>')
_RECT = Markup('<rect x="{}" y="{}" width="{}" height="{}" fill="{}">{}</rect>')
_CIRCLE = Markup('<circle cx="{}" cy="{}" r="{}" fill="{}">{}</circle>')
_PATH = Markup('<polyline points="{}" fill="none" stroke="{}" stroke-width="2"{}/>')


def figure(height: float, title: str, desc: str, parts: Iterable[Markup], *, width: float = WIDTH) -> Markup:
    """A whole drawing.

    Args:
        height: Its height; it scales with the page.
        title: What it shows: its name for who cannot see it.
        desc: The same data in words.
        parts: What is drawn, in this order.
        width: How wide it is.
    """
    return _FIGURE.format(
        width=place(width),
        height=place(height),
        title=visible(title),
        desc=visible(desc),
        parts=join(parts),
    )


def text(
    x: float,
    y: float,
    content: str,
    *,
    anchor: Anchor = "start",
    size: float = SIZE,
    fill: str = "currentColor",
    hover: str = "",
    bold: bool = False,
) -> Markup:
    """A line of text on its baseline; ``hover`` is shown to who points at it."""
    return _TEXT.format(
        x=place(x),
        y=place(y),
        size=place(size),
        anchor=anchor,
        fill=fill,
        weight=Markup(' font-weight="600"') if bold else "",
        hover=_hover(hover),
        text=visible(content),
    )


def line(
    x1: float, y1: float, x2: float, y2: float, stroke: str, *, width: float = 1, dash: str = ""
) -> Markup:
    """A straight line."""
    dashes = Markup(' stroke-dasharray="{}"').format(dash) if dash else ""
    return _LINE.format(place(x1), place(y1), place(x2), place(y2), stroke, place(width), dashes)


def rect(x: float, y: float, width: float, height: float, fill: str, *, hover: str = "") -> Markup:
    """A filled rectangle."""
    return _RECT.format(place(x), place(y), place(width), place(height), fill, _hover(hover))


def circle(x: float, y: float, radius: float, fill: str, *, hover: str = "") -> Markup:
    """A filled circle."""
    return _CIRCLE.format(place(x), place(y), place(radius), fill, _hover(hover))


def path(points: Sequence[tuple[float, float]], stroke: str, *, dash: str = "") -> Markup:
    """A line through points."""
    places = " ".join(f"{place(x)},{place(y)}" for x, y in points)
    return _PATH.format(places, stroke, Markup(' stroke-dasharray="{}"').format(dash) if dash else "")


def join(parts: Iterable[Markup]) -> Markup:
    """Elements one after the other."""
    return Markup("").join(parts)


def empty(title: str, message: str, *, width: float = WIDTH) -> Markup:
    """A drawing that says why it shows nothing."""
    return figure(40, title, message, [text(0, 24, message)], width=width)


def place(value: float) -> str:
    """A coordinate with two decimals at most."""
    shown = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if shown == "-0" else shown


def _hover(content: str) -> Markup:
    return Markup("<title>{}</title>").format(visible(content)) if content else Markup("")
