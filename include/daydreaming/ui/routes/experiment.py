"""One experiment: what was asked, how far it is, and what its scores say."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request
from fastapi.responses import HTMLResponse

from daydreaming.pipeline.experiment_page import read_head
from daydreaming.pipeline.experiment_panels import read_panels
from daydreaming.pipeline.experiment_progress import (
    ExperimentProgress,
    check_experiment,
    experiment_progress,
)
from daydreaming.pipeline.failures_list import first_failed, missing_of
from daydreaming.pipeline.matrix import Axis, Measure, matrix
from daydreaming.pipeline.statistic_tables import read_table
from daydreaming.settings import DAG_ID, Settings
from daydreaming.ui.access import VisitorDep
from daydreaming.ui.agreement_chart import agreement_chart
from daydreaming.ui.essay_filter import ExperimentId
from daydreaming.ui.instances import TASKS
from daydreaming.ui.matrix_view import AXIS_NAMES, MEASURE_NAMES, MatrixQuery, view_of
from daydreaming.ui.pages import page
from daydreaming.ui.paging import Paged, PageNumber
from daydreaming.ui.routes.chart_colours import chart_css_version
from daydreaming.ui.table_names import table_name

router = APIRouter(default_response_class=HTMLResponse)
#: Failed calls that the overview names; the page of failures has all.
_FAILED_SHOWN = 5
_ROWS_PER_PAGE = 50

_Seen = Annotated[
    str, Query(max_length=64, pattern="^[0-9a-f]*$", description="Statistics that the page shows")
]
_TableName = Annotated[str, Path(max_length=100, pattern="^[a-z0-9_]+$")]


def matrix_query(
    rows: Axis = "generation_template", columns: Axis = "generation_model", value: Measure = "mean"
) -> MatrixQuery:
    """What the matrix is to show.

    Raises:
        HTTPException: 422 where rows and columns are the same.
    """
    if rows == columns:
        raise HTTPException(422, f"rows and columns must be different factors; got {rows} for both.")
    return MatrixQuery(rows, columns, value)


_MatrixQueryDep = Annotated[MatrixQuery, Depends(matrix_query)]


@router.get("/experiments/{experiment_id}", name="experiment")
def show_experiment(
    request: Request, who: VisitorDep, experiment_id: ExperimentId, query: _MatrixQueryDep
) -> HTMLResponse:
    """The overview of an experiment."""
    settings, now = Settings.from_env(), datetime.now(UTC)
    progress = experiment_progress(settings, experiment_id, now)
    head = read_head(settings, experiment_id, progress.crossings)
    has_failed = any(group.state == "failed" for group in progress.groups)
    failed = first_failed(settings, experiment_id, now, _FAILED_SHOWN) if has_failed else []
    missing = missing_of(progress.groups, failed, 0)
    panels = read_panels(settings, progress, head.design)
    return page(
        request,
        "experiment.html",
        who,
        tab="overview",
        head=head,
        panels=panels,
        agreement=agreement_chart(panels.reliability),
        missing=missing,
        chart_css=chart_css_version(),
        dag_id=DAG_ID,
        tasks=TASKS,
        **_progress_values(progress, progress.statistics or ""),
        **_matrix_values(settings, experiment_id, query),
    )


@router.get("/experiments/{experiment_id}/progress", name="experiment_progress")
def show_progress(
    request: Request, who: VisitorDep, experiment_id: ExperimentId, seen: _Seen = ""
) -> HTMLResponse:
    """How far it is: the overview fetches this again while a run goes on."""
    progress = experiment_progress(Settings.from_env(), experiment_id, datetime.now(UTC))
    return page(request, "experiment_progress.html", who, **_progress_values(progress, seen))


@router.get("/experiments/{experiment_id}/matrix", name="experiment_matrix")
def show_matrix(
    request: Request, who: VisitorDep, experiment_id: ExperimentId, query: _MatrixQueryDep
) -> HTMLResponse:
    """The matrix alone: the overview fetches it again."""
    settings = Settings.from_env()
    check_experiment(settings, experiment_id)
    values = _matrix_values(settings, experiment_id, query)
    return page(request, "experiment_matrix.html", who, experiment_id=experiment_id, **values)


@router.get("/experiments/{experiment_id}/tables/{name}", name="experiment_table")
def show_table(
    request: Request, who: VisitorDep, experiment_id: ExperimentId, name: _TableName, number: PageNumber = 1
) -> HTMLResponse:
    """One table of statistics as its file has it, in pages."""
    settings = Settings.from_env()
    check_experiment(settings, experiment_id)
    table = read_table(settings, experiment_id, name, page=number, size=_ROWS_PER_PAGE)
    return page(
        request,
        "experiment_table.html",
        who,
        experiment_id=experiment_id,
        tab="overview",
        table=table,
        rows=Paged(table.rows, number, _ROWS_PER_PAGE, table.total),
        title=table_name(table.name),
    )


def _progress_values(progress: ExperimentProgress, seen: str) -> dict[str, Any]:
    return {"experiment_id": progress.experiment_id, "progress": progress, "seen": seen}


def _matrix_values(settings: Settings, experiment_id: str, query: MatrixQuery) -> dict[str, Any]:
    found = matrix(settings, experiment_id, query.rows, query.columns, query.value)
    return {"query": query, "view": view_of(found), "axes": AXIS_NAMES, "measures": MEASURE_NAMES}
