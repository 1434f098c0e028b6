"""Leases on cells."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from daydreaming.store.claims import LEASE_S, RENEW_EVERY_S, claim_cell, release_cell

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
