"""The essays of an experiment: their list, and one of them with all that was said of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from daydreaming.errors import InputError
from daydreaming.pipeline.essays_list import list_choices, list_essays, place_in_list
from daydreaming.pipeline.reader import open_essay
from daydreaming.pipeline.verdicts_shown import Verdict, summarize_scores, verdicts_on, with_texts
from daydreaming.settings import DAG_ID, Settings
from daydreaming.store.essay_queries import EssayFilter
from daydreaming.ui.access import VisitorDep
from daydreaming.ui.essay_filter import BLANK_IS_NONE, CellId, EssayQueryDep, ExperimentId, GenerationId
from daydreaming.ui.pages import page
from daydreaming.ui.paging import Paged, PageNumber

router = APIRouter(default_response_class=HTMLResponse)
_PER_PAGE = 50
_VERDICTS_PER_PAGE = 24
_VerdictPage = Annotated[int, Query(ge=1, le=1_000_000, description="Page of the verdicts, from 1")]
_Show = Annotated[Literal["prompt"] | None, BLANK_IS_NONE, Query(description="What to unfold")]


@router.get("/experiments/{experiment_id}/essays", name="essays")
def show_essays(
    request: Request,
    who: VisitorDep,
    experiment_id: ExperimentId,
    query: EssayQueryDep,
    number: PageNumber = 1,
) -> HTMLResponse:
    """The essays that a filter leaves, sorted."""
    settings = Settings.from_env()
    found = list_essays(
        settings, experiment_id, query.wanted, query.sort, query.order, page=number, size=_PER_PAGE
    )
    return page(
        request,
        "essays.html",
        who,
        experiment_id=experiment_id,
        tab="essays",
        query=query,
        no_filter=EssayFilter(),
        rows=Paged(found.rows, number, _PER_PAGE, found.total),
        choices=list_choices(settings, experiment_id),
        as_share=found.as_share,
        ranges=found.ranges,
        concepts=found.concepts,
    )


@router.get("/experiments/{experiment_id}/essays/{generation_id:path}", name="essay")
def read_essay(
    request: Request,
    who: VisitorDep,
    experiment_id: ExperimentId,
    generation_id: GenerationId,
    query: EssayQueryDep,
    verdict: CellId = None,
    show: _Show = None,
    verdict_page: _VerdictPage = 1,
) -> HTMLResponse:
    """One essay; ``query`` is that of the list that it was opened from."""
    settings, now = Settings.from_env(), datetime.now(UTC)
    essay = open_essay(settings, experiment_id, generation_id, now)
    verdicts = verdicts_on(settings, experiment_id, generation_id, now)
    if verdict is not None:
        verdict_page = (_place_of(verdict, verdicts) - 1) // _VERDICTS_PER_PAGE + 1
    cut = Paged(verdicts, verdict_page, _VERDICTS_PER_PAGE)
    prompts_of = [verdict] if verdict is not None and show == "prompt" else []
    return page(
        request,
        "essay.html",
        who,
        experiment_id=experiment_id,
        tab="essays",
        dag_id=DAG_ID,
        query=query,
        essay=essay,
        place=place_in_list(
            settings, experiment_id, query.wanted, query.sort, query.order, essay.cell.cell_id
        ),
        verdicts=verdicts,
        summary=summarize_scores(verdicts),
        rubrics=list(dict.fromkeys(v.cell.evaluation_template for v in verdicts)),
        judges=list(dict.fromkeys(v.cell.evaluation_model for v in verdicts)),
        cards=Paged(
            with_texts(settings, cut.rows, prompts_of), verdict_page, _VERDICTS_PER_PAGE, len(verdicts)
        ),
        chosen=verdict,
        show=show,
    )


def _place_of(evaluation_id: str, verdicts: list[Verdict]) -> int:
    for verdict in verdicts:
        if verdict.cell.cell_id == evaluation_id:
            return verdict.number
    raise InputError(f"No verdict {evaluation_id!r} on this essay is planned in this experiment.")
