"""Leases on cells."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from daydreaming.store.claims import (
    LEASE_S,
    RENEW_EVERY_S,
    Lease,
    claim_cell,
    claim_cells,
    release_cell,
    release_cells,
    renew_cells,
)
from daydreaming.store.schema import Claim

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = NOW + timedelta(seconds=LEASE_S + 1)


def claim(engine, owner, now=NOW, cell="c", stage="generation"):
    return claim_cell(engine, stage, cell, owner, now)


def test_a_lease_is_renewed_several_times_before_it_ends():
    assert RENEW_EVERY_S * 3 < LEASE_S


def test_a_held_cell_is_refused_to_others_and_renewed_by_its_owner(results_engine):
    assert claim(results_engine, "a")
    assert not claim(results_engine, "b")
    assert claim(results_engine, "a", NOW + timedelta(seconds=LEASE_S / 2))
    assert not claim(results_engine, "b", LATER)


@pytest.mark.parametrize(
    ("after_s", "taken"), [(0, False), (LEASE_S - 1, False), (LEASE_S, False), (LEASE_S + 0.001, True)]
)
def test_a_lease_that_its_owner_has_not_renewed_is_taken_over(results_engine, after_s, taken):
    claim(results_engine, "a")
    assert claim(results_engine, "b", NOW + timedelta(seconds=after_s)) is taken


def test_an_owner_that_lost_its_lease_cannot_renew_it(results_engine):
    claim(results_engine, "a")
    claim(results_engine, "b", LATER)
    assert not claim(results_engine, "a", LATER)


def test_a_released_cell_is_free(results_engine):
    claim(results_engine, "a")
    release_cell(results_engine, "generation", "c", "a")
    assert claim(results_engine, "b")


def test_a_release_by_another_than_the_owner_does_nothing(results_engine):
    claim(results_engine, "a")
    release_cell(results_engine, "generation", "c", "b")
    release_cell(results_engine, "generation", "other", "a")
    release_cell(results_engine, "evaluation", "c", "a")
    assert not claim(results_engine, "b")


def test_stages_and_cells_are_claimed_apart(results_engine):
    assert claim(results_engine, "a")
    assert claim(results_engine, "b", stage="evaluation")
    assert claim(results_engine, "b", cell="d")


@pytest.mark.parametrize("expired", [False, True], ids=["free", "expired"])
def test_one_of_many_claimers_wins(results_engine, expired):
    if expired:
        claim(results_engine, "gone")
    start = threading.Barrier(12)

    def race(number):
        start.wait()
        return claim(results_engine, f"owner-{number}", LATER)

    with ThreadPoolExecutor(12) as pool:
        assert sum(pool.map(race, range(12))) == 1


def lease(owner, cell="c", stage="generation"):
    return Lease(stage, cell, owner)


def holders(engine):
    with engine.connect() as connection:
        return {(c.stage, c.cell_id): c.owner for c in connection.execute(select(Claim.__table__))}


def claim_all(engine, leases, now=NOW):
    with engine.begin() as connection:
        return claim_cells(connection, leases, now)


def renew_all(engine, leases, now=NOW):
    with engine.begin() as connection:
        return renew_cells(connection, leases, now)


def release_all(engine, leases):
    with engine.begin() as connection:
        release_cells(connection, leases)


def test_claims_of_many_cells_are_told_in_the_order_in_which_they_were_asked_for(results_engine):
    claim(results_engine, "other", cell="b")
    wanted = [lease("me", cell) for cell in "cab"]
    assert claim_all(results_engine, wanted) == [True, True, False]
    assert claim_all(results_engine, wanted[::-1]) == [False, True, True]


@pytest.mark.parametrize("owners", [("a", "b", "c"), ("c", "b", "a")])
def test_of_several_claims_on_one_cell_in_a_batch_the_first_wins(results_engine, owners):
    wanted = [lease(owner) for owner in owners]
    assert claim_all(results_engine, wanted) == [True, False, False]
    assert holders(results_engine) == {("generation", "c"): owners[0]}


def test_of_several_claims_on_one_expired_cell_in_a_batch_the_first_wins(results_engine):
    claim(results_engine, "gone")
    assert claim_all(results_engine, [lease("a"), lease("b"), lease("a")], LATER) == [True, False, True]
    assert holders(results_engine) == {("generation", "c"): "a"}


def test_the_same_lease_twice_in_a_batch_is_taken_and_renewed(results_engine):
    assert claim_all(results_engine, [lease("a"), lease("a")]) == [True, True]
    assert len(holders(results_engine)) == 1


def test_one_name_of_a_cell_in_both_stages_is_two_cells(results_engine):
    wanted = [lease("a"), lease("b", stage="evaluation"), lease("b"), lease("a", stage="evaluation")]
    assert claim_all(results_engine, wanted) == [True, True, False, False]
    release_all(results_engine, [lease("a")])
    assert holders(results_engine) == {("evaluation", "c"): "b"}


@pytest.mark.parametrize("many", [claim_all, renew_all])
def test_no_cells_are_no_work(results_engine, many):
    assert many(results_engine, []) == []
    release_all(results_engine, [])


def test_a_batch_of_releases_frees_what_its_owners_hold_and_nothing_else(results_engine):
    claim_all(results_engine, [lease("a", "c"), lease("a", "d"), lease("b", "e"), lease("b", "f")])
    # One twice, one of another owner, one that nobody holds.
    release_all(
        results_engine, [lease("a", "c"), lease("a", "c"), lease("a", "e"), lease("b", "f"), lease("b", "g")]
    )
    assert holders(results_engine) == {("generation", "d"): "a", ("generation", "e"): "b"}


def test_a_renewal_keeps_what_is_held_and_tells_what_is_lost(results_engine):
    claim_all(results_engine, [lease("me", "c"), lease("me", "d"), lease("other", "e")])
    leases = [lease("me", "e"), lease("me", "d"), lease("me", "c"), lease("me", "d"), lease("me", "f")]
    half = NOW + timedelta(seconds=LEASE_S / 2)
    assert renew_all(results_engine, leases, half) == [False, True, True, True, False]
    assert claim_all(results_engine, [lease("x", cell) for cell in "cdef"], LATER) == [
        False,
        False,
        True,
        True,
    ]


def test_a_lease_that_was_given_back_is_not_taken_again_by_a_late_renewal(results_engine):
    claim(results_engine, "a")
    release_all(results_engine, [lease("a")])
    assert renew_all(results_engine, [lease("a")]) == [False]
    assert claim(results_engine, "b")


def test_a_lease_that_has_expired_and_that_nobody_took_is_renewed(results_engine):
    claim(results_engine, "a")
    assert renew_all(results_engine, [lease("a")], LATER) == [True]
    assert not claim(results_engine, "b", LATER)


def test_more_leases_than_a_query_holds_are_renewed(results_engine):
    leases = [lease("a", f"c{i}") for i in range(1_201)]
    claim_all(results_engine, leases)
    claim_all(results_engine, [lease("b", "c600")], LATER)
    kept = renew_all(results_engine, leases, LATER)
    assert [index for index, held in enumerate(kept) if not held] == [600]
