"""What an experiment misses, why, and where in Airflow it can be called again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse

from daydreaming.inputs.records import Stage
from daydreaming.pipeline.failures_list import REASONS, STATE_WORDS, read_missing, read_unreadable
from daydreaming.settings import DAG_ID, Settings
from daydreaming.store.open_cells import OpenFilter, State
from daydreaming.ui.access import Visitor, VisitorDep
from daydreaming.ui.essay_filter import BLANK_IS_NONE, CellId, ExperimentId
from daydreaming.ui.instances import TASKS
from daydreaming.ui.pages import page
from daydreaming.ui.paging import Paged, PageNumber

router = APIRouter(default_response_class=HTMLResponse)
_PER_PAGE = 50
_UNREAD_PER_PAGE = 25

_UnreadPage = Annotated[
    int, Query(alias="unread_page", ge=1, le=1_000_000, description="Page of unreadable answers, from 1")
]
_State = Annotated[State | None, BLANK_IS_NONE, Query()]
_Stage = Annotated[Stage | None, BLANK_IS_NONE, Query()]


@dataclass(frozen=True)
class FailuresQuery:
    """Which open cells are asked for, and which page of each list.

    Attributes:
        number: Page of the open cells.
        unread_number: Page of the unreadable answers.
    """

    wanted: OpenFilter
    number: int
    unread_number: int


def failures_query(
    state: _State = None,
    stage: _Stage = None,
    model: CellId = None,
    error_class: CellId = None,
    number: PageNumber = 1,
    unread_number: _UnreadPage = 1,
) -> FailuresQuery:
    """Read the query of a request."""
    return FailuresQuery(OpenFilter(state, stage, model, error_class), number, unread_number)


_FailuresQueryDep = Annotated[FailuresQuery, Depends(failures_query)]


@router.get("/experiments/{experiment_id}/failures", name="failures")
def list_failures(
    request: Request, who: VisitorDep, experiment_id: ExperimentId, query: _FailuresQueryDep
) -> HTMLResponse:
    """Calls without an answer, and answers that could not be read."""
    return _page(request, "failures.html", who, experiment_id, query)


@router.get("/experiments/{experiment_id}/failures/part", name="failures_part")
def list_failures_part(
    request: Request, who: VisitorDep, experiment_id: ExperimentId, query: _FailuresQueryDep
) -> HTMLResponse:
    """The lists alone: the page fetches them again while a run goes on."""
    return _page(request, "failures_lists.html", who, experiment_id, query)


def _page(
    request: Request, template: str, who: Visitor, experiment_id: str, query: FailuresQuery
) -> HTMLResponse:
    wanted, number, unread_number = query.wanted, query.number, query.unread_number
    settings, now = Settings.from_env(), datetime.now(UTC)
    missing = read_missing(settings, experiment_id, wanted, now, page=number, size=_PER_PAGE)
    answers, unread = read_unreadable(settings, experiment_id, page=unread_number, size=_UNREAD_PER_PAGE)
    return page(
        request,
        template,
        who,
        experiment_id=experiment_id,
        tab="failures",
        missing=missing,
        rows=Paged(missing.cells, number, _PER_PAGE, missing.total),
        wanted={name: value for name, value in vars(wanted).items() if value is not None},
        reasons=REASONS,
        words=STATE_WORDS,
        unread=unread,
        unread_rows=Paged(answers, unread_number, _UNREAD_PER_PAGE, sum(unread.values())),
        dag_id=DAG_ID,
        tasks=TASKS,
    )
