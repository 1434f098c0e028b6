"""People beside judges: the table of an experiment, and the same as of now for its page."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from daydreaming.pipeline.experiments import choose_experiments
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.files import DataRoot
from daydreaming.store.rating_queries import ratings_of_experiment, verdicts_on_rated
from daydreaming.store.ratings import RatingRecord, read_rating_files, response_sha256

if TYPE_CHECKING:
    import pandas as pd

TABLE = "human_agreement"
#: Column of the table by field of ``JudgeAgreement``.
_COLUMNS: Mapping[str, str] = {
    "rubric": "evaluation_template",
    "judge": "evaluation_model",
    "essays": "essays",
    "raters": "raters",
    "left_out": "left_out",
    "difference": "difference",
    "low": "ci_low",
    "high": "ci_high",
    "sd": "sd_difference",
    "limit_low": "limit_low",
    "limit_high": "limit_high",
    "icc": "icc_a1",
    "alpha": "krippendorff_alpha",
    "why": "why",
}


@dataclass(frozen=True)
class JudgeAgreement:
    """One row of the table; None where it has no number. Points are on 0–10.

    Attributes:
        judge: '' for the mean of the judges.
        essays: Those with a score and a rating.
        raters: People who rated them.
        left_out: Rated essays without a score of this judge.
        difference: Judge minus people, on average; with its 95 % interval from ``low`` to ``high``.
        sd: Of the differences; 95 % of them lie from ``limit_low`` to ``limit_high``, if they are normal.
        icc: ICC(A,1).
        alpha: Krippendorff's, interval level.
        why: Why a number is missing.
    """

    rubric: str
    judge: str
    essays: int
    raters: int
    left_out: int
    difference: float | None
    low: float | None
    high: float | None
    sd: float | None
    limit_low: float | None
    limit_high: float | None
    icc: float | None
    alpha: float | None
    why: str


@dataclass(frozen=True)
class LiveAgreement:
    """What people have said of an experiment's essays so far.

    Attributes:
        rows: By rubric and judge; the mean of a rubric's judges comes first.
        ratings: That count: one for each person, essay and rubric.
        essays: Different ones that were rated.
        raters: People.
    """

    rows: Sequence[JudgeAgreement]
    ratings: int
    essays: int
    raters: int


def _say_nothing(warning: str) -> None:
    """Where `daydreaming verify` names the file in another way."""


def live(settings: Settings, experiment_id: str) -> LiveAgreement:
    """The table as it would be written now, from the results database.

    Raises:
        InputError: No such experiment.
    """
    choose_experiments(settings, experiment_id)
    engine = engine_for(settings)
    ratings = latest_ratings(ratings_of_experiment(engine, experiment_id))
    rows: list[JudgeAgreement] = []
    if ratings:
        # Loaded where somebody has rated: pandas alone takes half a second.
        import pandas as pd

        from daydreaming.analysis.human_agreement import human_agreement

        verdicts = pd.DataFrame(verdicts_on_rated(engine, experiment_id))
        numbers = {"score": "float64", "score_min": "float64", "score_max": "float64"}
        rows = list(_rows(human_agreement(verdicts.astype(numbers), _frame(ratings))))
    essays = {rating.generation_task_id for rating in ratings}
    return LiveAgreement(rows, len(ratings), len(essays), len({rating.rater for rating in ratings}))


def ratings_of(
    settings: Settings, scores: pd.DataFrame, warn: Callable[[str], None] = _say_nothing
) -> tuple[RatingRecord, ...]:
    """The ratings that count for the essays and rubrics of a table of scores, from their files.

    A rating of another response than its generation has now is of another essay, and is left out. So is one
    whose file cannot be read: whose essay it is of, nobody can tell, and the tables must not wait for it.

    Args:
        settings: The deployment's settings.
        scores: Of an experiment.
        warn: Is told of each file that cannot be read.

    Raises:
        StoreError: A record cannot be read.
    """
    found = read_rating_files(settings.data_root)
    for path, problem in found.problems.items():
        warn(f"{path}: left out of {TABLE}: {problem}")
    stored = found.ratings
    if not stored:
        return ()
    wanted = set(zip(scores["generation_task_id"], scores["evaluation_template"], strict=True))
    mine = [r for r in stored if (r.generation_task_id, r.evaluation_template) in wanted]
    files = DataRoot(settings.data_root)
    answers = {name: _answer(files, name) for name in {r.generation_task_id for r in mine}}
    return latest_ratings(r for r in mine if _is_of(r, answers[r.generation_task_id]))


def ratings_digest(ratings: Sequence[RatingRecord]) -> str:
    """One for what the ratings say."""
    text = json.dumps([{**asdict(r), "rated_at": r.rated_at.isoformat()} for r in ratings], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def agreement_tables(scores_text: str, ratings: Sequence[RatingRecord]) -> dict[str, pd.DataFrame]:
    """The table by its name, made of what ``parsed_scores.csv`` holds; nothing where nobody has rated."""
    from daydreaming.analysis.human_agreement import human_agreement
    from daydreaming.analysis.score_file import scores_of_csv

    return {TABLE: human_agreement(scores_of_csv(scores_text), _frame(ratings))} if ratings else {}


def latest_ratings(ratings: Iterable[RatingRecord]) -> tuple[RatingRecord, ...]:
    """The last of what each person said of an essay on a rubric, by essay, rubric and person."""
    ordered = sorted(ratings, key=lambda rating: (rating.rated_at, rating.rating_id))
    last = {(r.generation_task_id, r.evaluation_template, r.rater): r for r in ordered}
    return tuple(last[key] for key in sorted(last))


@dataclass(frozen=True)
class _Answer:
    """What tells which ratings are of it."""

    sha256: str | None
    ended_at: datetime | None


def _answer(files: DataRoot, generation_task_id: str) -> _Answer:
    text = files.read_provenance("generation", generation_task_id).get("ended_at")
    ended_at = datetime.fromisoformat(text) if text else None
    return _Answer(response_sha256(files.path, generation_task_id), ended_at)


def _is_of(rating: RatingRecord, answer: _Answer) -> bool:
    """As ``rating_queries`` has it."""
    if rating.response_sha256 is not None:
        return rating.response_sha256 == answer.sha256
    return answer.ended_at is None or rating.rated_at >= answer.ended_at


def _frame(ratings: Sequence[RatingRecord]) -> pd.DataFrame:
    from daydreaming.analysis.frames import typed_frame
    from daydreaming.analysis.human_agreement import RATING_KINDS

    return typed_frame(map(asdict, ratings), RATING_KINDS)


def _rows(table: pd.DataFrame) -> Iterator[JudgeAgreement]:
    from daydreaming.analysis.export import frame_rows

    for row in frame_rows(table):
        yield JudgeAgreement(**{name: row[column] for name, column in _COLUMNS.items()})
