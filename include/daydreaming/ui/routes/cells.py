"""From a mapped instance in Airflow to the text behind it: where the links on task instances lead."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from daydreaming.pipeline.cell_lookup import FoundCell, find_cell, prompt_of
from daydreaming.settings import CALL_STAGES, DAG_ID, Settings
from daydreaming.ui.access import VisitorDep
from daydreaming.ui.essay_filter import LONGEST_ID, PRINTABLE
from daydreaming.ui.pages import Addresses, page

router = APIRouter(default_response_class=HTMLResponse)
Show = Literal["essay", "verdict", "prompt"]
_RunId = Annotated[str, Query(max_length=LONGEST_ID, pattern=PRINTABLE)]
_TaskId = Annotated[Literal["generate", "evaluate"], Query()]
_MapIndex = Annotated[int, Query(ge=0, le=2**31 - 1)]
_Show = Annotated[Show, Query(description="Which of the texts behind the instance")]


@router.get("/cell", name="cell", response_model=None)
def open_cell(
    request: Request,
    who: VisitorDep,
    run_id: _RunId,
    task_id: _TaskId,
    map_index: _MapIndex,
    show: _Show = "essay",
) -> Response:
    """The reader at what the instance stands for; a page that says so where that is not there yet."""
    settings = Settings.from_env()
    found = find_cell(settings, run_id, CALL_STAGES[task_id], map_index, datetime.now(UTC))
    if _is_there(found, show):
        return RedirectResponse(_address(Addresses(request), found, show), 303)
    return page(
        request,
        "essay_waiting.html",
        who,
        experiment_id=found.experiment_id,
        tab="essays",
        dag_id=DAG_ID,
        task_id=task_id,
        found=found,
        show=show,
        prompt=prompt_of(settings, found),
    )


def _is_there(found: FoundCell, show: Show) -> bool:
    state = found.essay_state if show == "essay" else found.state
    return state.row is not None


def _address(at: Addresses, found: FoundCell, show: Show) -> str:
    given = {}
    if found.stage == "evaluation" and show != "essay":
        given["verdict"] = found.cell.cell_id
    if show == "prompt":
        given["show"] = "prompt"
    path = at("experiments", found.experiment_id, "essays", found.cell.generation_task_id, **given)
    return f"{path}#verdicts" if show == "verdict" and not given else path
