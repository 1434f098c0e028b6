"""Blind rating: which essay a person reads next, and what becomes of the score (docs/rating.md)."""

from __future__ import annotations

import hashlib
import math
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from daydreaming.errors import InputError, ObjectStoreError, StoreError
from daydreaming.inputs.experiment_files import PLAIN_NUMBER
from daydreaming.inputs.records import Template
from daydreaming.pipeline.experiments import choose_experiments
from daydreaming.pipeline.frozen import frozen_inputs
from daydreaming.pipeline.scoring import current_scoring
from daydreaming.prompts.rubric import rubric_for_people, whole_rubric
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.files import DataRoot
from daydreaming.store.plans import read_run
from daydreaming.store.rating_queries import (
    judges_sd,
    latest_rating,
    list_rubrics,
    planned_run_of,
    ratable_essays,
    ratings_of_experiment,
    read_rating,
    row_sha256,
)
from daydreaming.store.ratings import RatingRecord, response_sha256, write_rating

MAX_COMMENT_CHARS = 2_000
#: Points on 0–10 that are added to the judges' disagreement: an essay on which they agree is worth a
#: person's score, too.
AGREED_WORTH = 1.0
_DECIMALS = 9


class Place(NamedTuple):
    """Where an essay stands in a person's order; greater places come later.

    Attributes:
        worth: Minus what a rating would tell.
        mixed: Hash of person and essay: among equals each person has an order of his own.
    """

    worth: float
    mixed: str


@dataclass(frozen=True)
class RubricRatings:
    """What people have rated on one rubric.

    Attributes:
        rubric: Evaluation template.
        people: How many have rated each essay, by generation ID; without those that nobody has.
        mine: Essays that the person has rated.
    """

    rubric: str
    people: Mapping[str, int]
    mine: Collection[str]

    @property
    def ratings(self) -> int:
        """One for each person and essay."""
        return sum(self.people.values())


@dataclass(frozen=True)
class Rubric:
    """What a person rates on.

    Attributes:
        rubric: Evaluation template.
        text: Its instructions, without what is for judges alone; ``whole_text`` with it.
        score_min: Lowest score; likewise ``score_max``.
    """

    rubric: str
    name: str
    text: str
    whole_text: str
    score_min: float
    score_max: float

    @property
    def step(self) -> float:
        """What one press on an arrow key adds: the least power of ten from a hundredth of the range on."""
        return float(10.0 ** (math.ceil(math.log10(self.score_max - self.score_min)) - 2))


@dataclass(frozen=True)
class BlindEssay:
    """An essay and what to rate it on; whoever shows it leaves the ID out.

    Attributes:
        response_sha256: Of the response that it is from.
        digest: Of all that the rater judges by: a form that was sent for another text, rubric or scale is
            not stored.
    """

    generation_task_id: str
    text: str
    rubric: Rubric
    response_sha256: str

    @property
    def digest(self) -> str:
        """Sixteen hexadecimal digits of a SHA-256."""
        rubric = self.rubric
        return _hash(repr((self.text, rubric.whole_text, rubric.score_min, rubric.score_max)))


@dataclass(frozen=True)
class Offer:
    """What a person rates next.

    Attributes:
        rubrics: All of the experiment, by name; empty where no evaluation is planned.
        open: The rubric that is open; None where ``rubrics`` is empty.
        essays: How many can be rated on it.
        essay: None where the person has rated all of them.
        place: Where it stands in the person's order.
        is_again: Whether it was skipped, and all after it are rated or skipped.
    """

    rubrics: Sequence[RubricRatings]
    open: RubricRatings | None = None
    essays: int = 0
    essay: BlindEssay | None = None
    place: Place | None = None
    is_again: bool = False


def next_essay(
    settings: Settings, experiment_id: str, rater: str, rubric: str | None = None, after: Place | None = None
) -> Offer:
    """The essay whose rating tells most, of those that a person has not rated.

    Args:
        settings: The deployment's settings.
        experiment_id: Whose essays.
        rater: The person's name.
        rubric: Evaluation template; None for the one with the fewest ratings that the person has not done.
        after: Place of the essay that the person skipped.

    Raises:
        InputError: No such experiment, or it has no such rubric.
        StoreError: An object store does not answer, or the experiment's scorings cannot be read.
    """
    rubrics = _read_rubrics(settings, experiment_id, rater)
    offer = Offer(rubrics)
    for chosen in _candidates(rubrics, experiment_id, rubric):
        there = ratable_essays(engine_for(settings), experiment_id, chosen.rubric)
        ordered = _in_order(settings, experiment_id, chosen, there - set(chosen.mine), rater)
        for place, essay_id in _from(ordered, after):
            essay = _open_essay(settings, experiment_id, essay_id, chosen.rubric)
            if essay is not None:
                is_again = after is not None and place <= after
                return Offer(rubrics, chosen, len(there), essay, place, is_again)
        offer = offer if offer.open else Offer(rubrics, chosen, len(there))
    return offer


def offer_again(
    settings: Settings, experiment_id: str, rater: str, rubric: str, generation_task_id: str, place: Place
) -> Offer:
    """One essay once more, for a form that came back; without it where it is there no more.

    Raises:
        InputError: No such experiment, or it has no such rubric.
        StoreError: As above.
    """
    rubrics = _read_rubrics(settings, experiment_id, rater)
    [chosen] = _candidates(rubrics, experiment_id, rubric)
    there = ratable_essays(engine_for(settings), experiment_id, rubric)
    essay = _open_essay(settings, experiment_id, generation_task_id, rubric)
    return Offer(rubrics, chosen, len(there), essay, place)


def _open_essay(
    settings: Settings, experiment_id: str, generation_task_id: str, rubric: str
) -> BlindEssay | None:
    """An essay with its rubric; None where either is not there, or cannot be read."""
    engine, data_root = engine_for(settings), settings.data_root
    if not ratable_essays(engine, experiment_id, rubric, only=generation_task_id):
        return None
    run_id = planned_run_of(engine, experiment_id, rubric, generation_task_id)
    try:
        text = DataRoot(data_root).read_essay(generation_task_id)
        if text is None or run_id is None:
            return None
        template = frozen_inputs(data_root, read_run(engine, run_id)).evaluation_template(rubric)
    except ObjectStoreError:
        raise
    except StoreError:
        # `daydreaming verify` tells of it: the others can be rated.
        return None
    response = response_sha256(data_root, generation_task_id)
    # Files and row differ while an answer takes another's place: the essay may be of either.
    if response is None or response != row_sha256(engine, generation_task_id):
        return None
    if scoring := current_scoring(settings, experiment_id).get(rubric):
        template = scoring.applied_to(template)
    return BlindEssay(generation_task_id, text, _rubric(template), response)


def read_score(text: str, rubric: Rubric) -> float:
    """The score that a person typed.

    Raises:
        InputError: It is no number on the rubric's scale.
    """
    score = float(text) if PLAIN_NUMBER.fullmatch(text.strip()) else math.nan
    if not rubric.score_min <= score <= rubric.score_max:
        got = repr(text.strip()[:40]) if text.strip() else "nothing"
        raise InputError(
            f"The score must be a number from {rubric.score_min:g} to {rubric.score_max:g}; got {got}."
        )
    return score


def read_comment(text: str) -> str | None:
    """The comment that a person typed, with plain line ends; None where it is empty.

    Raises:
        InputError: It is too long.
    """
    # PostgreSQL stores no NUL.
    comment = text.replace("\r\n", "\n").replace("\0", "").strip()
    if len(comment) > MAX_COMMENT_CHARS:
        raise InputError(
            f"A comment may have {MAX_COMMENT_CHARS:,} characters at most; got {len(comment):,}. Shorten it."
        )
    return comment or None


def store_rating(
    settings: Settings, essay: BlindEssay, rater: str, score: float, comment: str | None, now: datetime
) -> RatingRecord:
    """Store what a person said of an essay; the same said twice is one rating.

    Returns:
        The rating that counts.
    """
    engine, rubric = engine_for(settings), essay.rubric
    last = latest_rating(engine, essay.generation_task_id, rubric.rubric, rater)
    if last and (last.score, last.comment) == (score, comment):
        return last
    rating = RatingRecord(
        rating_id=uuid.uuid4().hex,
        generation_task_id=essay.generation_task_id,
        evaluation_template=rubric.rubric,
        rater=rater,
        score=score,
        score_min=rubric.score_min,
        score_max=rubric.score_max,
        rated_at=now,
        comment=comment,
        response_sha256=essay.response_sha256,
    )
    write_rating(engine, settings.data_root, rating)
    return rating


def own_rating(settings: Settings, experiment_id: str, rating_id: str, rater: str) -> RatingRecord:
    """A rating that a person gave.

    Raises:
        InputError: No such experiment, or the person gave no such rating.
    """
    choose_experiments(settings, experiment_id)
    rating = read_rating(engine_for(settings), rating_id)
    if rating is None or rating.rater != rater:
        raise InputError(f"You gave no rating {rating_id!r}.")
    return rating


def _candidates(
    rubrics: Sequence[RubricRatings], experiment_id: str, wanted: str | None
) -> list[RubricRatings]:
    """The rubric that is wanted, or all, the least rated first."""
    if wanted is None:
        return sorted(rubrics, key=lambda found: (found.ratings, found.rubric))
    found = [ratings for ratings in rubrics if ratings.rubric == wanted]
    if not found:
        there = ", ".join(ratings.rubric for ratings in rubrics) or "none yet"
        raise InputError(f"Experiment {experiment_id} has no rubric {wanted!r}. Its rubrics: {there}.")
    return found


def _read_rubrics(settings: Settings, experiment_id: str, rater: str) -> list[RubricRatings]:
    choose_experiments(settings, experiment_id)
    engine = engine_for(settings)
    raters: dict[str, dict[str, set[str]]] = {name: {} for name in list_rubrics(engine, experiment_id)}
    for rating in ratings_of_experiment(engine, experiment_id):
        raters[rating.evaluation_template].setdefault(rating.generation_task_id, set()).add(rating.rater)
    return [
        RubricRatings(
            rubric,
            people={essay: len(names) for essay, names in essays.items()},
            mine={essay for essay, names in essays.items() if rater in names},
        )
        for rubric, essays in raters.items()
    ]


def _in_order(
    settings: Settings, experiment_id: str, ratings: RubricRatings, essays: Collection[str], rater: str
) -> list[tuple[Place, str]]:
    """Essays with their places, that first whose rating tells most."""
    sd = judges_sd(engine_for(settings), experiment_id, ratings.rubric)
    return sorted(
        (place_of(essay, rater, sd.get(essay, 0.0), ratings.people.get(essay, 0)), essay) for essay in essays
    )


def place_of(generation_task_id: str, rater: str, sd: float, people: int) -> Place:
    """Where an essay stands in a person's order.

    Args:
        generation_task_id: The essay.
        rater: The person.
        sd: Of the judges' scores, in points on 0–10.
        people: How many have rated it.
    """
    tells = (sd + AGREED_WORTH) / (1 + people)
    return Place(-round(tells, _DECIMALS), _hash(f"{rater}\0{generation_task_id}"))


def _from(ordered: Sequence[tuple[Place, str]], after: Place | None) -> Iterator[tuple[Place, str]]:
    """Those after a place, then the others again."""
    if after is None:
        yield from ordered
        return
    yield from (item for item in ordered if item[0] > after)
    yield from (item for item in ordered if item[0] <= after)


def _rubric(template: Template) -> Rubric:
    if template.score_min is None or template.score_max is None:
        raise ValueError("an evaluation template has a scale")
    return Rubric(
        template.template_id,
        template.template_name,
        rubric_for_people(template.text),
        whole_rubric(template.text),
        template.score_min,
        template.score_max,
    )


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
