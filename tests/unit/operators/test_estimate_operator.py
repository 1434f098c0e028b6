"""The estimate's task: it lets a run go on, ends a dry run, or waits for a person."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from daydreaming.errors import StoreError
from daydreaming.operators import estimate
from daydreaming.operators.estimate import EstimateCostOperator
from daydreaming.operators.failures import FailedForGood
from daydreaming.pipeline.run_tables import complete_run
from daydreaming.store.database import engine_for
from daydreaming.store.plans import read_refusal
from tests.support.experiments import answer_all, planned_run

EVALUATIONS = [0, 1, 2]
ASKED = "asked"


@pytest.fixture
def operator(monkeypatch) -> EstimateCostOperator:
    """The operator, whose form is not written to Airflow's database; the models' connections are there."""
    for conn_id in ("OPENROUTER_DEFAULT", "LOCAL_LLM"):
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id}", json.dumps({"conn_type": "openai", "password": "x"}))
    monkeypatch.setattr(estimate.ApprovalOperator, "execute", lambda self, context: ASKED)
    return EstimateCostOperator(task_id="estimate_cost", planned_evaluations=EVALUATIONS)


@pytest.fixture
def connect(monkeypatch):
    """Define the connection of the models with some limits in its extra."""

    def define(rate_limits: object) -> None:
        value = {"conn_type": "openai", "password": "sk-secret-123", "extra": {"rate_limits": rate_limits}}
        monkeypatch.setenv("AIRFLOW_CONN_OPENROUTER_DEFAULT", json.dumps(value))

    return define


def execute(operator: EstimateCostOperator, run_id: str = "run-1") -> Any:
    return EstimateCostOperator.execute.__wrapped__(operator, {"run_id": run_id})


def answer(option: str) -> dict[str, Any]:
    return {
        "chosen_options": [option],
        "params_input": {},
        "responded_at": datetime(2026, 1, 1, tzinfo=UTC),
        "responded_by_user": {"id": "1", "name": "Ada"},
    }


@pytest.mark.parametrize(
    ("params", "outcome"),
    [
        ({}, EVALUATIONS),
        ({"approve_above_usd": 1000}, EVALUATIONS),
        ({"approve_above_usd": 0.0001}, ASKED),
        ({"approve_above_usd": 1000, "generation_models": ["local"]}, ASKED),  # no price: anything may be
    ],
    ids=["no threshold", "below it", "above it", "unknown"],
)
def test_a_person_is_asked_where_the_worst_case_passes_the_threshold(settings, operator, params, outcome):
    planned_run(settings, **params)
    assert execute(operator) == outcome


def test_the_form_shows_the_estimate(settings, operator):
    planned_run(settings, approve_above_usd=0)
    execute(operator)
    assert "May this run spend" in operator.subject
    assert "judge" in str(operator.body)


def test_a_shard_asks_nobody_for_its_plan_was_approved_as_a_whole(settings, operator):
    planned_run(settings, approve_above_usd=0, shard_size=2)
    assert execute(operator, "run-1~shard-2-of-2") == EVALUATIONS


def test_a_dry_run_skips_all_that_follows(settings, operator, monkeypatch):
    planned_run(settings, dry_run=True)
    skipped = []
    monkeypatch.setattr(operator, "skip", lambda ti, tasks: skipped.extend(tasks))
    task = SimpleNamespace(get_flat_relatives=lambda upstream: ["generate", "check_completeness"])
    context = {"run_id": "run-1", "ti": None, "task": task}
    assert EstimateCostOperator.execute.__wrapped__(operator, context) == []
    assert skipped == ["generate", "check_completeness"]


def test_a_cap_without_a_price_is_refused_before_anything_is_sent(settings, operator):
    planned_run(settings, max_cost_usd=1, generation_models=["local"], evaluation_models=["judge"])
    with pytest.raises(FailedForGood, match="no price"):
        execute(operator)


def test_limits_that_only_a_connection_sets_count_in_the_wall_time(settings, operator, connect):
    connect({"models": {"prov/judge": {"rpm": 1}}})
    planned_run(settings, approve_above_usd=0)
    execute(operator)
    assert "Wall time: at least 7 min 7 s at the limits in llm_models.csv and in connection" in operator.body
    assert "not in the wall time" not in operator.body


def test_a_dry_run_is_estimated_without_its_connections(settings, operator, monkeypatch):
    planned_run(settings, dry_run=True)
    monkeypatch.setattr(operator, "skip", lambda ti, tasks: None)
    monkeypatch.delenv("AIRFLOW_CONN_OPENROUTER_DEFAULT")
    task = SimpleNamespace(get_flat_relatives=lambda upstream: [])
    context = {"run_id": "run-1", "ti": None, "task": task}
    assert EstimateCostOperator.execute.__wrapped__(operator, context) == []


@pytest.mark.parametrize(
    ("rate_limits", "got"), [({"rps": 1}, "got rps"), ({"tpm": "20"}, "got '20'"), ([], r"got \[\]")]
)
def test_limits_that_cannot_be_used_are_told_before_anything_is_sent(
    settings, operator, connect, rate_limits, got
):
    connect(rate_limits)
    planned_run(settings)
    message = f"^Airflow connection 'openrouter_default': rate_limits in its extra must be .*{got}"
    with pytest.raises(FailedForGood, match=message) as told:
        execute(operator)
    assert "\n" not in str(told.value)


def refusal(settings) -> str | None:
    return read_refusal(engine_for(settings), "run-1")


def test_a_missing_connection_ends_the_run_and_its_reason_is_kept_until_it_begins_anew(
    settings, operator, monkeypatch
):
    planned_run(settings)
    given = os.environ["AIRFLOW_CONN_OPENROUTER_DEFAULT"]
    monkeypatch.delenv("AIRFLOW_CONN_OPENROUTER_DEFAULT")
    with pytest.raises(FailedForGood, match="'openrouter_default' is not defined"):
        execute(operator)
    assert "'openrouter_default' is not defined" in str(refusal(settings))
    monkeypatch.setenv("AIRFLOW_CONN_OPENROUTER_DEFAULT", given)
    assert execute(operator) == EVALUATIONS
    assert refusal(settings) is None


def test_where_all_is_answered_no_connection_is_needed(settings, operator, monkeypatch):
    planned_run(settings)
    answer_all(settings, "run-1")
    monkeypatch.delenv("AIRFLOW_CONN_OPENROUTER_DEFAULT")
    assert execute(operator) == EVALUATIONS


def test_approved_it_goes_on(settings, operator):
    planned_run(settings, approve_above_usd=0)
    assert operator.execute_complete({"run_id": "run-1"}, answer("Approve")) == EVALUATIONS


def test_refused_the_run_fails_with_the_reason_in_task_and_leaf_until_somebody_approves(settings, operator):
    planned_run(settings, approve_above_usd=0)
    with pytest.raises(FailedForGood, match="refused by Ada: nothing was sent"):
        operator.execute_complete({"run_id": "run-1"}, answer("Reject"))
    with pytest.raises(StoreError, match="refused by Ada: nothing was sent"):
        complete_run(settings, "run-1")
    operator.execute_complete({"run_id": "run-1"}, answer("Approve"))
    with pytest.raises(StoreError, match="calls have no answer"):
        complete_run(settings, "run-1")
