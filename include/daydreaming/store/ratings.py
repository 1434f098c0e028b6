"""Ratings: what people say of essays, each a write-once file with its row."""

from __future__ import annotations

import json
import math
import re
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from daydreaming.errors import StoreError
from daydreaming.store.files import DataRoot, file_sha256, write_new
from daydreaming.store.times import read_time

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class RatingRecord:
    """A person's score of an essay on a rubric; see ``schema.Rating``.

    Attributes:
        rating_id: 32 hexadecimal digits.
        score: Points from ``score_min`` to ``score_max``.
        response_sha256: Of the response whose essay was rated: the cell may get another one. None in a file
            of an earlier release.

    Raises:
        StoreError: No such ID, or a score outside the scale.
    """

    rating_id: str
    generation_task_id: str
    evaluation_template: str
    rater: str
    score: float
    score_min: float
    score_max: float
    rated_at: datetime
    comment: str | None = None
    response_sha256: str | None = None

    def __post_init__(self) -> None:
        if not _ID.fullmatch(self.rating_id):
            raise StoreError(f"rating_id must be 32 hexadecimal digits; got {self.rating_id!r}.")
        if not (math.isfinite(self.score) and self.score_min <= self.score <= self.score_max):
            raise StoreError(
                f"the score of rating {self.rating_id} must be from {self.score_min:g} to "
                f"{self.score_max:g}; got {self.score}."
            )


@dataclass(frozen=True)
class RatingFiles:
    """What the files of ratings say.

    Attributes:
        ratings: By ID.
        problems: By file, why it cannot be read and what to do, in one line.
    """

    ratings: list[RatingRecord]
    problems: dict[Path, str]


def write_rating(engine: Engine, data_root: Path, rating: RatingRecord) -> bool:
    """Store a rating, once: its file, then its row.

    Returns:
        False where a rating of this ID is stored; it stays as it is.
    """
    path = _folder(data_root) / f"{rating.rating_id}.json"
    is_new = write_new(path, _text(rating))
    with engine.begin() as connection:
        # Also where the file was there: a crash may have left it without its row.
        insert_ratings(connection, [_read(path)])
    return is_new


def read_ratings(engine: Engine, generation_task_id: str | None = None) -> list[RatingRecord]:
    """Ratings, oldest first; of one essay where it is named."""
    from sqlalchemy import select

    from daydreaming.store.schema import Rating

    columns = [getattr(Rating, name) for name in RatingRecord.__dataclass_fields__]
    query = select(*columns).order_by(Rating.rated_at, Rating.rating_id)
    if generation_task_id is not None:
        query = query.where(Rating.generation_task_id == generation_task_id)
    with engine.connect() as connection:
        return [RatingRecord(*row) for row in connection.execute(query)]


def stored_ratings(data_root: Path) -> list[RatingRecord]:
    """Ratings from their files, by ID.

    Raises:
        StoreError: A file cannot be read.
    """
    return [_read(path) for path in _files(data_root)]


def read_rating_files(data_root: Path) -> RatingFiles:
    """The same without those that cannot be read, which are named."""
    found = RatingFiles([], {})
    for path in _files(data_root):
        try:
            found.ratings.append(_read(path))
        except StoreError as error:
            found.problems[path] = str(error).removeprefix(f"{path}: ")
    return found


def response_sha256(data_root: Path, generation_task_id: str) -> str | None:
    """Of the response that a generation has now; None where it has none."""
    return file_sha256(DataRoot(data_root).response("generation", generation_task_id))


def insert_ratings(connection: Connection, ratings: list[RatingRecord]) -> None:
    """Write the rows of ratings that have none."""
    from daydreaming.store.schema import Rating
    from daydreaming.store.upsert import insert_missing

    insert_missing(connection, Rating, [asdict(rating) for rating in ratings])


def _files(data_root: Path) -> list[Path]:
    return [path for path in sorted(_folder(data_root).glob("*.json")) if path.name[0] != "."]


def _folder(data_root: Path) -> Path:
    return DataRoot(data_root).ratings()


def _text(rating: RatingRecord) -> str:
    record = {**asdict(rating), "rated_at": rating.rated_at.astimezone(UTC).isoformat()}
    return json.dumps(record, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _read(path: Path) -> RatingRecord:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        rating = RatingRecord(**{**record, "rated_at": read_time("rated_at", record["rated_at"])})
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise StoreError(
            f"{path}: cannot be read ({type(error).__name__}: {error}). Restore it from a backup, or move it "
            "away."
        ) from error
    if rating.rating_id != path.stem:
        raise StoreError(f"{path}: holds the rating {rating.rating_id}. Give the file its name back.")
    return rating
