"""Search over all texts of an experiment; the index that it needs grows with each look at the page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse

from daydreaming.errors import StoreError
from daydreaming.pipeline.search_groups import group_alike
from daydreaming.pipeline.text_search import Scope, search_texts
from daydreaming.pipeline.verdicts_shown import problem_text
from daydreaming.settings import Settings
from daydreaming.store.files import DataRoot
from daydreaming.ui.access import Visitor, VisitorDep
from daydreaming.ui.essay_filter import ExperimentId
from daydreaming.ui.pages import page
from daydreaming.ui.paging import Paged, PageNumber

router = APIRouter(default_response_class=HTMLResponse)
_PER_PAGE = 20
_Typed = Annotated[str, Query(alias="q", max_length=300, description='Words, "phrases", prefix*')]
_Scope = Annotated[Scope, Query(alias="in", description="Where to look")]


@dataclass(frozen=True)
class SearchQuery:
    """What a visitor looks for, where, and which page of what was found."""

    typed: str
    scope: Scope
    number: int


def search_query(typed: _Typed = "", scope: _Scope = "all", number: PageNumber = 1) -> SearchQuery:
    """Read the query of a request."""
    return SearchQuery(typed, scope, number)


_SearchQueryDep = Annotated[SearchQuery, Depends(search_query)]


@router.get("/experiments/{experiment_id}/search", name="search")
def show_search(
    request: Request, who: VisitorDep, experiment_id: ExperimentId, query: _SearchQueryDep
) -> HTMLResponse:
    """The form, and what was found."""
    return _page(request, "search.html", who, experiment_id, query)


@router.get("/experiments/{experiment_id}/search/part", name="search_part")
def show_search_part(
    request: Request, who: VisitorDep, experiment_id: ExperimentId, query: _SearchQueryDep
) -> HTMLResponse:
    """What was found alone: the page fetches it again while the index grows."""
    return _page(request, "search_results.html", who, experiment_id, query)


def _page(
    request: Request, template: str, who: Visitor, experiment_id: str, query: SearchQuery
) -> HTMLResponse:
    settings, problem = Settings.from_env(), ""
    offset, result = (query.number - 1) * _PER_PAGE, None
    try:
        result = search_texts(
            settings,
            experiment_id,
            query.typed,
            query.scope,
            datetime.now(UTC),
            limit=_PER_PAGE,
            offset=offset,
        )
    except StoreError as error:
        problem = problem_text(DataRoot(settings.data_root), error)
    found, total = (result.found, result.total) if result else ((), 0)
    return page(
        request,
        template,
        who,
        experiment_id=experiment_id,
        tab="search",
        typed=query.typed,
        scope=query.scope,
        rows=Paged(found, query.number, _PER_PAGE, total),
        groups=group_alike(found),
        is_unclosed=query.typed.count('"') % 2 == 1,
        state=result.state if result else None,
        problem=problem,
    )
