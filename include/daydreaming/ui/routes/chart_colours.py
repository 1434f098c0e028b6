"""Colours of charts and heat maps as a style sheet: those that the charts themselves define."""

from __future__ import annotations

from functools import cache
from typing import Final

from fastapi import APIRouter, Response

from daydreaming.charts.colours import theme_css
from daydreaming.charts.heat import heat_css
from daydreaming.charts.widths import widths_css
from daydreaming.ui.static_files import KEPT, text_version

router = APIRouter()
_NAME: Final = "charts.css"


@router.get(f"/{_NAME}", name="chart_colours", include_in_schema=False)
def show_chart_colours() -> Response:
    """The style sheet."""
    return Response(chart_css(), media_type="text/css", headers={"cache-control": KEPT})


@cache
def chart_css() -> str:
    """Light by default; dark where Airflow or, without it, the system says so."""
    dark = theme_css("dark")
    return (
        f":root{{{theme_css('light')}}}\n"
        f':root[data-theme="dark"]{{{dark}}}\n'
        f"@media (prefers-color-scheme:dark){{:root:not([data-theme]){{{dark}}}}}\n"
        f"{heat_css()}\n{widths_css()}\n"
    )


@cache
def chart_css_version() -> str:
    """Part of the style sheet's address."""
    return text_version(chart_css().encode())
