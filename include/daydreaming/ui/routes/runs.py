"""From a run in Airflow's UI to its experiment."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from daydreaming.pipeline.experiment_page import experiment_of_run
from daydreaming.settings import DAG_ID, Settings
from daydreaming.ui.access import VisitorDep
from daydreaming.ui.pages import Addresses, page

router = APIRouter(default_response_class=HTMLResponse)
_Name = Annotated[str, Query(min_length=1, max_length=250, pattern=r"^[^\x00-\x1f\x7f]+$")]


@router.get("/run", name="run")
def show_run(request: Request, who: VisitorDep, dag_id: _Name, run_id: _Name) -> Response:
    """To the experiment of a run; Airflow shows this on the page of every run of every DAG."""
    experiment_id = experiment_of_run(Settings.from_env(), run_id) if dag_id == DAG_ID else None
    if experiment_id is None:
        return page(request, "run_unknown.html", who, dag_id=dag_id, run_id=run_id, our_dag_id=DAG_ID)
    return RedirectResponse(Addresses(request)("experiments", experiment_id), 303)
