"""Start times: handed out in order, within every window, to all who share the database."""

from __future__ import annotations

import heapq
import multiprocessing
import random
import time
from bisect import bisect_right
from datetime import UTC, datetime
from itertools import count, pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select

from daydreaming.llm.limits import DAY_S, MARGIN_S, MINUTE_S, RAMP_FIRST, RateLimits, ramp_offset_s
from daydreaming.store import limiter
from daydreaming.store.claims import LEASE_S, Lease, claim_cells, release_cells
from daydreaming.store.group_writer import writer_for
from daydreaming.store.learned_rates import RAMP_END_S
from daydreaming.store.ledger import Settlement, insert_calls, settle, settle_lost
from daydreaming.store.limiter import (
    LATE_S,
    MISSED_S,
    NOW_S,
    TEACHES_FROM_S,
    CallLost,
    book_starts,
    confirm_starts,
    count_tokens,
    drop_starts,
    limiter_clock,
    move_up,
    pause_models,
)
from daydreaming.store.schema import CallStart, LLMCall, ModelRate
from tests.support.attempts import NOW, pause, reservation, start

MINUTE, DAY = MINUTE_S + MARGIN_S, DAY_S + MARGIN_S
RPM2 = RateLimits(rpm=2)
NONE = RateLimits()


def book_all(connection, orders):
    """Book as the desk does it: with leases, and the ledger's rows, which tell what was started."""
    leases = [Lease(order.stage, order.cell_id, f"owner of {order.cell_id}") for order in orders]
    assert all(
        claim_cells(connection, leases, datetime.fromtimestamp(limiter.limiter_clock(connection), UTC))
    )
    booked = book_starts(connection, orders)
    calls = [
        reservation(
            order.call_id,
            None,
            owner=f"owner of {order.cell_id}",
            conn_id=order.conn_id,
            model_name=order.model_name,
            stage=order.stage,
            cell_id=order.cell_id,
        )
        for order in orders
    ]
    insert_calls(connection, [(call, start.start_at) for call, start in zip(calls, booked, strict=True)])
    return booked


def book(engine, *orders):
    with engine.begin() as connection:
        return book_all(connection, orders)


def waits(engine, *orders):
    """Seconds until each may start."""
    return [pytest.approx(booked.wait_s, abs=1e-4) for booked in book(engine, *orders)]


def several(prefix, number, limits, **fields):
    return [start(f"{prefix}{i}", limits, **fields) for i in range(number)]


def confirm(engine, *orders):
    with engine.begin() as connection:
        return [pytest.approx(wait, abs=1e-4) for wait in confirm_starts(connection, orders)]


def pause_for(engine, *pauses):
    with engine.begin() as connection:
        pause_models(connection, pauses)


def refused(engine, order, wait_s=10.0, **fields):
    """A call that was sent is answered with 429."""
    with engine.begin() as connection:
        settle(connection, [Settlement(order.call_id, "failed", NOW, 0)])
        pause_models(connection, [pause(wait_s, order.limits, **fields)])


def drop(engine, *orders):
    with engine.begin() as connection:
        drop_starts(connection, [order.call_id for order in orders])
        move_up(connection, orders)


def use_tokens(engine, order, tokens):
    with engine.begin() as connection:
        count_tokens(connection, {order.call_id: tokens})
        move_up(connection, [order], tokens_only=True)


def rows(engine):
    with engine.connect() as connection:
        return {row["call_id"]: row for row in connection.execute(select(CallStart.__table__)).mappings()}


def kept(engine):
    return set(rows(engine))


def rate(engine):
    with engine.connect() as connection:
        return connection.execute(select(ModelRate.__table__)).mappings().one()


# --- windows


@pytest.mark.parametrize(
    ("limits", "tokens", "expected"),
    [
        (RateLimits(rpm=2), 0, [0, 0, MINUTE, MINUTE, 2 * MINUTE]),
        (RateLimits(rpm=4, burst=1), 0, [0, MINUTE / 4, MINUTE / 2, MINUTE * 3 / 4, MINUTE]),
        (RateLimits(rpm=4, burst=2), 0, [0, 0, MINUTE / 2, MINUTE / 2, MINUTE]),
        (RateLimits(rpd=3), 0, [0, 0, 0, DAY, DAY]),
        (RateLimits(rpm=2, rpd=3), 0, [0, 0, MINUTE, DAY, DAY]),
        (RateLimits(tpm=100), 40, [0, 0, MINUTE, MINUTE, 2 * MINUTE]),
        (RateLimits(tpm=100), 101, [0, MINUTE, 2 * MINUTE, 3 * MINUTE, 4 * MINUTE]),
        (RateLimits(rpm=3, tpm=100), 40, [0, 0, MINUTE, MINUTE, 2 * MINUTE]),
    ],
)
@pytest.mark.parametrize("together", [True, False], ids=["in one batch", "one by one"])
def test_starts_are_handed_out_as_the_limits_allow(writing, clock, limits, tokens, expected, together):
    orders = several("c", 5, limits, tokens=tokens)
    if together:
        assert waits(writing, *orders) == expected
    else:
        assert [waits(writing, order)[0] for order in orders] == expected


def test_a_window_slides(writing, clock):
    assert waits(writing, start("a", RPM2)) == [0]
    clock.forward(20)
    assert waits(writing, start("b", RPM2)) == [0]
    clock.forward(20)
    assert waits(writing, start("c", RPM2), start("d", RPM2)) == [MINUTE - 40, MINUTE - 20]


def test_a_start_that_is_near_enough_is_now_and_counts_as_sent(writing, clock):
    book(writing, start("a", RateLimits(rpm=1)))
    clock.forward(MINUTE - NOW_S / 2)
    assert waits(writing, start("b", RateLimits(rpm=1))) == [0]
    assert not rows(writing)["b"]["waiting"]


def test_nothing_asked_is_nothing_done(writing, clock):
    with writing.begin() as connection:
        assert book_starts(connection, []) == []
        assert confirm_starts(connection, []) == []
        assert pause_models(connection, []) == []
        count_tokens(connection, {})
        drop_starts(connection, [])
        move_up(connection, [])
    assert kept(writing) == set()


def test_models_and_connections_have_windows_of_their_own(writing, clock):
    one = RateLimits(rpm=1)
    book(writing, *several("a", 3, one))
    other = start("x", one, model="prov/other")
    elsewhere = limiter.StartOrder("y", "conn-2", "prov/m", "generation", "y", 0, one)
    slow = start("a9", one)
    assert waits(writing, slow, other, elsewhere) == [3 * MINUTE, 0, 0]


def test_a_slow_model_never_delays_another_of_the_same_batch(writing, clock):
    orders = [
        start("s1", RateLimits(rpm=1), model="slow"),
        start("f1", RateLimits(rpm=100), model="fast"),
        start("s2", RateLimits(rpm=1), model="slow"),
        start("f2", RateLimits(rpm=100), model="fast"),
        start("u", NONE, model="unlimited"),
    ]
    assert waits(writing, *orders) == [0, 0, MINUTE, 0, 0]
    pause_for(writing, pause(500, model="slow"))
    assert waits(writing, start("f3", RateLimits(rpm=100), model="fast")) == [0]


def test_starts_that_left_every_window_are_forgotten(writing, clock):
    book(writing, *several("a", 2, RPM2))
    clock.forward(MINUTE + 1)
    book(writing, start("b", RPM2))
    assert kept(writing) == {"b"}


def test_a_day_is_remembered_where_it_is_limited(writing, clock):
    limits = RateLimits(rpd=2)
    book(writing, *several("a", 2, limits))
    clock.forward(DAY / 2)
    assert waits(writing, start("b", limits)) == [DAY / 2]
    assert kept(writing) == {"a0", "a1", "b"}


# --- order


def test_who_asks_first_goes_first_within_a_model(writing, clock):
    limits = RateLimits(rpm=1)
    names = [f"c{i}" for i in (3, 1, 2, 9, 0)]
    first = [booked.start_at for booked in book(writing, *[start(name, limits) for name in names])]
    clock.forward(1)
    second = [booked.start_at for booked in book(writing, *[start(f"d{name}", limits) for name in names])]
    assert first + second == sorted(first + second)
    assert len(set(first + second)) == 10


def test_a_large_request_is_not_overtaken_by_small_ones(writing, clock):
    limits = RateLimits(tpm=100)
    assert waits(writing, start("a", limits, tokens=60), start("big", limits, tokens=90)) == [0, MINUTE]
    assert waits(writing, start("small", limits, tokens=1)) == [MINUTE]


def test_a_refused_call_goes_before_all_that_asked_after_it(writing, clock):
    """Also before those that asked in the same moment: a whole map of instances comes in one batch."""
    limits = RateLimits(rpm=2)
    orders = several("c", 6, limits)
    first, second, *_ = book(writing, *orders)
    assert [booked.wait_s for booked in (first, second)] == [0, 0]
    refused(writing, orders[1], 10)
    again = start("again", limits, cell_id="cell of c1", queued_at=second.queued_at)
    [wait] = waits(writing, again)
    # The refused call counts, as the provider may have counted it.
    assert wait == MINUTE
    starts = rows(writing)
    assert starts["again"]["start_at"] < min(starts[f"c{i}"]["start_at"] for i in range(3, 6))
    assert [starts[f"c{i}"]["start_at"] for i in range(2, 6)] == sorted(
        starts[f"c{i}"]["start_at"] for i in range(2, 6)
    )


def test_two_that_come_back_are_in_the_order_in_which_they_first_asked(writing, clock):
    limits = RateLimits(rpm=1)
    a, b, *_ = book(writing, *several("c", 4, limits))
    clock.forward(5)
    # The later one comes back first.
    book(writing, start("b2", limits, cell_id="cell of c1", queued_at=b.queued_at))
    book(writing, start("a2", limits, cell_id="cell of c0", queued_at=a.queued_at))
    starts = rows(writing)
    assert starts["a2"]["start_at"] < starts["b2"]["start_at"] < starts["c2"]["start_at"]


def test_a_cell_that_asks_again_gives_its_unused_start_up_and_keeps_its_place(writing, clock):
    limits = RateLimits(rpm=1)
    orders = several("c", 4, limits)
    booked = book(writing, *orders)
    clock.forward(1)
    # Its process was lost, so that it does not know since when it waits.
    [again] = book(writing, start("again", limits, cell_id="cell of c1"))
    assert again.queued_at == booked[1].queued_at
    assert again.start_at == pytest.approx(booked[1].start_at)
    starts = rows(writing)
    assert "c1" not in starts
    assert [starts[f"c{i}"]["start_at"] for i in (2, 3)] == pytest.approx([b.start_at for b in booked[2:]])


def test_a_start_that_was_used_is_not_given_up_when_its_cell_asks_again(writing, clock):
    book(writing, start("a", RateLimits(rpm=1)))
    assert waits(writing, start("b", RateLimits(rpm=1), cell_id="cell of a")) == [MINUTE]
    assert kept(writing) == {"a", "b"}


def test_the_other_stage_has_other_cells_though_they_have_the_same_names(writing, clock):
    limits = RateLimits(rpm=1)
    book(writing, start("a", limits), start("b", limits, cell_id="c", stage="evaluation"))
    clock.forward(1)
    [booked] = book(writing, start("d", limits, cell_id="c", stage="generation"))
    assert kept(writing) == {"a", "b", "d"}
    assert booked.queued_at == pytest.approx(clock.now)


# --- waiting, and being late


def test_who_waits_is_told_the_rest_until_the_time_has_come(writing, clock):
    order = start("b", RateLimits(rpm=1))
    book(writing, start("a", RateLimits(rpm=1)), order)
    clock.forward(MINUTE - 5)
    assert confirm(writing, order) == [5]
    assert rows(writing)["b"]["waiting"]
    clock.forward(5 - NOW_S / 2)
    assert confirm(writing, order) == [0]
    assert not rows(writing)["b"]["waiting"]


def test_confirmations_are_told_in_the_order_in_which_they_were_asked_for(writing, clock):
    limits = RateLimits(rpm=1)
    orders = [*several("a", 3, limits, model="z"), *several("b", 3, limits, model="a")]
    book(writing, *orders)
    assert confirm(writing, *orders[::-1]) == [2 * MINUTE, MINUTE, 0] * 2


def test_a_confirmed_start_is_when_it_was_sent_in_the_ledger_too(writing, clock):
    order = start("b", RateLimits(rpm=1))
    book(writing, start("a", RateLimits(rpm=1)), order)
    clock.forward(MINUTE + 0.2)
    confirm(writing, order)
    with writing.connect() as connection:
        assert connection.scalar(select(LLMCall.start_at).where(LLMCall.call_id == "b")) == clock.now
    assert rows(writing)["b"]["start_at"] == clock.now


def test_a_start_that_was_sent_stays_when_it_was(writing, clock):
    order = start("a", RPM2)
    book(writing, order)
    began = clock.now
    clock.forward(30)
    assert confirm(writing, order) == [0]
    assert rows(writing)["a"]["start_at"] == began


def take_over(connection, cell_id, order):
    """Another asks for a cell whose lease was not renewed: it has the lease, and books a start."""
    now = datetime.fromtimestamp(limiter.limiter_clock(connection), UTC)
    assert claim_cells(connection, [Lease("generation", cell_id, "another")], now) == [True]
    book_starts(connection, [order])


ONE = RateLimits(rpm=1)


def test_who_waits_for_a_cell_that_another_has_taken_over_meanwhile_may_not_go(writing, clock):
    """Also where the other has answered, and given the cell back."""
    order = start("b", ONE)
    book(writing, start("a", ONE), order)
    clock.forward(2 * LEASE_S)
    with writing.begin() as connection:
        take_over(connection, order.cell_id, start("c", ONE, cell_id=order.cell_id))
    before = rows(writing)
    for _ in range(2):
        with pytest.raises(CallLost):
            confirm(writing, order)
        assert rows(writing) == before
        with writing.begin() as connection:
            release_cells(connection, [Lease("generation", order.cell_id, "another")])


def test_who_waits_with_a_lease_that_has_run_out_and_that_nobody_took_has_it_again(writing, clock):
    order = start("b", ONE)
    book(writing, start("a", ONE), order)
    clock.forward(2 * LEASE_S)
    assert confirm(writing, order) == [0]
    clock.forward(LEASE_S - 1)
    now = datetime.fromtimestamp(clock.now, UTC)
    with writing.begin() as connection:
        assert claim_cells(connection, [Lease("generation", order.cell_id, "another")], now) == [False]


def test_who_waits_and_whose_money_was_given_up_meanwhile_may_not_go(writing, clock):
    order = start("b", ONE)
    book(writing, start("a", ONE), order)
    clock.forward(2 * LEASE_S)
    with writing.begin() as connection:
        settle_lost(connection, datetime.fromtimestamp(clock.now, UTC), clock.now)
    with pytest.raises(CallLost):
        confirm(writing, order)


def test_of_those_who_ask_together_one_that_is_lost_confirms_none(writing, clock):
    """They ask again one by one, as the writer has it."""
    orders = [start("b", ONE), start("x", ONE, model="prov/other")]
    book(writing, start("a", ONE), *orders)
    with pytest.raises(CallLost):
        confirm(writing, *orders, start("gone", ONE))
    assert confirm(writing, *orders) == [MINUTE, 0]


def test_a_call_that_was_taken_over_before_its_time_had_come_was_not_sent(writing, clock):
    orders = [start("a", ONE), start("b", ONE), start("c", ONE)]
    book(writing, *orders)
    clock.forward(2 * LEASE_S)
    with writing.begin() as connection:
        for order in orders[:2]:
            take_over(connection, order.cell_id, start(f"again-{order.call_id}", ONE, cell_id=order.cell_id))
        settle_lost(connection, datetime.fromtimestamp(clock.now, UTC), clock.now)
    with writing.connect() as connection:
        states = dict(connection.execute(select(LLMCall.call_id, LLMCall.state)).all())
    assert states == {"a": "unknown", "b": "unsent", "c": "unsent"}


@pytest.mark.parametrize("late_s", [LATE_S + 0.1, 3.0, MISSED_S + 1, 30.0])
def test_a_late_start_moves_those_behind_it(writing, clock, late_s):
    limits = RateLimits(rpm=1)
    orders = several("c", 4, limits)
    book(writing, *orders)
    clock.forward(MINUTE + late_s)
    assert confirm(writing, orders[1]) == [0]
    assert confirm(writing, *orders[2:]) == [MINUTE, 2 * MINUTE]


def test_a_start_that_is_so_late_that_others_have_its_place_waits_again(writing, clock):
    limits = RateLimits(rpm=1)
    orders = several("c", 4, limits)
    book(writing, *orders)
    clock.forward(2 * MINUTE)
    assert confirm(writing, orders[2]) == [0]  # its time has come; the one before was not heard of
    assert confirm(writing, orders[1]) == [MINUTE]
    # It is before those that asked later.
    assert confirm(writing, orders[3]) == [2 * MINUTE]


def test_a_start_that_was_missed_does_not_count_and_is_not_planned_again(writing, clock):
    """Its process is gone: it cannot be sent, for who sends says so first."""
    limits = RateLimits(rpm=2)
    book(writing, *several("sent", 2, limits), *several("dead", 2, limits))
    clock.forward(MINUTE + MISSED_S + 1)
    before = rows(writing)
    pause_for(writing, pause(0, limits, refused=False))
    assert rows(writing) == before
    assert waits(writing, *several("new", 3, limits)) == [0, 0, MINUTE]


def test_dead_starts_do_not_come_to_life_when_all_that_wait_are_planned_anew(writing, clock):
    limits = RateLimits(rpm=2)
    book(writing, *several("sent", 2, limits), *several("dead", 2, limits))
    clock.forward(MINUTE - 1)
    alive = several("alive", 2, limits)
    book(writing, *alive)
    clock.forward(MISSED_S + 2)
    pause_for(writing, pause(0, limits, refused=False))
    assert confirm(writing, *alive) == [0, 0]


@pytest.mark.parametrize("away_s", [1.0, 30.0, 3_600.0, DAY / 2])
def test_a_cell_that_comes_back_for_its_start_keeps_its_place(writing, clock, away_s):
    """Rescheduled instances come back some time after their start, and know nothing of it."""
    limits = RateLimits(rpd=2)
    orders = several("c", 6, limits)
    booked = book(writing, *orders)
    clock.forward(DAY + away_s)
    # They come in any order, with those that ask for the first time.
    names = ["c4", "c3", "new", "c5", "c2"]
    book(writing, *[start(f"again-{name}", limits, cell_id=f"cell of {name}") for name in names])
    starts = {name: rows(writing)[f"again-{name}"] for name in names}
    assert [starts[f"c{i}"]["queued_at"] for i in range(2, 6)] == [b.queued_at for b in booked[2:]]
    assert sorted(names, key=lambda name: (starts[name]["start_at"], starts[name]["queued_at"])) == [
        "c2",
        "c3",
        "c4",
        "c5",
        "new",
    ]
    assert sum(not row["waiting"] for row in starts.values()) == 2


def test_a_place_is_not_kept_for_ever(writing, clock):
    limits = RateLimits(rpm=1)
    book(writing, *several("c", 3, limits))
    clock.forward(3 * MINUTE + DAY)
    book(writing, start("new", limits))
    assert kept(writing) == {"new"}


# --- starts given up, tokens not used


def test_a_start_that_is_given_up_lets_the_others_move_up(writing, clock):
    limits = RateLimits(rpm=1)
    orders = several("c", 5, limits)
    book(writing, *orders)
    drop(writing, orders[1], orders[3])
    assert kept(writing) == {"c0", "c2", "c4"}
    assert confirm(writing, orders[2], orders[4]) == [MINUTE, 2 * MINUTE]


def test_a_start_that_was_used_cannot_be_given_up(writing, clock):
    orders = several("c", 2, RateLimits(rpm=1))
    book(writing, *orders)
    drop(writing, orders[0])
    assert kept(writing) == {"c0", "c1"}
    assert confirm(writing, orders[1]) == [MINUTE]


def test_moving_up_keeps_the_order_and_a_pause(writing, clock):
    limits = RateLimits(rpm=1)
    orders = several("c", 5, limits)
    book(writing, *orders)
    pause_for(writing, pause(200, limits, refused=False))
    drop(writing, orders[1])
    assert confirm(writing, *orders[2:]) == [200, 200 + MINUTE, 200 + 2 * MINUTE]


def test_an_answer_of_fewer_tokens_than_booked_lets_the_others_move_up(writing, clock):
    limits = RateLimits(tpm=100)
    orders = several("c", 4, limits, tokens=100)
    assert waits(writing, *orders) == [0, MINUTE, 2 * MINUTE, 3 * MINUTE]
    clock.forward(2)
    use_tokens(writing, orders[0], 0)
    assert confirm(writing, *orders[1:]) == [0, MINUTE, 2 * MINUTE]


def test_an_answer_of_more_tokens_than_booked_holds_the_others_back(writing, clock):
    limits = RateLimits(tpm=100)
    orders = several("c", 2, limits, tokens=50)
    book(writing, *orders)
    use_tokens(writing, orders[0], 80)
    assert waits(writing, start("d", limits, tokens=0)) == [MINUTE]


def test_tokens_that_no_counter_holds_are_counted_as_many(writing, clock):
    limits = RateLimits(tpm=100)
    book(writing, start("a", limits, tokens=1))
    use_tokens(writing, start("a", limits), 2**33)
    assert waits(writing, start("b", limits, tokens=1)) == [MINUTE]


def test_tokens_of_a_start_that_is_not_kept_are_nobodys(writing, clock):
    use_tokens(writing, start("none", RateLimits(tpm=1)), 5)
    assert kept(writing) == set()


# --- pauses


def test_a_pause_moves_all_that_wait_in_their_order_and_holds_for_those_who_come(writing, clock):
    limits = RateLimits(rpm=2)
    orders = several("c", 5, limits)
    book(writing, *orders)
    pause_for(writing, pause(100, limits))
    assert confirm(writing, *orders[2:]) == [100, 100, 100 + MINUTE]
    assert waits(writing, start("new", limits)) == [100 + MINUTE]


def test_of_several_pauses_the_longest_holds(writing, clock):
    limits = RateLimits(rpm=2)
    pause_for(writing, pause(50, limits), pause(100, limits), pause(30, limits))
    pause_for(writing, pause(20, limits))
    assert waits(writing, start("a", limits)) == [100]
    clock.forward(40)
    pause_for(writing, pause(70, limits))
    assert waits(writing, start("b", limits)) == [70]


def test_a_pause_that_is_over_holds_nobody(writing, clock):
    pause_for(writing, pause(50, RPM2))
    clock.forward(50)
    assert waits(writing, start("a", RPM2)) == [0]


@pytest.mark.parametrize("limits", [NONE, RPM2])
def test_a_pause_is_of_one_model(writing, clock, limits):
    pause_for(writing, pause(50, limits))
    assert waits(writing, start("a", limits, model="prov/other")) == [0]


def test_a_pause_does_not_call_back_what_was_sent(writing, clock):
    book(writing, start("a", RPM2))
    pause_for(writing, pause(50, RPM2))
    assert rows(writing)["a"]["start_at"] == clock.now


# --- a model without a known limit


def test_a_model_without_a_limit_starts_slowly_and_then_freely(writing, clock):
    expected = [ramp_offset_s(k) for k in range(100)]
    assert waits(writing, *several("a", 60, NONE)) == expected[:60]
    clock.forward(1)
    assert waits(writing, *several("b", 40, NONE)) == [max(0, at - 1) for at in expected[60:]]
    clock.forward(RAMP_END_S)
    assert waits(writing, *several("c", 500, NONE)) == [0] * 500
    assert not any(name.startswith("c") for name in kept(writing))


def test_a_model_that_was_idle_starts_slowly_again(writing, clock):
    """What it was seen to allow yesterday says nothing of today, and a burst of 500 wastes 500 calls."""
    book(writing, *several("a", 20, NONE))
    clock.forward(RAMP_END_S + 1)
    book(writing, start("b", NONE))
    clock.forward(MINUTE + 1)
    assert waits(writing, *several("c", 60, NONE)) == [ramp_offset_s(k) for k in range(60)]


def test_a_model_in_use_is_not_slowed_down_again(writing, clock):
    book(writing, *several("a", 20, NONE))
    for number in range(5):
        clock.forward(MINUTE / 2)
        assert waits(writing, *several(f"b{number}-", 60, NONE)) == [0] * 60


def test_who_waits_on_a_ramp_is_released_slowly_after_a_pause(writing, clock):
    orders = several("a", 30, NONE)
    book(writing, *orders)
    waiting = orders[RAMP_FIRST:]
    pause_for(writing, pause(100, refused=False))
    assert confirm(writing, *waiting) == [100 + ramp_offset_s(k) for k in range(22)]
    assert waits(writing, *several("b", 2, NONE)) == [100 + ramp_offset_s(k) for k in (22, 23)]


# --- learning


def freely(engine, clock, number, prefix="c"):
    """Calls of a model without a limit, all started; returns the orders."""
    orders = several(prefix, number, NONE)
    book(engine, *orders)
    clock.forward(RAMP_END_S)
    confirm(engine, *orders)
    return orders


@pytest.mark.parametrize(
    ("started", "refusals", "learned"), [(20, 1, 17), (20, 5, 13), (10, 1, 8), (2, 1, 1), (1, 1, 1)]
)
def test_without_a_header_nine_tenths_of_what_was_let_through_is_the_limit(
    writing, clock, started, refusals, learned
):
    orders = freely(writing, clock, started)
    for order in orders[:refusals]:
        refused(writing, order, 10)
        clock.forward(0.5)
    assert (rate(writing)["learned_rpm"], rate(writing)["is_stated"]) == (learned, False)


def test_a_refusal_that_passes_at_once_pauses_and_teaches_nothing(writing, clock):
    orders = freely(writing, clock, 20)
    refused(writing, orders[0], TEACHES_FROM_S - 0.1)
    assert (rate(writing)["learned_rpm"], rate(writing)["learned_at"]) == (None, None)
    assert waits(writing, start("new", NONE)) == [TEACHES_FROM_S - 0.1]


def test_what_was_started_before_a_limit_was_learned_counts_in_its_window(writing, clock):
    orders = freely(writing, clock, 10)
    refused(writing, orders[0], 5)
    # Nine tenths of nine are eight; nine are in the window, seven of them since the beginning.
    [wait] = waits(writing, start("new", NONE))
    assert wait == MINUTE - RAMP_END_S


def test_tokens_of_what_was_started_before_count_too_however_many_they_are(writing, clock):
    freely(writing, clock, 1, "ramp")
    clock.forward(1)
    orders = several("c", 3, NONE)
    book(writing, *orders)  # none of them is kept
    most = 2**31 - 1
    tokens = dict(zip(orders, (most, 20, None), strict=True))
    ends = [
        Settlement(order.call_id, "answered", NOW, 0, prompt_tokens=used, completion_tokens=used)
        for order, used in tokens.items()
    ]
    with writing.begin() as connection:
        settle(connection, ends)
    refused(writing, start("ramp0", NONE), 5)
    found = {name: row["tokens"] for name, row in rows(writing).items() if name.startswith("c")}
    assert found == {"c0": most, "c1": 40, "c2": 0}


def test_a_limit_that_the_provider_states_is_kept_to_from_then_on(writing, clock):
    orders = freely(writing, clock, 4)
    refused(writing, orders[0], 5, limit_requests=3, limit_tokens=1_000)
    assert (rate(writing)["learned_rpm"], rate(writing)["learned_tpm"]) == (3, 1_000)
    clock.forward(MINUTE)
    assert waits(writing, *several("d", 4, NONE)) == [0, 0, 0, MINUTE]


@pytest.mark.parametrize(
    ("first", "second", "learned", "stated"),
    [
        # What is stated is true, whatever was observed just before or after it.
        (None, 15, 15, True),
        (15, None, 15, True),
        (15, 12, 12, True),
        # Of what is only observed the lowest.
        (None, None, 16, False),
    ],
)
def test_of_refusals_in_the_same_minute_what_is_stated_counts(writing, clock, first, second, learned, stated):
    orders = freely(writing, clock, 20)
    refused(writing, orders[0], 5, limit_requests=first)
    clock.forward(2)
    refused(writing, orders[1], 5, limit_requests=second)
    assert (rate(writing)["learned_rpm"], rate(writing)["is_stated"]) == (learned, stated)


def test_refusals_of_calls_that_were_in_flight_say_the_same_again(writing, clock):
    orders = freely(writing, clock, 20)
    refused(writing, orders[0], 30)
    clock.forward(1)
    refused(writing, orders[1], 29)
    assert rate(writing)["learned_rpm"] == 17


@pytest.mark.parametrize(
    ("minutes", "stated", "allowed"),
    [(1, False, 10), (2, False, 10), (17, False, 20), (1, True, 10), (17, True, 10), (59, True, 10)],
)
def test_a_limit_that_was_only_observed_is_tried_upwards_and_a_stated_one_is_not(
    writing, clock, minutes, stated, allowed
):
    orders = freely(writing, clock, 12)
    refused(writing, orders[0], 5, limit_requests=10 if stated else None)
    if not stated:
        assert rate(writing)["learned_rpm"] == 9
        allowed = int(9 * 1.05 ** max(0, minutes - 2))
    clock.forward(minutes * 60 + 1)
    asked = waits(writing, *several("d", 40, NONE))
    assert sum(wait == 0 for wait in asked) == allowed


@pytest.mark.parametrize("stated", [False, True])
def test_what_was_learned_is_forgotten_after_an_hour_without_a_refusal(writing, clock, stated):
    orders = freely(writing, clock, 12)
    refused(writing, orders[0], 5, limit_requests=10 if stated else None)
    clock.forward(3_601)
    # Not all at once: it starts slowly again.
    assert waits(writing, *several("d", 40, NONE)) == [ramp_offset_s(k) for k in range(40)]


def test_what_was_learned_days_ago_is_forgotten_by_all_that_come_one_after_the_other(writing, clock):
    refused(writing, freely(writing, clock, 12)[0], 5)
    clock.forward(30 * DAY)
    # The first begin on the ramp and wait; those who come now find somebody waiting.
    first, second = several("d", 20, NONE), several("e", 20, NONE)
    assert [*waits(writing, *first), *waits(writing, *second)] == [ramp_offset_s(k) for k in range(40)]
    assert (rate(writing)["learned_rpm"], rate(writing)["learned_at"]) == (None, None)


def test_what_was_learned_is_kept_as_long_as_calls_wait_for_it(writing, clock):
    orders = freely(writing, clock, 4)
    refused(writing, orders[0], 0, limit_requests=1)
    waiting = several("w", 80, NONE)
    book(writing, *waiting)
    clock.forward(3_601)
    # Late by seconds: all that wait are planned anew, one per minute still.
    confirm(writing, waiting[58])
    clock.forward(2)
    left = [order for order in waiting if rows(writing)[order.call_id]["start_at"] > clock.now]
    assert len(left) > 10
    starts = [rows(writing)[order.call_id]["start_at"] for order in left]
    assert all(b - a == pytest.approx(MINUTE) for a, b in pairwise(starts))
    # Who comes now does not overtake them.
    assert book(writing, start("new", NONE))[0].start_at > max(starts)


def test_what_is_configured_is_kept_to_whatever_was_learned(writing, clock):
    limits = RateLimits(rpm=4)
    orders = several("c", 4, limits)
    book(writing, *orders)
    refused(writing, orders[0], 1, limit_requests=1)
    clock.forward(MINUTE)
    assert waits(writing, *several("d", 5, limits)) == [0, 0, 0, 0, MINUTE]


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (RateLimits(rpd=50), [0, 0, 0, MINUTE]),
        (RateLimits(rpd=2), [0, 0, DAY, DAY]),
        (RateLimits(tpm=10_000), [0, 0, 0, MINUTE]),
        (RateLimits(burst=1), [0, MINUTE / 3, MINUTE * 2 / 3, MINUTE]),
    ],
)
def test_what_is_not_configured_is_learned(writing, clock, limits, expected):
    """Of a daily limit alone nobody can tell how many may start in a minute."""
    refused(writing, start("c", limits), 0, limit_requests=3)
    clock.forward(MINUTE)
    assert waits(writing, *several("d", 4, limits)) == expected


def test_a_learned_limit_on_tokens_is_kept_to(writing, clock):
    refused(writing, start("c", NONE), 0, limit_requests=100, limit_tokens=100)
    clock.forward(1)
    assert waits(writing, *several("d", 3, NONE, tokens=50)) == [0, 0, MINUTE]


def test_a_limit_on_tokens_that_was_forgotten_does_not_come_back_with_the_next_refusal(writing, clock):
    refused(writing, start("c", NONE), 0, limit_requests=100, limit_tokens=10)
    clock.forward(3_601)
    orders = freely(writing, clock, 4, "d")
    refused(writing, orders[0], 5)
    assert rate(writing)["learned_tpm"] is None


def test_a_pause_after_an_answer_teaches_nothing(writing, clock):
    freely(writing, clock, 4)
    pause_for(writing, pause(10, refused=False, limit_requests=4))
    assert rate(writing)["learned_rpm"] is None
    assert waits(writing, start("d", NONE)) == [10]


def test_calls_that_ended_in_an_error_or_were_not_sent_are_no_sign_of_what_is_allowed(writing, clock):
    orders = freely(writing, clock, 20)
    with writing.begin() as connection:
        ends = [Settlement(o.call_id, "failed", NOW, 0) for o in orders[:5]]
        ends += [Settlement(o.call_id, "unsent", NOW) for o in orders[5:10]]
        settle(connection, ends + [Settlement(o.call_id, "answered", NOW, 0) for o in orders[10:15]])
    refused(writing, orders[19], 5)
    assert rate(writing)["learned_rpm"] == 9 * 9 // 10


# --- any arrivals, any delays


class Callers:
    """Calls as their triggers make them: each asks, waits as it is told, and says so before it is sent."""

    def __init__(self, engine, clock):
        self._engine, self._clock = engine, clock
        self._events, self._numbers = [], count()
        self.sent = []

    def arrive(self, at, order, late_s=0.0):
        self._later(at, self._ask, order, late_s)

    def pause(self, at, pause_):
        self._later(at, lambda: pause_for(self._engine, pause_))

    def run(self):
        """Let everything happen, at its time."""
        while self._events:
            at, _, happen, arguments = heapq.heappop(self._events)
            self._clock.now = max(self._clock.now, at)
            happen(*arguments)

    def _later(self, at, happen, *arguments):
        heapq.heappush(self._events, (at, next(self._numbers), happen, arguments))

    def _ask(self, order, late_s):
        [booked] = book(self._engine, order)
        self._go_or_wait(order, booked.wait_s, late_s)

    def _confirm(self, order, late_s):
        with self._engine.begin() as connection:
            [wait_s] = confirm_starts(connection, [order])
        self._go_or_wait(order, wait_s, late_s)

    def _go_or_wait(self, order, wait_s, late_s):
        if wait_s <= 0:
            self.sent.append((self._clock.now, order))
        else:
            # It is late once: then it hurries.
            self._later(self._clock.now + wait_s + late_s, self._confirm, order, 0.0)


def broken_windows(sent, limits):
    """Starts of (time, tokens) that break a limit in its true window; a second is for jitter."""
    times = [at for at, _ in sent]
    for number, (at, tokens) in enumerate(sent):
        minute = slice(bisect_right(times, at - MINUTE_S), number)
        if limits.rpm and len(times[minute]) + 1 > limits.rpm:
            yield at, "rpm"
        others = sum(t for _, t in sent[minute])
        if limits.tpm and others and others + tokens > limits.tpm:
            yield at, "tpm"
        if limits.rpd and number + 1 - bisect_right(times, at - DAY_S) > limits.rpd:
            yield at, "rpd"
        if limits.rpm and limits.burst and limits.burst < limits.rpm:
            # Half a second of the minute's margin is this window's share at most.
            window_s = MINUTE * limits.burst / limits.rpm - 2 * LATE_S
            if number + 1 - bisect_right(times, at - window_s) > limits.burst:
                yield at, "burst"


COUNT = st.integers(1, 6)
LIMITS = st.builds(
    RateLimits,
    rpm=st.none() | COUNT,
    tpm=st.none() | st.integers(1, 40),
    rpd=st.none() | st.integers(3, 12),
    burst=st.none() | COUNT,
).filter(lambda limits: limits != RateLimits(burst=limits.burst))
SECONDS = st.integers(0, 8 * 150).map(lambda n: n / 8)
ARRIVALS = st.lists(
    st.tuples(SECONDS, st.integers(1, 20), st.sampled_from([0.0, 0.0, 0.0, 0.1, 0.25, 0.5, 3.0, 20.0, 90.0])),
    min_size=1,
    max_size=14,
)
PROPERTY = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def empty(engine):
    with engine.begin() as connection:
        for table in (CallStart, LLMCall, ModelRate):
            connection.execute(delete(table))


@PROPERTY
@given(LIMITS, ARRIVALS, st.none() | st.tuples(SECONDS, st.integers(1, 100)))
def test_whoever_comes_whenever_and_however_late_no_window_is_broken(
    writing, clock, limits, arrivals, paused
):
    empty(writing)
    began = clock.now
    callers = Callers(writing, clock)
    for number, (at, tokens, late_s) in enumerate(arrivals):
        callers.arrive(began + at, start(f"c{number}", limits, tokens=tokens), late_s)
    if paused:
        callers.pause(began + paused[0], pause(paused[1], limits))
    callers.run()
    assert len(callers.sent) == len(arrivals)
    sent = [(at, order.tokens) for at, order in callers.sent]
    assert list(broken_windows(sent, limits)) == []
    if paused:
        from_, until = began + paused[0], began + sum(paused)
        # At the very moment of the pause either may come first.
        assert [at for at, _ in sent if from_ < at < until - NOW_S] == []


@PROPERTY
@given(LIMITS, ARRIVALS)
def test_whoever_is_punctual_goes_in_the_order_in_which_all_came(writing, clock, limits, arrivals):
    empty(writing)
    began = clock.now
    callers = Callers(writing, clock)
    for number, (at, tokens, _) in enumerate(sorted(arrivals)):
        callers.arrive(began + at, start(f"c{number:02}", limits, tokens=tokens))
    callers.run()
    times = [at for _, at in sorted((order.call_id, at) for at, order in callers.sent)]
    # Who comes in the very moment for which another has waited may be told first.
    assert all(later >= earlier - NOW_S for earlier, later in pairwise(times))


# --- several processes


PROCESSES = 3


def in_processes(work, *arguments):
    """Run ``work(number, *arguments, barrier, answers)`` in several processes; returns what they put."""
    fork = multiprocessing.get_context("fork")
    barrier, answers = fork.Barrier(PROCESSES), fork.SimpleQueue()
    processes = [
        fork.Process(target=work, args=(number, *arguments, barrier, answers)) for number in range(PROCESSES)
    ]
    for process in processes:
        process.start()
    found = [item for _ in processes for item in answers.get()]
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * PROCESSES
    return found


def ask_at_once(number, results_settings, barrier, answers):
    writer = writer_for(results_settings)
    barrier.wait(60)
    limits = RateLimits(rpm=30)
    futures = [writer.submit(book_starts, start(f"{number}-{i}", limits)) for i in range(20)]
    answers.put([future.result(60).wait_s for future in futures])
    writer.close()


def test_several_processes_get_the_starts_of_one_window_between_them(results_settings, writing):
    writing.dispose()
    found = in_processes(ask_at_once, results_settings)
    assert sum(wait_s == 0 for wait_s in found) == 30
    assert sum(wait_s > MINUTE_S - 30 for wait_s in found) == 30


SHARED = RateLimits(rpm=5, tpm=60, burst=2)


def ask_over_time(number, results_settings, ticks, barrier, answers):
    """Ask and confirm in turns with others, on one clock that goes on whenever anyone looks at it."""
    rng, sent, waiting = random.Random(number), [], []

    def tick(_connection):
        # Within a transaction: nobody else has looked meanwhile.
        ticks.value += rng.random() * 8
        return ticks.value

    limiter.limiter_clock = tick
    writer = writer_for(results_settings)
    barrier.wait(60)
    for i in range(25):
        order = start(f"{number}-{i}", SHARED, tokens=rng.randrange(1, 30))
        booked = writer.submit(book_all, order).result(60)
        (waiting if booked.wait_s else sent).append((booked.start_at, order))
        waiting, sent = confirm_due(writer, waiting, sent)
    while waiting:
        waiting, sent = confirm_due(writer, waiting, sent)
    answers.put([(at, order.tokens) for at, order in sent])
    writer.close()


def confirm_due(writer, waiting, sent):
    """Ask for all that wait; what may go is sent at the time that its row has."""
    left = []
    for _, order in waiting:
        at, wait_s = writer.submit(confirm_and_look, order).result(60)
        (left if wait_s else sent).append((at, order))
    return left, sent


def confirm_and_look(connection, orders):
    found = confirm_starts(connection, orders)
    query = select(CallStart.start_at)
    return [
        (connection.scalar(query.where(CallStart.call_id == order.call_id)), wait_s)
        for order, wait_s in zip(orders, found, strict=True)
    ]


def test_processes_that_take_turns_break_no_window_together(results_settings, writing):
    writing.dispose()
    ticks = multiprocessing.get_context("fork").RawValue("d", 1_000_000.0)
    sent = sorted(in_processes(ask_over_time, results_settings, ticks))
    assert len(sent) == PROCESSES * 25
    assert list(broken_windows(sent, SHARED)) == []


# --- the clock


def test_the_clock_goes_on_within_a_transaction_and_is_of_now(writing):
    with writing.begin() as connection:
        first = limiter_clock(connection)
        time.sleep(0.01)
        assert first < limiter_clock(connection)
    assert abs(first - time.time()) < 60
