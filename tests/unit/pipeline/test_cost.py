from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from daydreaming.errors import InputError
from daydreaming.pipeline.cost import DayCost, Spending, change_cap, experiment_costs, today_cost
from daydreaming.pipeline.tables import write_all_tables
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for, writing_engine
from daydreaming.store.ledger import Settlement, experiment_scope, insert_calls, read_budget, reserve, settle
from tests.support.attempts import DAY, NOW, reservation
from tests.support.experiments import answer_all, planned_run
from tests.support.finished_root import refuse_stale

NEXT_DAY = "2026-03-02"


def attempt(settings: Settings, call_id: str, nanousd: int | None, *ended: tuple, **columns) -> None:
    """One attempt of the experiment `demo`, and what became of it; nothing where it is in flight."""
    order = reservation(call_id, nanousd, **{"experiment_id": "demo", **columns})
    with writing_engine(settings).begin() as connection:
        assert [d.verdict for d in reserve(connection, [order])] == ["reserved"]
        insert_calls(connection, [(order, 0.0)])
        settle(connection, [Settlement(call_id, *values) for values in ended])


def answered(nanousd: int) -> tuple:
    return ("answered", NOW, nanousd, "provider")


@pytest.fixture
def spent(settings: Settings) -> Settings:
    """`demo` after calls of two models on two days; `other` after one."""
    planned_run(settings)
    planned_run(settings, "run-2", experiment_id="other", now=NOW + timedelta(hours=1))
    attempt(settings, "a", 40, answered(30), model_id="paid")
    attempt(settings, "b", 40, answered(10), model_id="paid", budget_day=NEXT_DAY)
    attempt(settings, "c", 40, ("unknown", NOW), model_id="judge", stage="evaluation", budget_day=NEXT_DAY)
    attempt(settings, "d", 25, model_id="judge", stage="evaluation", budget_day=NEXT_DAY)
    attempt(settings, "e", 40, ("unsent", NOW), model_id="judge", stage="evaluation")
    attempt(settings, "f", 7, answered(7), experiment_id="other")
    return settings


def test_money_is_added_up_by_model_stage_and_day(spent: Settings):
    [cost] = experiment_costs(spent, "demo")
    assert cost.total == Spending(4, 80, 25, in_flight=1, unknown=1)
    assert cost.by_model == {"paid": Spending(2, 40), "judge": Spending(2, 40, 25, in_flight=1, unknown=1)}
    assert cost.by_stage == {
        "generation": Spending(2, 40),
        "evaluation": Spending(2, 40, 25, in_flight=1, unknown=1),
    }
    assert list(cost.by_day) == [DAY, NEXT_DAY]
    assert cost.by_day[NEXT_DAY] == Spending(3, 50, 25, in_flight=1, unknown=1)


def test_the_sums_are_those_that_the_caps_go_by(spent: Settings):
    [cost] = experiment_costs(spent, "demo")
    budget = read_budget(engine_for(spent), experiment_scope("demo"))
    assert budget == (None, cost.total.reserved_nanousd, cost.total.spent_nanousd)


def test_without_an_id_each_experiment_has_its_own(spent: Settings):
    costs = experiment_costs(spent)
    assert [(cost.experiment_id, cost.total.spent_nanousd) for cost in costs] == [("demo", 80), ("other", 7)]


def test_what_nobody_can_price_is_counted_apart(settings: Settings):
    planned_run(settings)
    attempt(settings, "a", None, ("answered", NOW))
    attempt(settings, "b", None)
    [cost] = experiment_costs(settings, "demo")
    assert cost.total == Spending(2, 0, 0, in_flight=1, unpriced=1)


def test_a_score_costs_what_was_spent_for_each_that_could_be_read(spent: Settings):
    [before] = experiment_costs(spent, "demo")
    assert (before.scored, before.usd_per_score) == (0, None)
    answer_all(spent, "run-1")
    [cost] = experiment_costs(spent, "demo")
    assert (cost.scored, cost.usd_per_score) == (16, 80e-9 / 16)


def test_reused_answers_give_scores_for_nothing(spent: Settings):
    # Run by `demo`, planned by `other` too.
    answer_all(spent, "run-1")
    [other] = experiment_costs(spent, "other")
    assert (other.scored, other.usd_per_score) == (16, 7e-9 / 16)


def test_scores_of_verdicts_that_an_experiment_refuses_are_not_its_own(settings: Settings):
    planned_run(settings)
    answer_all(settings, "run-1")
    later = NOW + timedelta(hours=1)
    planned_run(settings, "run-2", now=later, experiment_id="stale", evaluation_temperature=0.9)
    refuse_stale(settings, "run-2", "evaluation", now=later)
    write_all_tables(settings, "stale")
    assert {cost.experiment_id: cost.scored for cost in experiment_costs(settings)} == {
        "demo": 16,
        "stale": 0,
    }


def test_an_experiment_that_called_nothing_cost_nothing(settings: Settings):
    planned_run(settings)
    [cost] = experiment_costs(settings, "demo")
    assert (cost.total, cost.by_model, cost.cap_nanousd) == (Spending(), {}, None)


@pytest.mark.parametrize("experiment_id", ["nope", ""])
def test_an_experiment_that_is_not_known_is_refused(spent: Settings, experiment_id):
    with pytest.raises(InputError, match=r"Unknown experiment ID .*that were run: demo, other"):
        experiment_costs(spent, experiment_id)
    with pytest.raises(InputError, match="Unknown experiment ID"):
        change_cap(spent, experiment_id, 1)


def test_nothing_was_run_yet(settings: Settings):
    assert experiment_costs(settings) == []
    with pytest.raises(InputError, match="none yet"):
        experiment_costs(settings, "demo")
    assert not settings.data_root.exists()


def test_a_cap_is_set_raised_and_lifted_and_nothing_else_changes(spent: Settings):
    for usd, nanousd in ((5, 5_000_000_000), (0.5, 500_000_000), (0, 0), (None, None)):
        change_cap(spent, "demo", usd)
        [cost] = experiment_costs(spent, "demo")
        assert cost.cap_nanousd == nanousd
        assert read_budget(engine_for(spent), experiment_scope("demo")) == (nanousd, 25, 80)
    assert experiment_costs(spent, "other")[0].cap_nanousd is None


def test_a_raised_cap_lets_calls_go_on(spent: Settings):
    change_cap(spent, "demo", 0)
    order = reservation("more", 50, experiment_id="demo")
    with writing_engine(spent).begin() as connection:
        assert [d.verdict for d in reserve(connection, [order])] == ["refused"]
    change_cap(spent, "demo", 1)
    with writing_engine(spent).begin() as connection:
        assert [d.verdict for d in reserve(connection, [order])] == ["reserved"]


@pytest.mark.parametrize("usd", [-0.01, float("nan"), float("inf"), 1e12])
def test_a_cap_that_is_no_sum_of_money_is_refused(spent: Settings, usd):
    with pytest.raises(InputError, match=r"--cap must be US dollars from 0 to 1,000,000; got "):
        change_cap(spent, "demo", usd)
    assert experiment_costs(spent, "demo")[0].cap_nanousd is None


@pytest.mark.parametrize(("daily", "cap"), [(None, None), (2.0, 2_000_000_000)])
def test_today_is_what_all_experiments_cost_on_that_day_in_utc(spent: Settings, daily, cap):
    now = datetime(2026, 3, 2, 23, 59, tzinfo=UTC)
    assert today_cost(replace(spent, daily_budget_usd=daily), now) == DayCost(NEXT_DAY, cap, 50, 25)
    yesterday = DayCost(DAY, cap, 37, 0)
    assert today_cost(replace(spent, daily_budget_usd=daily), now - timedelta(days=1)) == yesterday


def test_a_day_on_which_nothing_was_called_cost_nothing(settings: Settings):
    assert today_cost(settings, NOW) == DayCost(DAY, None, 0, 0)
    assert not settings.data_root.exists()
