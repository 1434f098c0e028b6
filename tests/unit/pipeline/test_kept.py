"""Values that are kept while nothing about them changes."""

from __future__ import annotations

from itertools import count

from daydreaming.pipeline.kept import Kept


def test_a_value_is_made_once_for_each_marker() -> None:
    made, kept = count(), Kept[int](2)
    assert [kept.get("a", marker, lambda: next(made)) for marker in "xxyyx"] == [0, 0, 1, 1, 2]


def test_what_may_not_stay_is_made_each_time() -> None:
    made, kept = count(), Kept[int](2)
    found = [kept.get("a", "x", lambda: next(made), lambda value: value > 1) for _ in range(4)]
    assert found == [0, 1, 2, 2]


def test_the_oldest_goes_where_there_are_too_many() -> None:
    made, kept = count(), Kept[int](2)
    assert [kept.get(key, "x", lambda: next(made)) for key in "abca"] == [0, 1, 2, 3]
