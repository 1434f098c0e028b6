"""A drawing twice: as wide as a page, and as wide as a phone; the style sheet shows the one that fits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from markupsafe import Markup

from daydreaming.charts.svg import NARROW

_BOTH: Final = Markup('<div class="wide">{}</div><div class="narrow">{}</div>')


def both_widths(draw: Callable[..., Markup], *data: Any, **named: Any) -> Markup:
    """The drawing in both widths; a page shows one, by its container's width (``widths_css``).

    Args:
        draw: A function of ``charts`` that takes ``width``.
        *data: What it draws.
        **named: Its other arguments.
    """
    return _BOTH.format(draw(*data, **named), draw(*data, width=NARROW, **named))


def widths_css() -> str:
    """Rules for an element of class ``drawing`` around it: text is never scaled below 10 pixels."""
    return (
        ".drawing{container-type:inline-size}.drawing .narrow{display:none}"
        ".drawing .narrow svg{max-width:30rem}"
        "@container (max-width:36rem){.drawing .wide{display:none}.drawing .narrow{display:block}}"
    )
