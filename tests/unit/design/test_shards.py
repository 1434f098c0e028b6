"""How a plan is split into runs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daydreaming.design.shards import plan_shards, shard_run_id, split, turn
from daydreaming.errors import DesignError


@pytest.mark.parametrize(
    ("generations", "each", "size", "most", "shards", "of"),
    [
        (0, 4, 100, 1000, 1, 100),
        (1, 4, 100, 1000, 1, 100),
        (100, 4, 100, 1000, 1, 100),
        (101, 4, 100, 1000, 2, 100),
        (240, 1, 60, 1000, 4, 60),
        (100, 20, 100, 1000, 2, 50),  # their evaluations would be too many
        (5, 1000, 100, 1000, 5, 1),
        (3, 0, 2, 1000, 2, 2),
    ],
)
def test_shards_are_as_large_as_wanted_and_as_airflow_maps(generations, each, size, most, shards, of):
    plan = plan_shards(generations, each, shard_size=size, max_instances=most)
    assert (plan.count, plan.size) == (shards, of)


@pytest.mark.parametrize(
    ("generations", "each", "message"),
    [(1, 1001, "1,001 evaluations; Airflow maps at most 1,000"), (1001, 1000, "1,001 runs of 1;")],
)
def test_a_plan_that_no_shards_can_hold_is_refused(generations, each, message):
    with pytest.raises(DesignError, match=message):
        plan_shards(generations, each, shard_size=100, max_instances=1000)


@given(st.lists(st.integers(), min_size=1), st.integers(1, 50))
def test_splitting_loses_nothing_and_keeps_the_order(items, size):
    pieces = split(items, size)
    assert [item for piece in pieces for item in piece] == items
    assert all(1 <= len(piece) <= size for piece in pieces)
    assert len(pieces) == plan_shards(len(items), 1, shard_size=size, max_instances=100).count


def test_nothing_is_one_empty_piece():
    assert split([], 3) == [[]]


def test_the_first_shard_is_the_run_itself():
    names = [shard_run_id("manual__1", number, 3) for number in (1, 2, 3)]
    assert names == ["manual__1", "manual__1~shard-2-of-3", "manual__1~shard-3-of-3"]


@pytest.mark.parametrize(
    ("shard", "at_once", "place"),
    [(1, 3, 0), (2, 3, 0), (3, 3, 1), (4, 3, 2), (5, 3, 0), (7, 1, 0), (3, 0, 0)],
)
def test_shards_that_start_together_have_turns(shard, at_once, place):
    assert turn(shard, at_once) == place
