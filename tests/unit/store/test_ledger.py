"""Money: reserved before a call, settled after it, and never more than a cap allows."""

from __future__ import annotations

import multiprocessing
import random
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, insert, select

from daydreaming.store.claims import LEASE_S, Lease, claim_cells
from daydreaming.store.database import engine_for, writing_engine
from daydreaming.store.group_writer import writer_for
from daydreaming.store.ledger import (
    Settlement,
    budget_day,
    day_scope,
    experiment_scope,
    insert_calls,
    open_failures,
    read_budget,
    read_calls,
    reserve,
    set_experiment_cap,
    settle,
    settle_lost,
)
from daydreaming.store.results import insert_failure
from daydreaming.store.schema import Budget, CallStart, Claim, LLMCall
from tests.support.attempts import DAY, NOW, reservation
from tests.unit.store.test_result_rows import failure

NOW_S = NOW.timestamp()
E, TODAY = experiment_scope("e"), day_scope(DAY)


def ask(engine, *orders, start_at=NOW_S):
    """Reserve as the desk does it, in one transaction with the rows; returns the decisions."""
    with engine.begin() as connection:
        return ask_in(connection, orders, start_at)


def ask_in(connection, orders, start_at=NOW_S):
    decisions = reserve(connection, orders)
    made = [o for o, d in zip(orders, decisions, strict=True) if d.verdict == "reserved"]
    insert_calls(connection, [(order, start_at) for order in made])
    return decisions


def verdicts(engine, *orders):
    return [decision.verdict for decision in ask(engine, *orders)]


def cap(engine, nanousd, experiment_id="e"):
    with engine.begin() as connection:
        set_experiment_cap(connection, experiment_id, None if nanousd is None else nanousd / 1e9)


def end(engine, *settlements):
    with engine.begin() as connection:
        settle(connection, settlements)


def answered(call_id, nanousd, **fields):
    return Settlement(call_id, "answered", NOW, nanousd, "provider", **fields)


def state_of(engine, call_id):
    [row] = [row for row in read_calls(engine) if row["call_id"] == call_id]
    return row["state"], row["cost_nanousd"], row["cost_source"]


def test_what_is_reserved_is_in_both_budgets_and_in_a_row(writing):
    assert verdicts(writing, reservation("a", 30), reservation("b", 12)) == ["reserved", "reserved"]
    assert read_budget(writing, E) == read_budget(writing, TODAY) == (None, 42, 0)
    rows = read_calls(writing)
    assert [(r["call_id"], r["state"], r["reserved_nanousd"], r["cost_nanousd"]) for r in rows] == [
        ("a", "reserved", 30, None),
        ("b", "reserved", 12, None),
    ]
    assert rows[0]["start_at"] == NOW_S
    assert rows[0]["reserved_at"] == NOW


def test_a_scope_that_nobody_used_has_spent_nothing(writing):
    assert read_budget(writing, "experiment:none") == (None, 0, 0)


def test_nothing_asked_is_nothing_done(writing):
    with writing.begin() as connection:
        assert reserve(connection, []) == []
        insert_calls(connection, [])
        assert settle(connection, []) == []
    assert read_calls(writing) == []


VERDICTS = [
    # cap, spent, reserved, asked, verdict
    (100, 0, 0, 100, "reserved"),
    (100, 0, 0, 101, "refused"),
    (100, 60, 0, 40, "reserved"),
    (100, 60, 0, 41, "refused"),
    (100, 0, 60, 40, "reserved"),
    (100, 0, 60, 41, "busy"),
    (100, 60, 30, 10, "reserved"),
    (100, 60, 30, 11, "busy"),
    (100, 60, 30, 41, "refused"),
    (100, 100, 0, 0, "reserved"),
    (100, 100, 0, 1, "refused"),
    (0, 0, 0, 0, "reserved"),
    (0, 0, 0, 1, "refused"),
    (None, 900, 900, 900, "reserved"),
]


def used(engine, spent, reserved, **columns):
    """Bring budgets to a state by calls, as it happens."""
    if spent:
        ask(engine, reservation("spent", spent, **columns))
        end(engine, answered("spent", spent))
    if reserved:
        ask(engine, reservation("flying", reserved, **columns))


@pytest.mark.parametrize(("limit", "spent", "reserved", "asked", "verdict"), VERDICTS)
def test_an_experiments_cap_holds_for_what_is_spent_reserved_and_asked_together(
    writing, limit, spent, reserved, asked, verdict
):
    used(writing, spent, reserved)
    cap(writing, limit)
    before = read_budget(writing, E), read_budget(writing, TODAY)
    assert verdicts(writing, reservation("new", asked)) == [verdict]
    if verdict != "reserved":
        assert (read_budget(writing, E), read_budget(writing, TODAY)) == before
        assert "new" not in [row["call_id"] for row in read_calls(writing)]


@pytest.mark.parametrize(("limit", "spent", "reserved", "asked", "verdict"), VERDICTS)
def test_a_days_cap_holds_likewise_for_all_experiments_together(
    writing, limit, spent, reserved, asked, verdict
):
    used(writing, spent, reserved, experiment_id="other")
    assert verdicts(writing, reservation("new", asked, day_cap=limit)) == [verdict]
    expected = (None, asked if verdict == "reserved" else 0, 0)
    assert read_budget(writing, E) == expected


@pytest.mark.parametrize(
    ("experiment_cap", "day_cap", "verdict", "reason"),
    [
        (100, 10, "busy", "DAYDREAMING_DAILY_BUDGET_USD"),
        (10, 100, "busy", "max_cost_usd"),
        (10, 9, "refused", "DAYDREAMING_DAILY_BUDGET_USD"),
        (9, 10, "refused", "max_cost_usd"),
        (9, 9, "refused", "max_cost_usd"),
    ],
)
def test_the_tighter_of_both_caps_decides(writing, experiment_cap, day_cap, verdict, reason):
    ask(writing, reservation("flying", 1))
    cap(writing, experiment_cap)
    [decision] = ask(writing, reservation("new", 10, day_cap=day_cap))
    assert decision.verdict == verdict
    assert reason in decision.reason
    assert read_budget(writing, E)[1] == read_budget(writing, TODAY)[1] == 1


@pytest.mark.parametrize(
    ("experiment_cap", "day_cap", "verdict"),
    [(None, None, "reserved"), (10**12, None, "refused"), (None, 10**12, "refused"), (0, 0, "refused")],
)
def test_a_model_without_a_price_is_refused_under_a_cap_only(writing, experiment_cap, day_cap, verdict):
    cap(writing, experiment_cap)
    [decision] = ask(writing, reservation("new", None, day_cap=day_cap))
    assert decision.verdict == verdict
    if verdict == "refused":
        assert "Model m has no price in llm_models.csv" in decision.reason
        assert "Fill in usd_per_1m_input and usd_per_1m_output, or lift the cap" in decision.reason
    else:
        [row] = read_calls(writing)
        assert (row["reserved_nanousd"], read_budget(writing, E)) == (None, (None, 0, 0))


def test_a_refusal_says_which_cap_what_is_spent_what_it_may_cost_and_what_to_do(writing):
    used(writing, 1_500_000_000, 0)
    cap(writing, 2_000_000_000)
    [decision] = ask(writing, reservation("new", 500_000_001))
    assert decision.reason == (
        "max_cost_usd of experiment e is 2 US dollars; 1.5 are spent, and this call may cost up to "
        "0.500000001. Nothing was sent. Raise it (`daydreaming cost e --cap USD`), then "
        "clear the failed instances."
    )
    [decision] = ask(writing, reservation("new", 500_000_000, day_cap=1))
    assert decision.reason.startswith("DAYDREAMING_DAILY_BUDGET_USD for 2026-03-01 (UTC) is 0.000000001 US")
    assert "wait for the next day (UTC)" in decision.reason


def test_of_a_batch_those_that_fit_are_reserved_in_their_order(writing):
    cap(writing, 100)
    orders = [reservation(name, price) for name, price in zip("abcde", (60, 50, 101, 40, 0), strict=True)]
    assert verdicts(writing, *orders) == ["reserved", "busy", "refused", "reserved", "reserved"]
    assert read_budget(writing, E) == (100, 100, 0)
    assert [row["call_id"] for row in read_calls(writing)] == ["a", "d", "e"]


def test_experiments_and_days_have_budgets_of_their_own(writing):
    cap(writing, 10)
    cap(writing, 10, "f")
    orders = [
        reservation("a", 10, day_cap=25),
        reservation("b", 10, experiment_id="f", day_cap=25),
        reservation("c", 10, experiment_id="g", day_cap=25),
        reservation("d", 10, experiment_id="g", day_cap=25, budget_day="2026-03-02"),
    ]
    assert verdicts(writing, *orders) == ["reserved", "reserved", "busy", "reserved"]
    assert read_budget(writing, TODAY) == (None, 20, 0)
    assert read_budget(writing, day_scope("2026-03-02")) == (None, 10, 0)


@pytest.mark.parametrize(
    ("hours", "day"), [(-3, "2026-03-01"), (0, "2026-03-01"), (3, "2026-02-28"), (11, "2026-02-28")]
)
def test_a_day_is_one_of_utc(hours, day):
    assert budget_day(datetime(2026, 3, 1, 1, 0, tzinfo=timezone(timedelta(hours=hours)))) == day


SETTLED = [
    # state, cost, source → cost, source that count
    ("answered", 7, "provider", 7, "provider"),
    ("answered", 0, "llm_models.csv", 0, "llm_models.csv"),
    ("answered", 700, "provider", 700, "provider"),
    ("answered", None, "unknown", 50, "worst case"),
    ("failed", 0, "not billed", 0, "not billed"),
    ("failed", 7, "provider", 7, "provider"),
    # It was billed, and nobody says how much: an answer cut off without usage.
    ("failed", None, "unknown", 50, "worst case"),
    ("unsent", None, None, 0, None),
    ("unknown", None, "unknown", 50, "worst case"),
    ("unknown", 7, "llm_models.csv", 50, "worst case"),
]


@pytest.mark.parametrize(("state", "cost", "source", "counts", "as_source"), SETTLED)
def test_what_a_call_cost_takes_the_place_of_what_it_had_reserved(
    writing, state, cost, source, counts, as_source
):
    ask(writing, reservation("a", 50), reservation("b", 50))
    end(writing, Settlement("a", state, NOW, cost, source))
    assert state_of(writing, "a") == (state, counts, as_source)
    assert read_budget(writing, E) == read_budget(writing, TODAY) == (None, 50, counts)


@pytest.mark.parametrize(
    ("state", "cost", "counts", "source"),
    [
        ("answered", None, None, "unknown"),
        ("unknown", None, None, "unknown"),
        ("failed", None, None, "unknown"),
        ("unsent", None, 0, None),
        ("answered", 7, 7, "provider"),
    ],
)
def test_without_a_price_only_what_the_provider_states_counts(writing, state, cost, counts, source):
    ask(writing, reservation("a", None))
    end(writing, Settlement("a", state, NOW, cost, "provider" if cost else None))
    assert state_of(writing, "a") == (state, counts, source)
    assert read_budget(writing, E) == (None, 0, counts or 0)


def test_everything_that_is_known_of_an_attempt_is_in_its_row(writing):
    ask(writing, reservation("a"))
    later = NOW + timedelta(seconds=3)
    end(
        writing,
        Settlement(
            "a",
            "failed",
            later,
            3,
            "provider",
            prompt_tokens=11,
            completion_tokens=22,
            upstream_provider="Upstream",
            error_class="LLMPermanentError",
        ),
    )
    [row] = read_calls(writing)
    assert (row["prompt_tokens"], row["completion_tokens"]) == (11, 22)
    assert (row["upstream_provider"], row["error_class"]) == ("Upstream", "LLMPermanentError")
    assert (row["ended_at"], row["reserved_at"]) == (later, NOW)


def test_a_call_that_is_settled_stays_so(writing):
    ask(writing, reservation("a", 50))
    end(writing, answered("a", 7))
    end(writing, answered("a", 9))
    end(writing, Settlement("a", "unknown", NOW))
    assert state_of(writing, "a") == ("answered", 7, "provider")
    assert read_budget(writing, E) == (None, 0, 7)


def test_a_call_that_is_settled_twice_in_one_batch_counts_once_and_as_first_said(writing):
    ask(writing, reservation("a", 50))
    end(writing, answered("a", 7), Settlement("a", "unknown", NOW))
    assert state_of(writing, "a") == ("answered", 7, "provider")
    assert read_budget(writing, E) == (None, 0, 7)


def test_a_call_that_was_never_reserved_is_not_settled(writing):
    end(writing, answered("none", 7))
    assert read_calls(writing) == []
    assert read_budget(writing, E) == (None, 0, 0)


def test_calls_of_several_experiments_and_days_are_settled_together(writing):
    columns = [{"experiment_id": e, "budget_day": f"2026-03-0{d}"} for e in "ef" for d in (1, 2)]
    for number, column in enumerate(columns):
        ask(writing, reservation(f"c{number}", 10, **column))
    end(writing, *[answered(f"c{number}", number + 1) for number in range(4)])
    scopes = [E, experiment_scope("f"), TODAY, day_scope("2026-03-02")]
    assert [read_budget(writing, scope) for scope in scopes] == [
        (None, 0, 3),
        (None, 0, 7),
        (None, 0, 4),
        (None, 0, 6),
    ]


def test_a_settlement_makes_room_for_what_was_busy(writing):
    cap(writing, 100)
    assert verdicts(writing, reservation("a", 80), reservation("b", 80)) == ["reserved", "busy"]
    end(writing, answered("a", 20))
    assert verdicts(writing, reservation("b", 80)) == ["reserved"]


def test_a_call_that_cost_more_than_its_worst_case_counts_in_full(writing):
    """A provider that bills what was not agreed: the cap is passed once, and then nothing more is sent."""
    cap(writing, 100)
    ask(writing, reservation("a", 90))
    end(writing, answered("a", 150))
    assert read_budget(writing, E) == (100, 0, 150)
    assert verdicts(writing, reservation("b", 0)) == ["refused"]


@pytest.mark.parametrize("nanousd", [2**53 + 1, 10**17 + 1])
def test_sums_are_exact_where_floats_are_not(writing, nanousd):
    ask(writing, *[reservation(f"c{i}", nanousd) for i in range(3)])
    assert read_budget(writing, E) == (None, 3 * nanousd, 0)
    end(writing, answered("c0", nanousd - 1), answered("c1", 1))
    assert read_budget(writing, TODAY) == (None, nanousd, nanousd)


def test_a_cap_is_set_raised_and_lifted_and_leaves_what_was_spent(writing):
    cap(writing, 100)
    assert read_budget(writing, E) == (100, 0, 0)
    used(writing, 60, 30)
    cap(writing, 50)
    assert read_budget(writing, E) == (50, 30, 60)
    assert verdicts(writing, reservation("a", 1)) == ["refused"]
    cap(writing, 91)
    assert verdicts(writing, reservation("a", 1)) == ["reserved"]
    cap(writing, None)
    assert read_budget(writing, E) == (None, 31, 60)
    assert verdicts(writing, reservation("b", 10**15)) == ["reserved"]


def test_the_rows_are_read_oldest_first_and_by_experiment(writing):
    for number, experiment_id in enumerate("efe"):
        at = NOW - timedelta(seconds=number)
        ask(writing, reservation(f"c{number}", experiment_id=experiment_id, reserved_at=at))
    assert [row["call_id"] for row in read_calls(writing)] == ["c2", "c1", "c0"]
    assert [row["call_id"] for row in read_calls(writing, "e")] == ["c2", "c0"]


# --- calls of processes that are gone


def lose(engine, call_id="a", *, holder="owner of a", renewed_s=0.0, start_at=NOW_S, waiting=None):
    """A reserved call, who holds its cell and since when, and its start; settles what is lost."""
    ask(engine, reservation(call_id, 50), start_at=start_at)
    with engine.begin() as connection:
        if holder:
            lease = Lease("generation", f"cell of {call_id}", holder)
            claim_cells(connection, [lease], NOW - timedelta(seconds=renewed_s))
        if waiting is not None:
            connection.execute(insert(CallStart), [start_row(call_id, start_at, waiting)])
    with engine.begin() as connection:
        return settle_lost(connection, NOW, NOW_S)


def start_row(call_id, start_at, waiting):
    return {
        "call_id": call_id,
        "conn_id": "conn",
        "model_name": "prov/m",
        "stage": "generation",
        "cell_id": f"cell of {call_id}",
        "queued_at": NOW_S - 100,
        "start_at": start_at,
        "tokens": 0,
        "waiting": waiting,
    }


@pytest.mark.parametrize(
    ("holder", "renewed_s", "lost"),
    [
        ("owner of a", 0, False),
        ("owner of a", LEASE_S - 1, False),
        ("owner of a", LEASE_S + 1, True),
        ("another", 0, True),
        ("another", LEASE_S + 1, True),
        ("", 0, True),
    ],
)
def test_a_call_is_lost_where_its_owner_holds_no_lease_any_more(writing, holder, renewed_s, lost):
    assert lose(writing, holder=holder, renewed_s=renewed_s) == lost
    expected = ("unknown", 50, "worst case") if lost else ("reserved", None, None)
    assert state_of(writing, "a") == expected
    assert read_budget(writing, E) == ((None, 0, 50) if lost else (None, 50, 0))


@pytest.mark.parametrize(
    ("start_at", "waiting", "state"),
    [
        # No start was kept: the model has no limit.
        (NOW_S - 1, None, "unknown"),
        (NOW_S, None, "unknown"),
        (NOW_S + 1, None, "unsent"),
        # It was sent when its start was no longer waited for.
        (NOW_S - 1, False, "unknown"),
        (NOW_S + 1, False, "unknown"),
        # It still waited: whoever sends must say so first.
        (NOW_S - 1, True, "unsent"),
        (NOW_S + 1, True, "unsent"),
    ],
)
def test_a_lost_call_counts_where_it_may_have_been_sent(writing, start_at, waiting, state):
    assert lose(writing, holder="", start_at=start_at, waiting=waiting) == 1
    assert state_of(writing, "a")[:2] == (state, 50 if state == "unknown" else 0)


def test_lost_calls_are_settled_once_and_others_are_left(writing):
    assert lose(writing, "a") == 0
    assert lose(writing, "b", holder="another") == 1
    end(writing, answered("a", 3))
    with writing.begin() as connection:
        assert settle_lost(connection, NOW, NOW_S) == 0
    assert read_budget(writing, E) == (None, 0, 53)


def test_an_answer_that_comes_after_its_call_was_given_up_changes_nothing(writing):
    lose(writing, holder="")
    end(writing, answered("a", 3))
    assert state_of(writing, "a") == ("unknown", 50, "worst case")


def test_a_lease_on_the_same_name_in_the_other_stage_is_another_cells(writing):
    with writing.begin() as connection:
        claim_cells(connection, [Lease("evaluation", "cell of a", "owner of a")], NOW)
    assert lose(writing, holder="") == 1


# --- failed attempts


WANTED = ("e", "run-1", "generation", "c")


def fail(engine, hour, *, final=False, ids=WANTED):
    row = failure(cell_id=ids[3], experiment_id=ids[0], run_id=ids[1], stage=ids[2])
    insert_failure(engine, {**row, "final": final, "occurred_at": NOW + timedelta(hours=hour)})


def test_failed_attempts_count_from_the_first_that_nothing_has_ended(writing):
    assert open_failures(writing, *WANTED) == (0, None)
    for hour in (1, 2):
        fail(writing, hour)
    assert open_failures(writing, *WANTED) == (2, NOW + timedelta(hours=1))
    fail(writing, 3, final=True)
    assert open_failures(writing, *WANTED) == (0, None)
    for hour in (4, 5):
        fail(writing, hour)
    assert open_failures(writing, *WANTED) == (2, NOW + timedelta(hours=4))
    ask(writing, reservation("a", cell_id="c"), reservation("b", cell_id="c"), reservation("x", cell_id="x"))
    end(writing, replace(answered("a", 1), ended_at=NOW + timedelta(hours=4)), answered("b", 1))
    end(writing, replace(answered("x", 1), ended_at=NOW + timedelta(hours=9)))
    assert open_failures(writing, *WANTED) == (1, NOW + timedelta(hours=5))


@pytest.mark.parametrize("place", range(4))
def test_failed_attempts_of_another_instance_do_not_count(writing, place):
    other = tuple("other" if index == place else name for index, name in enumerate(WANTED))
    fail(writing, 2)
    fail(writing, 1, ids=other)
    fail(writing, 3, ids=other, final=True)
    assert open_failures(writing, *WANTED) == (1, NOW + timedelta(hours=2))


# --- any sequence


def sums(connection):
    """What the rows say, by scope: reserved and spent."""
    found = {}
    for column, scope_of in ((LLMCall.experiment_id, experiment_scope), (LLMCall.budget_day, day_scope)):
        reserved = func.sum(LLMCall.reserved_nanousd).filter(LLMCall.state == "reserved")
        query = select(column, func.coalesce(reserved, 0), func.coalesce(func.sum(LLMCall.cost_nanousd), 0))
        for name, held, spent in connection.execute(query.group_by(column)):
            found[scope_of(name)] = (int(held), int(spent))
    return found


def budgets(connection):
    rows = connection.execute(select(Budget.scope, Budget.reserved_nanousd, Budget.spent_nanousd))
    return {scope: (reserved, spent) for scope, reserved, spent in rows}


def assert_books_are_right(connection, caps):
    """The budgets are the sums of the rows, and no cap is passed."""
    kept, real = budgets(connection), sums(connection)
    for scope, sum_ in kept.items():
        assert sum_ == real.get(scope, (0, 0))
    assert real.keys() <= kept.keys()
    for scope, limit in caps.items():
        assert limit is None or sum(kept.get(scope, (0, 0))) <= limit


PRICES = st.none() | st.integers(0, 60)
ASK = st.tuples(st.just("ask"), st.lists(st.tuples(st.sampled_from("ef"), PRICES), min_size=1, max_size=6))
SETTLE = st.tuples(
    st.just("settle"),
    st.lists(
        st.tuples(
            st.integers(0, 40),
            st.sampled_from(["answered", "failed", "unsent", "unknown"]),
            st.none() | st.floats(0, 1),
        ),
        min_size=1,
        max_size=6,
    ),
)
LOSE = st.tuples(st.just("lose"), st.none())
CAPS = st.none() | st.integers(0, 200)


@pytest.mark.parametrize("experiment_capped", [True, False])
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(ASK | SETTLE | LOSE, max_size=15), CAPS, CAPS)
def test_whatever_happens_no_cap_is_passed_and_the_books_are_right(
    writing, experiment_capped, steps, experiment_cap, day_cap
):
    with writing.begin() as connection:
        for table in (LLMCall, Budget, Claim):
            connection.execute(delete(table))
        if experiment_capped:
            set_experiment_cap(connection, "e", None if experiment_cap is None else experiment_cap / 1e9)
    caps = {E: experiment_cap if experiment_capped else None, TODAY: day_cap}
    names, prices = count(), {}
    for kind, what in steps:
        with writing.begin() as connection:
            if kind == "ask":
                orders = [
                    reservation(f"c{next(names)}", price, experiment_id=experiment, day_cap=day_cap)
                    for experiment, price in what
                ]
                for order, decision in zip(orders, ask_in(connection, orders), strict=True):
                    assert bool(decision.reason) == (decision.verdict != "reserved")
                    if decision.verdict == "reserved":
                        prices[order.row["call_id"]] = order.nanousd
            elif kind == "settle":
                settle(
                    connection,
                    [
                        Settlement(
                            f"c{number}",
                            state,
                            NOW,
                            # At or below what was reserved.
                            None if share is None else int(share * (prices.get(f"c{number}") or 0)),
                        )
                        for number, state, share in what
                    ],
                )
            else:
                settle_lost(connection, NOW, NOW_S)
            assert_books_are_right(connection, caps)


# --- several processes


PROCESSES, ROUNDS, LIMIT = 4, 40, 3_000


def spend(results_settings, seed, barrier):
    """Ask and settle at random, in groups, until the money is used up; checks the cap all the time."""
    rng, names, open_calls = random.Random(seed), count(), []
    writer, engine = writer_for(results_settings), writing_engine(results_settings)
    barrier.wait(60)
    for _ in range(ROUNDS):
        orders = [
            reservation(f"p{seed}-{next(names)}", rng.randrange(1, 100), day_cap=LIMIT)
            for _ in range(rng.randrange(1, 8))
        ]
        futures = [writer.submit(ask_in, order) for order in orders]
        decisions = [future.result(60) for future in futures]
        open_calls += [o for o, d in zip(orders, decisions, strict=True) if d.verdict == "reserved"]
        rng.shuffle(open_calls)
        done = [open_calls.pop() for _ in range(rng.randrange(len(open_calls) + 1))]
        ended = [
            writer.submit(settle, answered(order.row["call_id"], rng.randrange(order.nanousd + 1)))
            for order in done
        ]
        [future.result(60) for future in ended]
        with engine.begin() as connection:
            assert_books_are_right(connection, {E: LIMIT, TODAY: LIMIT})
    writer.close()


def test_several_processes_never_overspend_together(results_settings, results_engine, writing):
    cap(writing, LIMIT)
    writing.dispose()
    fork = multiprocessing.get_context("fork")
    barrier = fork.Barrier(PROCESSES)
    processes = [
        fork.Process(target=spend, args=(results_settings, seed, barrier)) for seed in range(PROCESSES)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * PROCESSES
    with engine_for(results_settings).connect() as connection:
        assert_books_are_right(connection, {E: LIMIT, TODAY: LIMIT})
        # They came to the end of the money: what was refused is what a cap is for.
        assert sum(budgets(connection)[E]) > LIMIT - 100
