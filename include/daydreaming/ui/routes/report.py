"""The report of an experiment: shown within a page, opened alone, or downloaded."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, HTTPException, Query, Request, Response
from fastapi.responses import HTMLResponse

from daydreaming.pipeline.experiment_progress import check_experiment
from daydreaming.pipeline.report import report_file
from daydreaming.settings import Settings
from daydreaming.store.files import DataRoot
from daydreaming.ui.access import VisitorDep
from daydreaming.ui.essay_filter import ExperimentId
from daydreaming.ui.pages import page

router = APIRouter(default_response_class=HTMLResponse)
#: The file carries its style sheet in itself, and loads and runs nothing.
_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'; base-uri 'none'; "
    "form-action 'none'; sandbox allow-same-origin allow-downloads"
)
_Download = Annotated[bool, Query(description="Whether the browser is to save it")]


@router.get("/experiments/{experiment_id}/report", name="report")
def show_report(request: Request, who: VisitorDep, experiment_id: ExperimentId) -> HTMLResponse:
    """The report in a frame, with what else can be done with it."""
    settings = Settings.from_env()
    check_experiment(settings, experiment_id)
    file = report_file(settings, experiment_id)
    return page(
        request,
        "report.html",
        who,
        experiment_id=experiment_id,
        tab="report",
        is_there=file.exists(),
        file=DataRoot(settings.data_root).relative(file),
    )


@router.get("/experiments/{experiment_id}/report/file", name="report_file")
def open_report(experiment_id: ExperimentId, download: _Download = False) -> Response:
    """The file itself, byte by byte.

    Raises:
        HTTPException: 404 where it is not written yet.
    """
    settings = Settings.from_env()
    check_experiment(settings, experiment_id)
    try:
        content = report_file(settings, experiment_id).read_bytes()
    except FileNotFoundError:
        raise HTTPException(404, f"The report of {experiment_id} is not written yet.") from None
    headers = {"content-security-policy": _POLICY}
    if download:
        name = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in experiment_id)
        headers["content-disposition"] = f'attachment; filename="{name}-report.html"'
    return HTMLResponse(content, headers=headers)
