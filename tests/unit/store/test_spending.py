"""Sums over the ledger and the results, in each database that is supported."""

from __future__ import annotations

import pytest
from sqlalchemy import insert

from daydreaming.errors import LLMPermanentError
from daydreaming.llm.answer import read_completion
from daydreaming.store.ledger import Settlement, insert_calls, reserve, set_experiment_cap, settle
from daydreaming.store.results import insert_failure
from daydreaming.store.schema import EvaluationResponse, GenerationResponse, Membership
from daydreaming.store.spending import (
    CUT_OFF,
    AnswerLength,
    SpendingRow,
    answer_lengths,
    count_cut_off,
    count_scored,
    read_caps,
    read_spending,
)
from tests.support.attempts import DAY, NOW, reservation


def attempt(engine, call_id, nanousd, *settlements, **columns):
    """One attempt, from its reservation to what became of it; nothing where it is in flight."""
    order = reservation(call_id, nanousd, **columns)
    with engine.begin() as connection:
        assert [d.verdict for d in reserve(connection, [order])] == ["reserved"]
        insert_calls(connection, [(order, 0.0)])
        settle(connection, [Settlement(call_id, *values) for values in settlements])


def test_the_ledger_is_added_up_by_experiment_stage_model_day_and_state(writing):
    attempt(writing, "a", 50, ("answered", NOW, 10, "provider"))
    attempt(writing, "b", 50, ("answered", NOW, 5, "provider"))
    attempt(writing, "c", 50, ("failed", NOW, 0, "not billed"))
    attempt(writing, "d", 50, ("unknown", NOW))
    attempt(writing, "e", 50)
    attempt(writing, "f", 50, ("unsent", NOW))
    attempt(writing, "g", None, ("answered", NOW))
    attempt(writing, "h", 2**40, ("answered", NOW, 2**40, "provider"), experiment_id="other")

    def row(state, attempts, unpriced, spent, reserved, experiment_id="e"):
        return SpendingRow(experiment_id, "generation", "m", DAY, state, attempts, unpriced, spent, reserved)

    own = [
        row("answered", 3, 1, 15, 0),
        row("failed", 1, 0, 0, 0),
        row("reserved", 1, 0, 0, 50),
        row("unknown", 1, 0, 50, 0),
    ]
    assert read_spending(writing, "e") == own
    assert read_spending(writing) == [*own, row("answered", 1, 0, 2**40, 0, "other")]
    assert read_spending(writing, "nobody") == []


def _failure(message, experiment_id="e", model="m"):
    return {
        "experiment_id": experiment_id,
        "run_id": "r",
        "stage": "generation",
        "cell_id": "c",
        "model": model,
        "attempt": 1,
        "error_class": "LLMPermanentError",
        "message": message,
        "final": True,
        "occurred_at": NOW,
    }


def test_an_answer_that_was_cut_off_is_told_by_the_message_that_it_gets(writing):
    cut = '{"choices": [{"finish_reason": "length", "message": {"content": "x"}}]}'
    with pytest.raises(LLMPermanentError) as caught:
        read_completion(200, {}, cut, max_tokens=5)
    assert str(caught.value).startswith(CUT_OFF)
    for row in (
        _failure(str(caught.value)),
        _failure(str(caught.value)),
        _failure("The provider answered HTTP 400: The answer was cut off"),
        _failure(str(caught.value), "other", "n"),
    ):
        insert_failure(writing, row)
    assert count_cut_off(writing) == {("e", "generation", "m"): 2, ("other", "generation", "n"): 1}
    assert count_cut_off(writing, "other") == {("other", "generation", "n"): 1}


def _evaluation(name, score, **columns):
    return {
        "experiment_id": "first",
        "run_id": "r",
        "replicate": 1,
        "response_file": "f",
        "response_size_bytes": 1,
        "response_sha256": "0",
        "evaluation_task_id": name,
        "generation_task_id": "g",
        "combo_id": "c",
        "generation_template": "t",
        "generation_model": "m",
        "evaluation_template": "t",
        "evaluation_model": "judge",
        "parser": "strict",
        "score_min": 0,
        "score_max": 9,
        "score": score,
        **columns,
    }


def test_a_score_counts_once_in_each_experiment_that_its_verdict_serves_whoever_paid(writing):
    serves = [("first", "a"), ("first", "b"), ("first", "c"), ("second", "a")]
    # Of an essay that has the ID of a verdict.
    names = [*(("evaluation", *pair) for pair in serves), ("generation", "third", "a")]
    with writing.begin() as connection:
        members = [{"stage": stage, "experiment_id": e, "cell_id": cell} for stage, e, cell in names]
        connection.execute(insert(Membership), members)
        rows = [_evaluation(*one) for one in (("a", 7.0), ("b", 0.0), ("c", None), ("refused", 5.0))]
        connection.execute(insert(EvaluationResponse), rows)
    assert count_scored(writing) == {"first": 2, "second": 1}
    assert count_scored(writing, "second") == {"second": 1}


def test_caps_that_are_set_are_read_and_lifted_ones_are_not(writing):
    with writing.begin() as connection:
        set_experiment_cap(connection, "e", 2.5)
        set_experiment_cap(connection, "free", 0)
        set_experiment_cap(connection, "lifted", 1)
        set_experiment_cap(connection, "lifted", None)
    assert read_caps(writing) == {"experiment:e": 2_500_000_000, "experiment:free": 0}


def test_the_length_of_answers_is_the_mean_of_those_that_say_it_by_model_and_stage(writing):
    tokens = [("a", "judge", 100), ("b", "judge", 201), ("c", "judge", None), ("d", "x", None), ("e", "y", 7)]
    with writing.begin() as connection:
        connection.execute(
            insert(EvaluationResponse),
            [_evaluation(n, 1.0, evaluation_model=m, completion_tokens=t) for n, m, t in tokens],
        )
    found = answer_lengths(writing, "evaluation", ["judge", "x", "nobody"])
    assert found == {"judge": AnswerLength(150.5, 2)}
    assert answer_lengths(writing, "generation", ["judge"]) == {}


def test_a_generators_answers_are_told_by_its_own_column(writing):
    row = _evaluation("g", None, completion_tokens=50)
    columns = {column.name for column in GenerationResponse.__table__.columns}
    with writing.begin() as connection:
        kept = {name: value for name, value in row.items() if name in columns}
        connection.execute(insert(GenerationResponse), [kept])
    assert answer_lengths(writing, "generation", ["m", "judge"]) == {"m": AnswerLength(50.0, 1)}
