"""`daydreaming status`."""

from __future__ import annotations

import json

import pytest

from daydreaming.cli import status
from daydreaming.errors import BudgetError, LLMPermanentError
from daydreaming.pipeline.call import open_call, record_failure
from daydreaming.pipeline.plan import note_refusal, start_run
from tests.support.experiments import NOW, answer_call, planned_run


def test_every_planned_call_is_in_one_column(settings, daydreaming):
    planned_run(settings)
    answer_call(settings, "run-1", "generation", 0)
    note_refusal(settings, "run-1", "Too dear.")
    head, *rows, reason = daydreaming("status", "demo").out.splitlines()
    assert "not to be sent" in head
    assert rows[0].split()[:8] == ["demo", "generation", "free", "2", "1", "0", "0", "1"]
    assert reason == "demo: Too dear."
    for row in json.loads(daydreaming("status", "demo", "--json").out):
        assert row["planned"] == sum(
            row[name] for name in ("answered", "failed", "waiting", "held", "blocked")
        )
        assert row["refusal"] == "Too dear."


def test_a_run_that_failed_before_its_plan_is_named(settings, daydreaming):
    start_run(settings, {"experiment": "demo"}, "run-1", NOW)
    assert daydreaming("status", "demo").out == "demo: nothing is planned yet.\n"
    note_refusal(settings, "run-1", "The key is missing.")
    assert daydreaming("status").out == "demo: The key is missing.\n"
    [row] = json.loads(daydreaming("status", "--json").out)
    assert (row["experiment_id"], row["stage"], row["refusal"]) == ("demo", None, "The key is missing.")


def test_one_experiment_says_why_its_calls_have_no_answer(settings, daydreaming):
    planned_run(settings)
    call = open_call(settings, "run-1", "generation", 0)
    record_failure(call, BudgetError("The cap is reached."), attempt=0, final=True, now=NOW)
    out = daydreaming("status", "demo").out
    assert "1 generation call failed: BudgetError: The cap is reached." in out
    assert "`daydreaming cost demo --cap USD`" in out


def test_what_a_provider_says_moves_no_cursor(settings, daydreaming):
    planned_run(settings)
    call = open_call(settings, "run-1", "generation", 0)
    error = LLMPermanentError("no such model \x1b]52;c;cm0=\x07\x1b[2J")
    record_failure(call, error, attempt=1, final=True, now=NOW)
    out = daydreaming("status", "demo").out
    assert r"no such model \x1b]52;c;cm0=\x07\x1b[2J" in out
    assert "\x1b" not in out


@pytest.mark.parametrize("width", [80, 60])
def test_a_narrow_terminal_gets_narrow_lines(settings, daydreaming, monkeypatch, width):
    planned_run(settings)
    wide = daydreaming("status").out
    monkeypatch.setattr(status, "terminal_width", lambda _out: width)
    lines = daydreaming("status").out.splitlines()
    assert max(map(len, wide.splitlines())) > width
    assert max(map(len, lines)) <= 80
    assert lines[0] == "demo"
    assert lines[2].split()[:5] == ["generation", "free", "0/2", "0", "2"]
