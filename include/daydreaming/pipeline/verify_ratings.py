"""Check the ratings: each row against the file that it was made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from daydreaming.pipeline.experiments import has_results
from daydreaming.pipeline.verify_findings import Finding, Kind
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.files import DataRoot, list_names
from daydreaming.store.ratings import RatingRecord, read_rating_files

_READ_AT_ONCE = 1_000


def check_ratings(settings: Settings) -> Iterator[Finding]:
    """Read all ratings, and compare their rows; the tables leave out those that cannot be read."""
    files, found = DataRoot(settings.data_root), read_rating_files(settings.data_root)
    for path, problem in found.problems.items():
        yield Finding(Kind.UNREADABLE, files.relative(path), problem)
    if has_results(settings):
        # Rows after files: the file of a rating comes first.
        yield from _check_rows(settings, {rating.rating_id: asdict(rating) for rating in found.ratings})


def _check_rows(settings: Settings, ratings: dict[str, dict[str, Any]]) -> Iterator[Finding]:
    fileless = []
    for row in _rows(settings):
        wanted = ratings.pop(row["rating_id"], None)
        if wanted is None:
            fileless.append(row["rating_id"])
        elif name := next((name for name in wanted if row[name] != wanted[name]), None):
            detail = f"{name} is {row[name]!r}, {wanted[name]!r} in its file"
            yield Finding(Kind.ROW_DIFFERS, _subject(row["rating_id"]), detail)
    # Looked at again: one may have come since, and of one that cannot be read that is said.
    names = set(list_names(DataRoot(settings.data_root).ratings())) if fileless else set[str]()
    for rating_id in fileless:
        if f"{rating_id}.json" not in names:
            # Who takes a rating back deletes its file (docs/rating.md).
            yield Finding(Kind.LEFTOVER, _subject(rating_id), "a row whose file is gone")
    for rating_id in ratings:
        yield Finding(Kind.ROW_MISSING, _subject(rating_id), "no row in the table ratings")


def _subject(rating_id: str) -> str:
    return f"database: ratings/{rating_id}"


def _rows(settings: Settings) -> Iterator[dict[str, Any]]:
    """Rows as they are: one that is no rating at all is to be shown too."""
    from sqlalchemy import select

    from daydreaming.store.schema import Rating

    columns = [getattr(Rating, name) for name in RatingRecord.__dataclass_fields__]
    with engine_for(settings).connect() as connection:
        reading = connection.execution_options(yield_per=_READ_AT_ONCE)
        for row in reading.execute(select(*columns).order_by(Rating.rating_id)).mappings():
            yield dict(row)
