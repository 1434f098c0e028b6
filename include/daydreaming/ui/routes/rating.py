"""Blind rating: an essay without its origin, a form, the next essay; and what comes of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from daydreaming.errors import InputError
from daydreaming.pipeline.human_agreement import live
from daydreaming.pipeline.rating import (
    MAX_COMMENT_CHARS,
    Offer,
    Place,
    next_essay,
    offer_again,
    own_rating,
    read_comment,
    read_score,
    store_rating,
)
from daydreaming.settings import Settings
from daydreaming.ui.access import RaterDep, Visitor, VisitorDep
from daydreaming.ui.csrf import require_same_origin, seal, small_form, unseal
from daydreaming.ui.pages import Addresses, page

router = APIRouter(default_response_class=HTMLResponse)

RubricName = Annotated[str | None, Query(max_length=250, description="Evaluation template")]
SkipToken = Annotated[str | None, Query(max_length=1_000, description="Which essay was skipped")]
RatingId = Annotated[str | None, Query(pattern="^[0-9a-f]{32}$", description="The rating before")]
Form = Annotated[Mapping[str, str], Depends(small_form)]

_RATE, _SKIP = "rate", "skip"
#: More than the longest IDs take, so that all forms are equally long.
FORM_BYTES = 2_048


@router.get("/experiments/{experiment_id}/rate", name="rate")
def show_next(
    request: Request,
    who: RaterDep,
    experiment_id: str,
    rubric: RubricName = None,
    after: SkipToken = None,
    rated: RatingId = None,
) -> HTMLResponse:
    """The essay whose rating tells most, without a word on where it comes from."""
    settings = Settings.from_env()
    last = own_rating(settings, experiment_id, rated, who.name) if rated else None
    place = Place(*unseal(_SKIP, who.user_id, after).values["place"]) if after else None
    offer = next_essay(settings, experiment_id, who.name, rubric, place)
    return _page(request, who, experiment_id, offer, after, last=last)


@router.post(
    "/experiments/{experiment_id}/rate", name="rate_send", dependencies=[Depends(require_same_origin)]
)
def rate(request: Request, who: RaterDep, experiment_id: str, form: Form) -> Response:
    """Store a rating, then go on to the next essay."""
    settings = Settings.from_env()
    sealed = unseal(_RATE, who.user_id, form.get("form", ""))
    named, after = sealed.values, sealed.values["after"]
    if named["experiment"] != experiment_id:
        raise HTTPException(403, "This form is of another experiment. Open the page again.")
    place = Place(*named["place"])
    offer = offer_again(settings, experiment_id, who.name, named["rubric"], named["essay"], place)
    essay = offer.essay
    if essay is None or essay.digest != named["digest"]:
        raise HTTPException(
            409,
            "The essay, its rubric or the scale has changed since this page was made. Nothing was stored. "
            "Open the page again.",
        )
    try:
        score = read_score(form.get("score", ""), essay.rubric)
        comment = read_comment(form.get("comment", ""))
        if sealed.is_old:
            raise InputError("This page was open for too long. Look at what you wrote, and send it again.")
    except InputError as error:
        return _page(request, who, experiment_id, offer, after, status=422, problem=str(error), typed=form)
    rating = store_rating(settings, essay, who.name, score, comment, datetime.now(UTC))
    query = {"rubric": essay.rubric.rubric, "after": after, "rated": rating.rating_id}
    return RedirectResponse(Addresses(request)("experiments", experiment_id, "rate", **query), 303)


@router.get("/experiments/{experiment_id}/rate/origin/{rating_id}", name="rate_origin")
def show_origin(
    request: Request,
    who: RaterDep,
    experiment_id: str,
    rating_id: Annotated[str, Path(pattern="^[0-9a-f]{32}$")],
) -> Response:
    """To the essay that the user has rated, as the reader shows it."""
    rating = own_rating(Settings.from_env(), experiment_id, rating_id, who.name)
    address = Addresses(request)("experiments", experiment_id, "essays", rating.generation_task_id)
    return RedirectResponse(address, 303)


@router.get("/experiments/{experiment_id}/human-agreement", name="human_agreement")
def show_agreement(request: Request, who: VisitorDep, experiment_id: str) -> HTMLResponse:
    """A panel for the page of an experiment: how far people and judges agree, as of now."""
    agreement = live(Settings.from_env(), experiment_id)
    return page(request, "rate_agreement.html", who, experiment_id=experiment_id, agreement=agreement)


def _page(
    request: Request,
    who: Visitor,
    experiment_id: str,
    offer: Offer,
    after: str | None,
    *,
    status: int = 200,
    **shown: Any,
) -> HTMLResponse:
    values: dict[str, Any] = {"form": "", "skip": "", "last": None, "problem": "", "typed": {}, **shown}
    if offer.essay and offer.place:
        essay = offer.essay
        named = {
            "experiment": experiment_id,
            "essay": essay.generation_task_id,
            "rubric": essay.rubric.rubric,
            "digest": essay.digest,
            "place": offer.place,
            # The next page goes on from there: what was skipped does not come back at once.
            "after": after,
        }
        values["form"] = seal(_RATE, who.user_id, named, FORM_BYTES)
        values["skip"] = seal(_SKIP, who.user_id, {"place": offer.place})
    return page(
        request,
        "rate.html",
        who,
        status=status,
        experiment_id=experiment_id,
        tab="rate",
        offer=offer,
        max_comment=MAX_COMMENT_CHARS,
        **values,
    )
