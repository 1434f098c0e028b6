"""Colours of charts and heat maps as a style sheet: those that the charts themselves define."""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Final

from fastapi import APIRouter, Response

from daydreaming.charts.colours import theme_css
from daydreaming.charts.heat import heat_css

router = APIRouter()
_NAME: Final = "charts.css"
#: The address names the content, so a browser may keep it.
_KEPT: Final = "private, max-age=31536000, immutable"


@router.get(f"/{_NAME}", name="chart_colours", include_in_schema=False)
def show_chart_colours() -> Response:
    """The style sheet."""
    return Response(chart_css(), media_type="text/css", headers={"cache-control": _KEPT})


@cache
def chart_css() -> str:
    """Light by default; dark where Airflow or, without it, the system says so."""
    dark = theme_css("dark")
    return (
        f":root{{{theme_css('light')}}}\n"
        f':root[data-theme="dark"]{{{dark}}}\n'
        f"@media (prefers-color-scheme:dark){{:root:not([data-theme]){{{dark}}}}}\n"
        f"{heat_css()}\n"
    )


@cache
def chart_css_version() -> str:
    """Part of the style sheet's address."""
    return hashlib.sha256(chart_css().encode()).hexdigest()[:12]
