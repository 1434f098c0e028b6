"""Before and after a call: everything that it needs or nothing, and everything that it leaves behind."""

from __future__ import annotations

import multiprocessing
import random
import time
import uuid
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import event, select, text
from sqlalchemy.exc import IntegrityError

from daydreaming.llm.limits import MARGIN_S, MINUTE_S, RateLimits
from daydreaming.store.admission import CallEnd, admit_calls, end_calls, keep_leases, lease_time
from daydreaming.store.claims import LEASE_S, Lease
from daydreaming.store.database import engine_for
from daydreaming.store.group_writer import GroupWriter, writer_for
from daydreaming.store.ledger import (
    Settlement,
    experiment_scope,
    read_budget,
    read_calls,
    set_experiment_cap,
)
from daydreaming.store.limiter import CallLost, confirm_starts
from daydreaming.store.results import read_failures, read_responses, upsert_responses
from daydreaming.store.schema import CallStart, Claim, ModelRate
from tests.support.attempts import call_order, pause
from tests.unit.store.test_result_rows import failure, response

E = experiment_scope("e")
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MINUTE = MINUTE_S + MARGIN_S
ONE = RateLimits(rpm=1)


def admit(engine, *orders):
    with engine.begin() as connection:
        return admit_calls(connection, orders)


def outcomes(engine, *orders):
    return [admission.outcome for admission in admit(engine, *orders)]


def end(engine, *ends):
    with engine.begin() as connection:
        assert end_calls(connection, ends) == [None] * len(ends)


def cap(engine, nanousd):
    with engine.begin() as connection:
        set_experiment_cap(connection, "e", nanousd / 1e9)


def claims(engine):
    with engine.connect() as connection:
        return {row.cell_id: row.owner for row in connection.execute(select(Claim.__table__))}


def starts(engine):
    with engine.connect() as connection:
        return {row.call_id: row.start_at for row in connection.execute(select(CallStart.__table__))}


def states(engine):
    return {row["call_id"]: row["state"] for row in read_calls(engine)}


def everything(engine):
    """All that the desk writes, for comparison."""
    return claims(engine), starts(engine), read_calls(engine), read_budget(engine, E)


def settled(order, state="answered", cost=3, **fields):
    call_id = order.reservation.row["call_id"]
    return CallEnd(Settlement(call_id, state, NOW, cost, "provider"), start=order.start, **fields)


# --- before a call


def test_a_call_that_goes_has_a_lease_money_and_a_start(writing, clock):
    [first, second] = admit(writing, call_order("a", ONE), call_order("b", ONE))
    assert (first.outcome, first.wait_s, first.queued_at) == ("go", 0, clock.now)
    assert (second.outcome, second.wait_s) == ("go", MINUTE)
    assert claims(writing) == {"cell of a": "owner of a", "cell of b": "owner of b"}
    assert read_budget(writing, E) == (None, 20, 0)
    assert states(writing) == {"a": "reserved", "b": "reserved"}
    assert {row["call_id"]: row["start_at"] for row in read_calls(writing)} == starts(writing)


def test_nothing_asked_is_nothing_done(writing, clock):
    assert admit(writing) == []
    end(writing)
    with writing.begin() as connection:
        assert keep_leases(connection, []) == []
        assert keep_leases(connection, [()]) == [set()]
    assert everything(writing) == ({}, {}, [], (None, 0, 0))


def test_a_cell_that_another_holds_costs_nothing_and_books_nothing(writing, clock):
    admit(writing, call_order("a", ONE, cell_id="c"))
    before = everything(writing)
    clock.forward(LEASE_S)
    assert outcomes(writing, call_order("b", ONE, cell_id="c")) == ["held"]
    assert everything(writing) == before


def test_a_cell_whose_holder_is_gone_is_taken_over_and_the_lost_call_settled(writing, clock):
    admit(writing, call_order("a", cell_id="c"))
    clock.forward(LEASE_S + 0.1)
    assert outcomes(writing, call_order("b", cell_id="c")) == ["go"]
    assert claims(writing) == {"c": "owner of b"}
    with writing.begin() as connection:
        assert keep_leases(connection, [[Lease("generation", "c", "owner of a")]]) == [
            {Lease("generation", "c", "owner of a")}
        ]
    assert states(writing) == {"a": "unknown", "b": "reserved"}


def test_of_two_that_want_one_cell_in_one_batch_one_goes(writing, clock):
    orders = [call_order(name, ONE, cell_id="c") for name in "abc"]
    assert outcomes(writing, *orders) == ["go", "held", "held"]
    assert list(starts(writing)) == list(states(writing)) == ["a"]


@pytest.mark.parametrize("stage", ["generation", "evaluation"])
def test_an_answer_that_landed_meanwhile_is_told_and_nothing_is_reserved(writing, clock, stage):
    row = response(1, stage)
    upsert_responses(writing, stage, [row])
    cell_id = row["generation_task_id" if stage == "generation" else "evaluation_task_id"]
    order = call_order("a", ONE, stage=stage, cell_id=cell_id)
    assert outcomes(writing, order) == ["landed"]
    assert claims(writing) == {cell_id: "owner of a"}
    assert (starts(writing), states(writing), read_budget(writing, E)) == ({}, {}, (None, 0, 0))
    # Its file was looked for, and is gone or stale: then it is called.
    assert outcomes(writing, replace(order, check_landed=False)) == ["go"]


def test_an_answer_of_the_other_stage_is_another_cells(writing, clock):
    upsert_responses(writing, "generation", [response(1)])
    assert outcomes(writing, call_order("a", stage="evaluation", cell_id="g00001")) == ["go"]


@pytest.mark.parametrize(
    ("limit", "price", "outcome", "reason"),
    [
        (15, 10, "busy", "in flight"),
        (9, 10, "refused", "9 US|0.000000009"),
        (99, None, "refused", "no price"),
    ],
)
def test_a_call_without_money_books_no_start_and_keeps_its_lease(
    writing, clock, limit, price, outcome, reason
):
    admit(writing, call_order("flying", ONE))
    cap(writing, limit)
    before = everything(writing)
    [admission] = admit(writing, call_order("a", ONE, nanousd=price))
    assert admission.outcome == outcome
    assert any(part in admission.reason for part in reason.split("|"))
    after = everything(writing)
    assert after[0].pop("cell of a") == "owner of a"
    assert after == before


def test_a_batch_of_all_kinds_is_decided_one_by_one(writing, clock):
    upsert_responses(writing, "generation", [response(1)])
    admit(writing, call_order("holder", ONE, cell_id="held", nanousd=0))
    cap(writing, 25)
    orders = [
        call_order("held", ONE, cell_id="held"),
        call_order("go-1", ONE),
        call_order("landed", ONE, cell_id="g00001"),
        call_order("refused", ONE, nanousd=26),
        call_order("go-2", RateLimits(rpm=9), model="prov/other"),
        call_order("busy", ONE),
        call_order("go-3", ONE, nanousd=5),
    ]
    assert [(a.outcome, a.wait_s) for a in admit(writing, *orders)] == [
        ("held", 0),
        ("go", MINUTE),
        ("landed", 0),
        ("refused", 0),
        ("go", 0),
        ("busy", 0),
        ("go", 2 * MINUTE),
    ]
    assert starts(writing).keys() == states(writing).keys() == {"holder", "go-1", "go-2", "go-3"}
    assert read_budget(writing, E) == (25, 25, 0)


def test_a_further_attempt_goes_under_the_same_lease_and_renews_it(writing, clock):
    first = call_order("a", ONE, cell_id="c", owner="me")
    [admission] = admit(writing, first)
    end(writing, settled(first, "failed", 0))
    clock.forward(LEASE_S - 1)
    again = call_order("b", ONE, cell_id="c", owner="me", queued_at=admission.queued_at)
    assert outcomes(writing, again) == ["go"]
    clock.forward(LEASE_S - 1)
    assert outcomes(writing, call_order("x", ONE, cell_id="c")) == ["held"]


def test_money_that_a_dead_process_had_reserved_is_found_where_it_is_needed(writing, clock):
    limits = RateLimits(rpm=1)
    admit(writing, call_order("sent", limits, nanousd=10), call_order("waited", limits, nanousd=80))
    cap(writing, 100)
    assert outcomes(writing, call_order("a", nanousd=40)) == ["busy"]
    clock.forward(LEASE_S + 1)
    assert outcomes(writing, call_order("b", nanousd=95), call_order("a", nanousd=40)) == ["refused", "go"]
    # What was sent counts with its worst case; what still waited does not.
    assert states(writing) == {"sent": "unknown", "waited": "unsent", "a": "reserved"}
    assert read_budget(writing, E) == (100, 40, 10)


def test_where_one_part_fails_nothing_is_left_of_any(writing, clock):
    admit(writing, call_order("a", ONE))
    before = everything(writing)
    with pytest.raises(IntegrityError):
        admit(writing, call_order("b", ONE), call_order("a", ONE, cell_id="another"))
    assert everything(writing) == before


def test_a_bad_order_does_not_spoil_the_others_of_its_group(writing, clock):
    admit(writing, call_order("a"))
    writer = GroupWriter(writing)
    bad = call_order("a", cell_id="another")
    futures = [writer.submit(admit_calls, order) for order in (call_order("b"), bad, call_order("c"))]
    writer.close()
    assert [futures[i].result().outcome for i in (0, 2)] == ["go", "go"]
    with pytest.raises(IntegrityError):
        futures[1].result()
    assert states(writing).keys() == {"a", "b", "c"}
    assert "another" not in claims(writing)


def test_leases_go_by_the_limiters_clock(writing, clock):
    with writing.begin() as connection:
        assert lease_time(connection) == datetime.fromtimestamp(clock.now, UTC)


# --- after a call


def test_an_answer_leaves_its_row_its_price_and_a_free_cell_in_one_transaction(writing, clock):
    orders = [call_order("a"), call_order("b", stage="evaluation")]
    admit(writing, *orders)
    commits = []
    event.listen(writing, "commit", commits.append)
    end(
        writing,
        settled(orders[0], release=orders[0].lease, response=("generation", response(1))),
        settled(orders[1], release=orders[1].lease, response=("evaluation", response(2, "evaluation"))),
    )
    assert len(commits) == 1
    assert [row["generation_task_id"] for row in read_responses(writing, "generation")] == ["g00001"]
    assert [row["evaluation_task_id"] for row in read_responses(writing, "evaluation")] == ["v00002"]
    assert states(writing) == {"a": "answered", "b": "answered"}
    assert read_budget(writing, E) == (None, 0, 6)
    assert claims(writing) == {}


def test_a_row_that_is_there_is_replaced(writing, clock):
    order = call_order("a")
    admit(writing, order)
    upsert_responses(writing, "generation", [response(1, response_file="old")])
    end(writing, settled(order, response=("generation", response(1, response_file="new"))))
    assert [row["response_file"] for row in read_responses(writing, "generation")] == ["new"]


def test_a_failed_attempt_leaves_its_row_and_keeps_the_lease(writing, clock):
    order = call_order("a")
    admit(writing, order)
    end(writing, settled(order, "failed", 0, failure=failure(cell_id="cell of a")))
    assert [row["cell_id"] for row in read_failures(writing, "e")] == ["cell of a"]
    assert states(writing) == {"a": "failed"}
    assert claims(writing) == {"cell of a": "owner of a"}


def test_an_end_that_cannot_be_written_leaves_everything_as_it_was(writing, clock):
    order = call_order("a")
    admit(writing, order)
    before = everything(writing)
    bad = settled(order, release=order.lease, failure={**failure(), "message": None}, pause=pause(9))
    with pytest.raises(IntegrityError):
        end(writing, bad)
    assert everything(writing) == before
    assert read_failures(writing, "e") == []


@pytest.mark.parametrize(("keep", "left"), [(False, {"a", "c"}), (True, {"a", "b", "c"})])
def test_a_start_that_was_not_used_is_free_for_the_next_unless_its_cell_comes_back(
    writing, clock, keep, left
):
    orders = [call_order(name, ONE) for name in "abc"]
    admit(writing, *orders)
    end(writing, settled(orders[1], "unsent", None, release=orders[1].lease, keep_start=keep))
    assert starts(writing).keys() == left
    assert read_budget(writing, E) == (None, 20, 0)
    assert claims(writing).keys() == {"cell of a", "cell of c"}
    with writing.begin() as connection:
        assert confirm_starts(connection, [orders[2].start]) == [(2 if keep else 1) * MINUTE]


@pytest.mark.parametrize("state", ["answered", "failed", "unknown", "unsent"])
def test_a_start_that_was_used_counts_whatever_became_of_the_call(writing, clock, state):
    order = call_order("a", ONE)
    admit(writing, order)
    end(writing, settled(order, state, 0))
    assert [a.wait_s for a in admit(writing, call_order("b", ONE))] == [MINUTE]


@pytest.mark.parametrize(("limits", "wait_s"), [(RateLimits(tpm=100), 0), (RateLimits(rpm=1), MINUTE)])
def test_tokens_that_were_not_used_let_the_next_start_earlier(writing, clock, limits, wait_s):
    orders = [call_order(name, limits, tokens=90) for name in "ab"]
    assert [a.wait_s for a in admit(writing, *orders)] == [0, MINUTE]
    end(writing, settled(orders[0], tokens=10))
    with writing.begin() as connection:
        assert confirm_starts(connection, [orders[1].start]) == [wait_s]


def test_a_refusal_pauses_its_model_for_all_and_no_other(writing, clock):
    orders = [call_order("a", ONE), call_order("b", ONE), call_order("c", ONE, model="prov/other")]
    admit(writing, *orders)
    end(writing, settled(orders[0], "failed", 0, failure=failure(), pause=pause(200, ONE)))
    [new, other] = admit(writing, call_order("d", ONE), call_order("e", model="prov/other"))
    assert (new.wait_s, other.wait_s) == (200 + MINUTE, 0)
    with writing.connect() as connection:
        paused = connection.execute(select(ModelRate.paused_until, ModelRate.learned_at)).one()
    assert tuple(paused) == (clock.now + 200, clock.now)


def test_the_refused_call_itself_is_no_sign_of_what_is_allowed(writing, clock):
    """Its price is settled before its refusal is learned from."""
    orders = [call_order(f"c{i}") for i in range(8)]
    admit(writing, *orders)
    ends = [settled(order, "failed", 0, pause=pause(10)) for order in orders[:4]]
    end(writing, *ends)
    with writing.connect() as connection:
        assert connection.scalar(select(ModelRate.learned_rpm)) == 4 * 9 // 10


def test_a_lease_of_another_is_not_given_back(writing, clock):
    admit(writing, call_order("a", cell_id="c"))
    end(writing, CallEnd(release=Lease("generation", "c", "somebody")))
    assert claims(writing) == {"c": "owner of a"}


# --- meanwhile


def test_leases_are_renewed_for_all_who_ask_and_lost_ones_are_told_to_whose_they_were(writing, clock):
    orders = [call_order(name, owner=f"process {name}") for name in "abc"]
    admit(writing, *orders)
    leases = [order.lease for order in orders]
    gone = Lease("generation", "gone", "process a")
    clock.forward(LEASE_S - 1)
    with writing.begin() as connection:
        assert keep_leases(connection, [[leases[0], gone], [leases[1]]]) == [{gone}, set()]
    clock.forward(2)
    wanted = [call_order(f"x{o.lease.cell_id}", cell_id=o.lease.cell_id, owner="x") for o in orders]
    assert outcomes(writing, *wanted) == ["held", "held", "go"]


def test_a_lease_that_was_given_back_a_moment_ago_is_not_taken_by_its_renewal(writing, clock):
    """Both may wait in the writer's queue, the renewal behind the end of the call."""
    order = call_order("a", cell_id="c")
    admit(writing, order)
    end(writing, settled(order, release=order.lease))
    with writing.begin() as connection:
        assert keep_leases(connection, [[order.lease]]) == [{order.lease}]
    assert outcomes(writing, call_order("b", cell_id="c")) == ["go"]


def test_calls_of_dead_processes_are_settled_while_others_keep_their_leases(writing, clock):
    admit(writing, call_order("dead"), call_order("alive"))
    clock.forward(LEASE_S - 1)
    with writing.begin() as connection:
        keep_leases(connection, [[Lease("generation", "cell of alive", "owner of alive")]])
    assert states(writing) == {"dead": "reserved", "alive": "reserved"}
    clock.forward(2)
    with writing.begin() as connection:
        keep_leases(connection, [])
    assert states(writing) == {"dead": "unknown", "alive": "reserved"}


# --- several processes


PROCESSES, ROUNDS = 3, 30
STRESS = RateLimits(rpm=6_000)


def work(seed, results_settings, barrier):
    """What a triggerer does, at random and all at once, on cells and models that all share."""
    rng, writer, live = random.Random(seed), writer_for(results_settings), []
    barrier.wait(60)
    for _ in range(ROUNDS):
        orders = [
            call_order(
                uuid.uuid4().hex,
                STRESS,
                model=f"m{rng.randrange(3)}",
                cell_id=f"c{rng.randrange(40)}",
                owner=f"process {seed}",
            )
            for _ in range(3)
        ]
        admitted = [(order, writer.submit(admit_calls, order)) for order in orders]
        others = [writer.submit(confirm_starts, order.start) for order in live if rng.random() < 0.5]
        ended = [order for order in live if rng.random() < 0.5]
        live = [order for order in live if order not in ended]
        for order in ended:
            paused = replace(pause(0.01, STRESS), model_name=order.start.model_name)
            state = rng.choice(["failed", "unsent", "answered"])
            others.append(
                writer.submit(
                    end_calls,
                    settled(
                        order,
                        state,
                        1,
                        release=order.lease,
                        tokens=5,
                        pause=paused if rng.random() < 0.3 else None,
                    ),
                )
            )
        others.append(writer.submit(keep_leases, [order.lease for order in live]))
        for future in others:
            # Of two calls for one cell the first that ended has given back the lease of both.
            assert isinstance(future.exception(60), CallLost | None)
        live += [order for order, future in admitted if future.result(60).outcome == "go"]
    writer.close()


def test_processes_that_do_everything_at_once_never_block_each_other(results_settings, writing):
    writing.dispose()
    fork = multiprocessing.get_context("fork")
    barrier = fork.Barrier(PROCESSES)
    processes = [
        fork.Process(target=work, args=(seed, results_settings, barrier)) for seed in range(PROCESSES)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * PROCESSES
    engine = engine_for(results_settings)
    if engine.dialect.name == "postgresql":
        assert deadlocks(engine) == 0
    reserved = sum(row["reserved_nanousd"] for row in read_calls(engine) if row["state"] == "reserved")
    spent = sum(row["cost_nanousd"] or 0 for row in read_calls(engine))
    assert read_budget(engine, E) == (None, reserved, spent)


def deadlocks(engine):
    """How many the server had to resolve; its processes report when they end, so a moment later."""
    time.sleep(1.0)
    query = text("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
    with engine.connect() as connection:
        return connection.scalar(query)
