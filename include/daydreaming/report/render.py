"""The report as one HTML file: no script, nothing to load, every text escaped."""

from __future__ import annotations

import html
import posixpath
import re
from functools import lru_cache
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from daydreaming.charts.colours import INK, theme_css
from daydreaming.charts.heat import heat_css
from daydreaming.charts.labels import visible, with_code
from daydreaming.charts.widths import widths_css
from daydreaming.report.costs import costs_section
from daydreaming.report.design import design_section, question_section
from daydreaming.report.essays import best_section, disputed_section
from daydreaming.report.judges import judges_section
from daydreaming.report.leaderboards import leaderboards_section
from daydreaming.report.matrix import distributions_section, matrix_section
from daydreaming.report.missing import missing_section
from daydreaming.report.reproduce import reproduce_section
from daydreaming.report.source import Source
from daydreaming.report.summary import summary_section
from daydreaming.report.variance import next_design_section, variance_section

SECTIONS: Final = (
    summary_section,
    question_section,
    design_section,
    costs_section,
    leaderboards_section,
    matrix_section,
    distributions_section,
    judges_section,
    variance_section,
    next_design_section,
    missing_section,
    best_section,
    disputed_section,
    reproduce_section,
)
"""What the report says, in this order."""

_GENERATOR = re.compile(r'<meta name="generator" content="([^"]*)">')


def report_html(source: Source) -> str:
    """The whole file; the same source gives the same text."""
    template = _environment().get_template("report.html")
    folder = f"06_summary/{source.experiment_id}"
    return template.render(
        source=source, sections=[section(source) for section in SECTIONS], css=_css(), folder=folder
    )


def made_with_of(report: str) -> str | None:
    """What a report says that its statistics were made with; None where it does not say so."""
    found = _GENERATOR.search(report)
    return html.unescape(found[1]) if found else None


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("daydreaming.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    environment.filters |= {"with_code": with_code, "in_data_root": _in_data_root}
    return environment


def _in_data_root(file: str, folder: str) -> str:
    """A path relative to the report, which is in ``folder``, from the data root on: a report is mailed."""
    return posixpath.normpath(posixpath.join(folder, file))


def _finalize(value: Any) -> Any:
    # What is markup already has been made visible where it was made.
    return value if isinstance(value, Markup) else visible(str(value))


@lru_cache(maxsize=1)
def _css() -> Markup:
    """Colours of both themes; dark is for screens alone, so that paper stays white."""
    light = f":root{{{theme_css('light')}--ink:{INK['light']};--page:#ffffff;--box:#f4f6f9}}"
    dark = f":root{{{theme_css('dark')}--ink:{INK['dark']};--page:#14181f;--box:#1d232c}}"
    return Markup(f"{light}@media screen and (prefers-color-scheme:dark){{{dark}}}{heat_css()}{widths_css()}")  # noqa: S704
