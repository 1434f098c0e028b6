"""Leases that a process holds: renewed together, and told when they are lost."""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace

import pytest
from sqlalchemy.exc import OperationalError

from daydreaming.store.admission import keep_leases
from daydreaming.store.claims import LEASE_S, RENEW_EVERY_S, Lease
from daydreaming.triggers import leases
from daydreaming.triggers.leases import LeaseKeeper, keeper_for
from tests.support.trigger_runs import until

A, B, C = (Lease("generation", name, "me") for name in "abc")


class Writer:
    """Notes what it is asked to renew; says that some are lost, or fails."""

    def __init__(self):
        self.asked, self.lost, self.errors = [], set(), []
        self.meanwhile = lambda: None

    async def run(self, handler, held):
        assert handler is keep_leases
        self.asked.append(set(held))
        self.meanwhile()
        if self.errors:
            raise self.errors.pop()
        return self.lost


@pytest.fixture
def clock(monkeypatch):
    """The time of this process, which stands still until a test moves it."""
    now = [1_000.0]
    # Not the module's own function: event loops go by it.
    monkeypatch.setattr(leases, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


@pytest.fixture
def brisk(monkeypatch):
    """Renewals come at once; what is safe is reckoned as ever."""
    monkeypatch.setattr(leases, "RENEW_EVERY_S", 0.001)


def held(keeper, *among):
    return [lease for lease in among if keeper.is_held(lease)]


def test_what_is_held_is_renewed_together_until_it_is_dropped(brisk):
    async def run():
        writer = Writer()
        keeper = LeaseKeeper(writer)
        for lease in (A, B):
            keeper.hold(lease, 0.0)
        await until(lambda: len(writer.asked) > 1)
        keeper.drop(A)
        keeper.drop(C)  # it was never held
        await until(lambda: {B} in writer.asked)
        keeper.drop(B)
        await until(lambda: keeper._task.done())
        keeper.hold(C, 0.0)
        await until(lambda: {C} in writer.asked)
        keeper.drop(C)
        return writer.asked

    asked = asyncio.run(run())
    assert asked[0] == {A, B}


def test_a_lease_that_another_has_is_held_no_more(brisk, caplog):
    async def run():
        writer = Writer()
        keeper = LeaseKeeper(writer)
        writer.lost = {A}
        keeper.hold(A, 0.0)
        keeper.hold(B, 0.0)
        await until(lambda: len(writer.asked) > 2)
        return keeper, writer.asked

    keeper, asked = asyncio.run(run())
    assert (held(keeper, A, B), keeper.is_safe(A)) == ([B], False)
    assert asked[1:] == [{B}] * len(asked[1:])
    assert [record.message for record in caplog.records] == ["Lost the lease on a"]


def test_a_lease_that_was_given_back_during_its_renewal_is_not_told_as_lost(brisk, caplog):
    async def run():
        writer = Writer()
        keeper = LeaseKeeper(writer)
        writer.lost, writer.meanwhile = {A}, lambda: keeper.drop(A)
        keeper.hold(A, 0.0)
        await until(lambda: writer.asked)
        await asyncio.sleep(0.01)
        return keeper

    assert held(asyncio.run(run()), A) == []
    assert caplog.records == []


def test_a_database_that_does_not_answer_is_asked_again(brisk, caplog):
    async def run():
        writer = Writer()
        writer.errors = [OperationalError("BEGIN", {}, Exception("database is locked"))] * 2
        keeper = LeaseKeeper(writer)
        keeper.hold(A, 0.0)
        await until(lambda: len(writer.asked) > 3)
        return keeper

    assert held(asyncio.run(run()), A) == [A]
    assert ["Could not renew 1 leases" in record.message for record in caplog.records] == [True, True]


@pytest.mark.parametrize(
    ("age_s", "safe"), [(0.0, True), (LEASE_S - RENEW_EVERY_S, True), (LEASE_S - 1, False), (LEASE_S, False)]
)
def test_a_lease_is_safe_until_shortly_before_it_ends(clock, age_s, safe):
    async def run():
        keeper = LeaseKeeper(Writer())
        keeper.hold(A, clock[0])
        clock[0] += age_s
        return keeper.is_safe(A)

    assert asyncio.run(run()) is safe


def test_a_lease_that_was_asked_for_before_the_process_was_stopped_is_not_safe(clock):
    """It was granted then, and has run out meanwhile; that the answer is heard now does not matter."""

    async def run():
        asked_at = clock[0]
        clock[0] += LEASE_S
        keeper = LeaseKeeper(Writer())
        keeper.hold(A, asked_at)
        return keeper.is_safe(A)

    assert not asyncio.run(run())


def test_a_renewal_makes_a_lease_safe_again_from_when_it_was_asked_for(clock, brisk):
    async def run():
        writer = Writer()
        keeper = LeaseKeeper(writer)
        keeper.hold(A, clock[0])
        clock[0] += LEASE_S / 2

        def slow():
            clock[0] += 10.0

        writer.meanwhile = slow
        await until(lambda: writer.asked)
        writer.meanwhile = lambda: None
        await until(lambda: keeper._held[A] > 1_000.0)
        return keeper._held[A]

    assert asyncio.run(run()) >= 1_000.0 + LEASE_S / 2


def test_a_renewal_that_was_asked_for_earlier_does_not_make_a_lease_older(clock, brisk):
    async def run():
        writer = Writer()
        keeper = LeaseKeeper(writer)
        keeper.hold(A, clock[0])
        # A further attempt renews it while the renewal is on its way.
        writer.meanwhile = lambda: keeper.hold(A, clock[0] + 5)
        await until(lambda: len(writer.asked) > 1)
        return keeper._held[A]

    assert asyncio.run(run()) == 1_005.0


def test_each_event_loop_and_database_has_a_keeper_of_its_own():
    async def ask(*writers):
        return [keeper_for(writer) for writer in writers]

    one, other = Writer(), Writer()
    first, again, elsewhere = asyncio.run(ask(one, one, other))
    assert first is again
    assert elsewhere is not first
    [later] = asyncio.run(ask(one))
    assert later is not first
    found = []
    thread = threading.Thread(target=lambda: found.extend(asyncio.run(ask(one))))
    thread.start()
    thread.join()
    assert found[0] not in (first, later)
