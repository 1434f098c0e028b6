from __future__ import annotations

import json
from dataclasses import replace

import pytest

from daydreaming.errors import DesignError, InputError
from daydreaming.pipeline.estimate import (
    ModelCalls,
    PlanSummary,
    estimate_run,
    summarize_plan,
    summary_json,
    summary_lines,
    worst_case_usd,
)
from daydreaming.pipeline.plan import read_inputs
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.ledger import experiment_scope, read_budget
from tests.support.experiments import answer_all, answer_call, planned_run, tree_of

#: gemma has no price in the list.
UNPRICED = {"generation_models": ["local"], "evaluation_models": ["judge"]}


def test_a_plan_is_summarised_without_writing_anything(settings: Settings):
    inputs = read_inputs(settings, {"experiment": "demo"})
    before = tree_of(settings.inputs_root.parent)
    summary = summarize_plan(settings.data_root, inputs)
    assert tree_of(settings.inputs_root.parent) == before
    assert summary_json(summary) == {
        "combinations": 1,
        "generations": 4,
        "evaluations": 16,
        "generations_answered": 0,
        "evaluations_answered": 0,
    }


def test_answers_that_are_stored_are_not_called_again(settings: Settings):
    planned_run(settings)
    answer_call(settings, "run-1", "generation", 0)
    answer_call(settings, "run-1", "evaluation", 0)
    answer_call(settings, "run-1", "evaluation", 1)
    summary = summarize_plan(settings.data_root, read_inputs(settings, {"experiment": "demo"}))
    assert (summary.generations_answered, summary.evaluations_answered) == (1, 2)
    assert summary.calls == (
        ModelCalls("generation", "free", 2, 1),
        ModelCalls("generation", "paid", 2, 0),
        ModelCalls("evaluation", "free", 8, 1),
        ModelCalls("evaluation", "judge", 8, 1),
    )
    assert "  evaluation by judge: 8 planned, 1 reused, 7 new" in summary_lines(summary)


def test_big_counts_are_readable(settings: Settings):
    assert summary_lines(PlanSummary(4845, 58140, 465120, 0, 12345)) == [
        "4,845 combinations",
        "58,140 generations, 0 answered already",
        "465,120 evaluations, 12,345 answered already",
    ]


def test_the_worst_case_is_every_new_call_with_all_its_tokens(settings: Settings):
    inputs = read_inputs(
        settings, {"experiment": "demo", "generation_max_tokens": 1000, "evaluation_max_tokens": 500}
    )
    summary = summarize_plan(settings.data_root, inputs)
    # free costs nothing; paid: 2 generations; judge: 8 evaluations of an essay of 1,000 tokens.
    generation_prompt = (
        max(len(t.text) for t in inputs.generation_templates) + len("Economic moat") + len("Try pairs.")
    ) // 3
    evaluation_prompt = max(len(t.text) for t in inputs.evaluation_templates) // 3 + 1000
    expected = 2 * (generation_prompt * 0.15 + 1000 * 0.6) + 8 * (evaluation_prompt * 1 + 500 * 2)
    assert worst_case_usd(inputs, summary) == pytest.approx(expected / 1e6)


def test_the_worst_case_is_not_less_than_what_the_calls_cost(settings: Settings):
    planned_run(settings, generation_max_tokens=200, evaluation_max_tokens=200)
    estimate = estimate_run(settings, "run-1")
    answer_all(settings, "run-1")
    spent = sum(
        json.loads(path.read_text())["cost_usd"]
        for path in settings.data_root.glob("0[34]_*/*_responses/*.json")
    )
    assert estimate.worst_case_usd is not None
    assert 0 < spent < estimate.worst_case_usd


def test_a_run_that_is_answered_costs_nothing(settings: Settings):
    planned_run(settings, max_cost_usd=0.0001)
    answer_all(settings, "run-1")
    assert estimate_run(settings, "run-1").worst_case_usd == 0


def test_a_worst_case_above_the_limit_goes_on_for_the_ledger_stops_it_in_time(settings: Settings):
    planned_run(settings, max_cost_usd=0.001)
    assert estimate_run(settings, "run-1").worst_case_usd > 0.001
    cap, _, _ = read_budget(engine_for(settings), experiment_scope("demo"))
    assert cap == 1_000_000


def test_a_limit_of_nothing_lets_free_models_run(settings: Settings):
    planned_run(settings, max_cost_usd=0, generation_models=["free"], evaluation_models=["free"])
    assert estimate_run(settings, "run-1").worst_case_usd == 0


def test_a_limit_with_an_unknown_price_is_refused(settings: Settings):
    planned_run(settings, max_cost_usd=100, **UNPRICED)
    with pytest.raises(DesignError, match=r"no price in llm_models\.csv"):
        estimate_run(settings, "run-1")


def test_an_unknown_price_without_a_limit_is_said(settings: Settings):
    planned_run(settings, **UNPRICED)
    estimate = estimate_run(settings, "run-1")
    assert estimate.worst_case_usd is None
    assert estimate.lines()[-1].endswith("at worst: unknown (a model has no price)")


def test_an_unknown_price_of_a_model_with_nothing_to_call_does_not_matter(settings: Settings):
    planned_run(settings, max_cost_usd=100, **UNPRICED)
    for index in range(2):
        answer_call(settings, "run-1", "generation", index)
    assert estimate_run(settings, "run-1").worst_case_usd is not None


@pytest.mark.parametrize("is_dry", [True, False])
def test_a_dry_run_says_so(settings: Settings, is_dry: bool):
    planned_run(settings, dry_run=is_dry)
    assert estimate_run(settings, "run-1").dry_run is is_dry


def test_every_problem_of_the_parameters_is_reported(settings: Settings):
    with pytest.raises(InputError) as caught:
        read_inputs(replace(settings), {"experiment": "demo", "k_max": "x", "foo": 1, "dry_run": "maybe"})
    assert len(caught.value.problems) == 3
