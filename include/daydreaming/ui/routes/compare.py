"""Two essays side by side; where one is missing, a list to choose it from."""

from __future__ import annotations

from datetime import UTC, datetime

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from daydreaming.pipeline.compare_essays import compare_essays
from daydreaming.pipeline.essays_list import list_choices, list_essays
from daydreaming.pipeline.reader import find_generation
from daydreaming.pipeline.text_diff import MAX_WORD_CHARS
from daydreaming.settings import Settings
from daydreaming.ui.access import VisitorDep
from daydreaming.ui.essay_filter import CellId, EssayQuery, EssayQueryDep, ExperimentId
from daydreaming.ui.pages import page
from daydreaming.ui.paging import Paged, PageNumber

router = APIRouter(default_response_class=HTMLResponse)
_PER_PAGE = 25


@router.get("/experiments/{experiment_id}/compare", name="compare")
def show_comparison(
    request: Request,
    who: VisitorDep,
    experiment_id: ExperimentId,
    query: EssayQueryDep,
    left: CellId = None,
    right: CellId = None,
    number: PageNumber = 1,
) -> HTMLResponse:
    """Both essays, or those to choose from; ``query`` filters the latter."""
    settings = Settings.from_env()
    if left is None or right is None:
        return _choose(request, who, settings, experiment_id, query, left, right, number)
    return page(
        request,
        "compare.html",
        who,
        experiment_id=experiment_id,
        tab="essays",
        compared=compare_essays(settings, experiment_id, left, right, datetime.now(UTC)),
        longest=MAX_WORD_CHARS,
    )


def _choose(
    request: Request,
    who: VisitorDep,
    settings: Settings,
    experiment_id: str,
    query: EssayQuery,
    left: str | None,
    right: str | None,
    number: int,
) -> HTMLResponse:
    given = left or right
    if given is not None:
        find_generation(settings, experiment_id, given)
    found = list_essays(
        settings, experiment_id, query.wanted, query.sort, query.order, page=number, size=_PER_PAGE
    )
    return page(
        request,
        "compare_choose.html",
        who,
        experiment_id=experiment_id,
        tab="essays",
        query=query,
        kept={name: one for name, one in (("left", left), ("right", right)) if one is not None},
        free="right" if left is not None else "left",
        rows=Paged(found.rows, number, _PER_PAGE, found.total),
        choices=list_choices(settings, experiment_id),
        as_share=found.as_share,
        concepts=found.concepts,
    )
