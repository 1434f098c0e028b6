"""Ratings: a file and a row each, written once."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete

from daydreaming.errors import StoreError
from daydreaming.store.ratings import (
    RatingRecord,
    insert_ratings,
    read_rating_files,
    read_ratings,
    response_sha256,
    stored_ratings,
    write_rating,
)
from daydreaming.store.schema import Rating

RATED_AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
RATING = RatingRecord(
    "0" * 32, "g1", "rigor", "ada", 6.5, 0.0, 9.0, RATED_AT, "Näh,\nwell.", response_sha256="f" * 64
)
LATER = replace(
    RATING, rating_id="a" * 32, generation_task_id="g2", comment=None, rated_at=RATING.rated_at + timedelta(1)
)


def test_a_rating_is_a_row_and_a_file(results_engine, tmp_path):
    assert write_rating(results_engine, tmp_path, LATER)
    assert write_rating(results_engine, tmp_path, RATING)
    assert read_ratings(results_engine) == [RATING, LATER]
    assert read_ratings(results_engine, "g2") == [LATER]
    assert stored_ratings(tmp_path) == [RATING, LATER]
    assert (tmp_path / "04_evaluation/ratings" / f"{RATING.rating_id}.json").exists()


def test_a_rating_is_given_once(results_engine, tmp_path):
    write_rating(results_engine, tmp_path, RATING)
    assert not write_rating(results_engine, tmp_path, replace(RATING, score=1.0))
    assert read_ratings(results_engine) == stored_ratings(tmp_path) == [RATING]


def test_a_row_that_was_lost_comes_from_the_file(results_engine, tmp_path):
    write_rating(results_engine, tmp_path, RATING)
    with results_engine.begin() as connection:
        connection.execute(delete(Rating))
    assert not write_rating(results_engine, tmp_path, replace(RATING, score=1.0))
    assert read_ratings(results_engine) == [RATING]
    with results_engine.begin() as connection:
        connection.execute(delete(Rating))
        insert_ratings(connection, stored_ratings(tmp_path))
    assert read_ratings(results_engine) == [RATING]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"rating_id": "../x"}, "rating_id must be 32 hexadecimal digits; got '../x'"),
        ({"rating_id": "A" * 32}, "32 hexadecimal digits"),
        ({"score": 9.5}, "must be from 0 to 9; got 9.5"),
        ({"score": -1.0}, "must be from 0 to 9; got -1.0"),
        ({"score": float("nan")}, "must be from 0 to 9; got nan"),
    ],
)
def test_what_is_no_rating_is_refused(fields, message):
    with pytest.raises(StoreError, match=message):
        replace(RATING, **fields)


@pytest.mark.parametrize("text", ["", "{}", '{"rated_at": 7}', "\xff"])
def test_a_file_that_cannot_be_read_is_named(results_engine, tmp_path, text):
    write_rating(results_engine, tmp_path, RATING)
    path = tmp_path / "04_evaluation/ratings" / f"{RATING.rating_id}.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(StoreError, match=rf"{RATING.rating_id}\.json: cannot be read"):
        stored_ratings(tmp_path)
    write_rating(results_engine, tmp_path, LATER)
    found = read_rating_files(tmp_path)
    assert (found.ratings, list(found.problems)) == ([LATER], [path])
    assert found.problems[path].startswith("cannot be read (")


def test_a_time_without_its_zone_cannot_be_read(results_engine, tmp_path):
    write_rating(results_engine, tmp_path, RATING)
    path = tmp_path / "04_evaluation/ratings" / f"{RATING.rating_id}.json"
    path.write_text(path.read_text().replace("+00:00", ""))
    with pytest.raises(StoreError, match="rated_at has no time zone: '2026-03-01T12:00:00'"):
        stored_ratings(tmp_path)
    assert list(read_rating_files(tmp_path).problems) == [path]


def test_a_file_under_another_name_is_refused(results_engine, tmp_path):
    write_rating(results_engine, tmp_path, RATING)
    path = tmp_path / "04_evaluation/ratings" / f"{RATING.rating_id}.json"
    path.rename(path.with_name(f"{LATER.rating_id}.json"))
    with pytest.raises(StoreError, match=f"holds the rating {RATING.rating_id}"):
        stored_ratings(tmp_path)


def test_a_file_of_an_earlier_release_does_not_say_which_response_it_is_of(results_engine, tmp_path):
    write_rating(results_engine, tmp_path, RATING)
    path = tmp_path / "04_evaluation/ratings" / f"{RATING.rating_id}.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    assert record.pop("response_sha256") == RATING.response_sha256
    path.write_text(json.dumps(record), encoding="utf-8")
    assert stored_ratings(tmp_path) == [replace(RATING, response_sha256=None)]


def test_a_response_is_known_by_the_bytes_of_its_file(tmp_path):
    assert response_sha256(tmp_path, "g1") is None
    folder = tmp_path / "03_generation/generation_responses"
    folder.mkdir(parents=True)
    (folder / "g1.txt").write_bytes(b"\xff\r\n")
    assert response_sha256(tmp_path, "g1") == hashlib.sha256(b"\xff\r\n").hexdigest()


def test_without_ratings_there_are_none(tmp_path):
    assert stored_ratings(tmp_path) == []
