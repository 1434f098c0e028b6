"""Scores and money by two factors, in each database that is supported."""

from __future__ import annotations

import pytest

from daydreaming.settings import Settings
from daydreaming.store.database import engine_for, writing_engine
from daydreaming.store.ledger import Settlement, insert_calls, reserve, settle
from daydreaming.store.matrix_queries import (
    FACTORS,
    CostSum,
    ScoreCount,
    cost_sums,
    count_scores,
    planned_levels,
    score_sums,
)
from daydreaming.store.plans import cells_of_run
from daydreaming.store.results import read_responses
from tests.support.attempts import NOW, reservation
from tests.support.experiments import make_inputs, planned_run
from tests.support.finished import answer_distinctly


@pytest.fixture
def settings(results_settings: Settings) -> Settings:
    """`demo` with two replicates, answered but for one evaluation; `other` shares half of its answers."""
    make_inputs(results_settings.inputs_root)
    planned_run(results_settings, generation_replicates=2)
    answer_distinctly(
        results_settings,
        "run-1",
        texts={("evaluation", 3): "No score."},
        leave_out=frozenset({("evaluation", 0)}),
    )
    planned_run(results_settings, "run-2", experiment_id="other")
    return results_settings


def level(row, replicates, factor):
    if factor == "generation_replicate":
        return str(replicates[row["generation_task_id"]])
    return row["combo_id" if factor == "combination" else factor]


@pytest.mark.parametrize("rows", FACTORS)
def test_scores_are_those_of_the_rows_one_by_one(settings, rows):
    engine = engine_for(settings)
    replicates = {r["generation_task_id"]: r["replicate"] for r in read_responses(engine, "generation")}
    scored = [r for r in read_responses(engine, "evaluation") if r["score"] is not None]
    assert len(scored) == 30
    for columns in FACTORS:
        expected = {}
        for row in scored:
            key = tuple(level(row, replicates, factor) for factor in (rows, columns))
            count, points, shares = expected.get(key, (0, 0.0, 0.0))
            share = row["score"] / row["score_max"]
            expected[key] = (count + 1, points + row["score"], shares + share)
        found = score_sums(engine, "demo", rows, columns)
        assert {(s.row, s.column): s.scores for s in found} == {k: v[0] for k, v in expected.items()}
        for one in found:
            _, points, shares = expected[one.row, one.column]
            assert (one.points, one.shares) == (pytest.approx(points), pytest.approx(shares))


def test_an_experiment_has_the_answers_that_it_shares_and_no_others(settings):
    (whole,) = {s.row for s in score_sums(engine_for(settings), "demo", "combination", "combination")}
    assert (
        sum(s.scores for s in score_sums(engine_for(settings), "other", "combination", "combination")) == 14
    )
    assert planned_levels(engine_for(settings), "other", "combination") == [whole]
    assert score_sums(engine_for(settings), "nobody", "combination", "evaluation_model") == []


def test_scales_are_told_by_cell(settings):
    found = score_sums(engine_for(settings), "demo", "evaluation_template", "evaluation_model")
    assert {(s.row, s.scales) for s in found} == {("rigor", (0, 0, 9, 9)), ("style", (0, 0, 10, 10))}


def test_levels_are_those_that_were_planned(settings):
    engine = engine_for(settings)
    assert planned_levels(engine, "demo", "generation_replicate") == ["1", "2"]
    assert planned_levels(engine, "demo", "evaluation_model") == ["free", "judge"]
    assert planned_levels(engine, "demo", "generation_template") == ["essay", "tags"]


def attempt(settings, call_id, cell, *ended, experiment_id="demo", nanousd=1000):
    columns = {"stage": cell.stage, "cell_id": cell.cell_id, "experiment_id": experiment_id}
    order = reservation(call_id, nanousd, **columns)
    with writing_engine(settings).begin() as connection:
        assert [d.verdict for d in reserve(connection, [order])] == ["reserved"]
        insert_calls(connection, [(order, 0.0)])
        settle(connection, [Settlement(call_id, *values) for values in ended])


def test_money_is_what_the_experiment_itself_has_spent(settings):
    engine = engine_for(settings)
    generation = cells_of_run(engine, "run-1", "generation")[0]
    evaluation = next(
        c
        for c in cells_of_run(engine, "run-1", "evaluation")
        if c.generation_task_id == generation.cell_id and c.evaluation_model == "judge"
    )
    # Another run that planned the same cells must not count them twice.
    planned_run(settings, "run-3", generation_replicates=2)
    attempt(settings, "a", generation, ("failed", NOW, 5, "provider"))
    attempt(settings, "b", generation, ("answered", NOW, 70, "provider"))
    attempt(settings, "c", evaluation, ("answered", NOW, 200, "provider"))
    attempt(settings, "d", evaluation, ("unsent", NOW))
    attempt(settings, "e", evaluation, ("answered", NOW), nanousd=None)
    attempt(settings, "f", evaluation, ("answered", NOW, 3000, "provider"), experiment_id="other")
    place = (generation.generation_template, generation.generation_model)
    both = cost_sums(engine, "demo", "generation_template", "generation_model")
    assert both == [CostSum(*place, attempts=4, spent_nanousd=275, unpriced=1)]
    # An essay has no judge: its price is in no cell.
    judged = cost_sums(engine, "demo", "generation_model", "evaluation_model")
    assert judged == [CostSum(place[1], "judge", attempts=2, spent_nanousd=200, unpriced=1)]


def test_verdicts_are_counted_by_judge_and_score(settings):
    counts = count_scores(engine_for(settings), "demo")
    assert sum(one.verdicts for one in counts) == 30
    assert counts == sorted(counts, key=lambda c: (c.judge, c.score_min, c.score_max, c.score))
    rows = read_responses(engine_for(settings), "evaluation")
    first = counts[0]
    assert first == ScoreCount(
        first.judge,
        first.score,
        0,
        9,
        sum(
            r["score"] == first.score and r["score_max"] == 9 and r["evaluation_model"] == first.judge
            for r in rows
        ),
    )
