"""`daydreaming cost`."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from daydreaming.settings import Settings
from daydreaming.store.database import engine_for, writing_engine
from daydreaming.store.ledger import (
    Settlement,
    budget_day,
    experiment_scope,
    insert_calls,
    read_budget,
    reserve,
    settle,
)
from daydreaming.store.results import insert_failure
from daydreaming.store.spending import CUT_OFF
from tests.support.attempts import NOW, reservation
from tests.support.experiments import answer_all, planned_run

CENT = 10_000_000


@pytest.fixture
def spent(settings: Settings) -> Settings:
    """`demo` today: 5 cents for two answers, 3 for one of unknown outcome, 2 reserved; `other`: nothing."""
    planned_run(settings)
    planned_run(settings, "run-2", experiment_id="other", now=NOW + timedelta(hours=1))
    today = budget_day(datetime.now(UTC))
    ends = {
        "a": ("answered", NOW, 4 * CENT, "provider"),
        "b": ("answered", NOW, CENT, "provider"),
        "c": ("unknown", NOW),
    }
    orders = [
        reservation(call_id, nanousd, experiment_id="demo", budget_day=today, model_id=model)
        for call_id, nanousd, model in (
            ("a", 9 * CENT, "paid"),
            ("b", 9 * CENT, "judge"),
            ("c", 3 * CENT, "judge"),
            ("d", 2 * CENT, "judge"),
        )
    ]
    with writing_engine(settings).begin() as connection:
        reserve(connection, orders)
        insert_calls(connection, [(order, 0.0) for order in orders])
        settle(connection, [Settlement(call_id, *end) for call_id, end in ends.items()])
    failure = {
        "experiment_id": "demo", "run_id": "run-1", "stage": "generation", "cell_id": "x", "model": "paid",
        "attempt": 1, "error_class": "LLMPermanentError", "message": f"{CUT_OFF} after 9", "final": True,
        "occurred_at": NOW,
    }  # fmt: skip
    insert_failure(engine_for(settings), failure)
    return settings


def cap_of(settings: Settings) -> int | None:
    return read_budget(engine_for(settings), experiment_scope("demo"))[0]


def test_one_experiment_is_told_with_all_that_was_paid(spent, daydreaming):
    answer_all(spent, "run-1")
    result = daydreaming("cost", "demo")
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert lines[:2] == [
        "demo: 0.0800 US dollars spent, 0.0200 reserved (calls in flight: 1)",
        "No cap (max_cost_usd)",
    ]
    assert lines[2] == (
        "Attempts at calls: 4, 1 of unknown outcome (they count with their worst case), "
        "1 cut off at max_tokens (paid, and of no use)"
    )
    assert lines[3] == (
        "Price per score: 0.005000 US dollars for each of 16 scored evaluations "
        "(answers that were reused cost nothing)"
    )
    tables = [line.split() for line in lines[4:]]
    assert ["paid", "1", "0.0400", "0.0000"] in tables
    assert ["judge", "3", "0.0400", "0.0200"] in tables
    assert ["generation", "4", "0.0800", "0.0200"] in tables
    assert [budget_day(datetime.now(UTC)), "4", "0.0800", "0.0200"] in tables


def test_without_a_score_none_has_a_price(spent, daydreaming):
    assert "Price per score: no evaluation has a score yet" in daydreaming("cost", "demo").out


def test_json_of_one_experiment_has_every_sum(spent, daydreaming):
    values = json.loads(daydreaming("cost", "demo", "--json").out)
    lists = {name: values.pop(name) for name in ("by_model", "by_stage", "by_day")}
    assert values == {
        "experiment_id": "demo",
        "cap_usd": None,
        "attempts": 4,
        "spent_usd": 0.08,
        "reserved_usd": 0.02,
        "in_flight": 1,
        "unknown": 1,
        "unpriced": 0,
        "cut_off": 1,
        "scored": 0,
        "usd_per_score": None,
    }
    assert [(row["model"], row["spent_usd"]) for row in lists["by_model"]] == [
        ("judge", 0.04),
        ("paid", 0.04),
    ]
    assert [row["stage"] for row in lists["by_stage"]] == ["generation"]
    assert [row["day"] for row in lists["by_day"]] == [budget_day(datetime.now(UTC))]


def test_without_an_id_each_experiment_has_a_line_and_then_comes_today(spent, daydreaming, monkeypatch):
    lines = daydreaming("cost").out.splitlines()
    assert lines[1].split() == ["demo", "0.0800", "0.0200", "–", "4", "0", "–"]
    assert lines[2].split() == ["other", "0.0000", "0.0000", "–", "0", "0", "–"]
    day = budget_day(datetime.now(UTC))
    assert lines[3:] == [
        f"Today ({day}, UTC): 0.0800 US dollars spent, 0.0200 reserved; no cap (DAYDREAMING_DAILY_BUDGET_USD)"
    ]
    monkeypatch.setenv("DAYDREAMING_DAILY_BUDGET_USD", "2.5")
    assert "reserved; the cap is 2.5000 (" in daydreaming("cost").out
    values = json.loads(daydreaming("cost", "--json").out)
    assert [row["experiment_id"] for row in values["experiments"]] == ["demo", "other"]
    assert values["today"] == {"day": day, "cap_usd": 2.5, "spent_usd": 0.08, "reserved_usd": 0.02}


def test_nothing_run_yet(settings, daydreaming):
    assert daydreaming("cost").out.splitlines()[0] == "No experiment has been run yet."
    assert json.loads(daydreaming("cost", "--json").out)["experiments"] == []
    assert not settings.data_root.exists()


def test_the_cap_is_set_and_shown_and_lifted(spent, daydreaming):
    assert "Cap (max_cost_usd): 5.0000, 4.9000 left" in daydreaming("cost", "demo", "--cap", "5").out
    assert cap_of(spent) == 5_000_000_000
    again = daydreaming("cost", "demo").out
    assert "Cap (max_cost_usd): 5.0000, 4.9000 left" in again
    assert "clear the failed instances" not in again
    passed = daydreaming("cost", "demo", "--cap", "0.05").out
    assert "Cap (max_cost_usd): 0.0500, passed: nothing more is sent" in passed
    assert "clear the failed instances" in passed
    assert json.loads(daydreaming("cost", "demo", "--cap", "1.5", "--json").out)["cap_usd"] == 1.5
    assert "No cap (max_cost_usd)" in daydreaming("cost", "demo", "--no-cap").out
    assert cap_of(spent) is None


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("cost", "nope"), "Unknown experiment ID 'nope'. Experiments that were run: demo, other."),
        (("cost", "nope", "--cap", "1"), "Unknown experiment ID 'nope'"),
        (("cost", "--cap", "1"), "--cap needs an EXPERIMENT_ID"),
        (("cost", "--no-cap"), "--no-cap needs an EXPERIMENT_ID"),
        (("cost", "demo", "--cap", "1", "--no-cap"), "--cap and --no-cap cannot go together"),
        (("cost", "demo", "--cap", "-1"), "--cap must be US dollars from 0 to 1,000,000; got -1.0"),
        (("cost", "demo", "--cap", "nan"), "--cap must be US dollars"),
        (("cost", "demo", "--cap", "much"), "--cap must be a number; got 'much'"),
        (("cost", "demo", "other"), "unexpected extra argument"),
    ],
)
def test_bad_input_is_one_line_and_changes_nothing(spent, daydreaming, arguments, text):
    result = daydreaming(*arguments)
    assert (result.code, result.out) == (2, "")
    [line] = result.err.splitlines()
    assert line.startswith("Error: ")
    assert text in line
    assert cap_of(spent) is None


def test_a_results_database_without_tables_is_refused(settings, daydreaming):
    settings.data_root.mkdir()
    (settings.data_root / "results.sqlite3").touch()
    result = daydreaming("cost")
    assert (result.code, result.out) == (2, "")
    assert "results database cannot be used: no such table" in result.err
