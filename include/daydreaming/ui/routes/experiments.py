"""The list of experiments, live while one runs."""

from __future__ import annotations

from datetime import UTC, datetime

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from daydreaming.pipeline.overview import overviews
from daydreaming.settings import Settings
from daydreaming.ui.access import VisitorDep
from daydreaming.ui.pages import page
from daydreaming.ui.paging import Paged, PageNumber

router = APIRouter(default_response_class=HTMLResponse)
_PER_PAGE = 50


@router.get("/", name="experiments")
def list_experiments(request: Request, who: VisitorDep, number: PageNumber = 1) -> HTMLResponse:
    """All experiments, newest first."""
    return _page(request, "experiments.html", who, number)


@router.get("/part", name="experiments_part")
def list_experiments_part(request: Request, who: VisitorDep, number: PageNumber = 1) -> HTMLResponse:
    """The table alone: the page fetches it again while a run goes on."""
    return _page(request, "experiments_table.html", who, number)


def _page(request: Request, template: str, who: VisitorDep, number: int) -> HTMLResponse:
    rows = Paged(overviews(Settings.from_env(), datetime.now(UTC)), number, _PER_PAGE)
    return page(request, template, who, rows=rows)
