from __future__ import annotations

import json

import pytest

from daydreaming.errors import InputError
from daydreaming.operators.connections import require_connections
from tests.support.experiments import edit_input, planned_run

MODELS = "01_raw/llm_models.csv"


@pytest.fixture
def two_connections(settings):
    edit_input(
        settings.inputs_root,
        MODELS,
        "prov/judge,openrouter,Judge,false,true,,openrouter_default",
        ("prov/judge,openrouter,Judge,false,true,,judge_llm"),
    )
    return settings


def define(monkeypatch, conn_id):
    value = {"conn_type": "openai", "host": "http://127.0.0.1:1/v1", "password": "sk-secret-123"}
    monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(value))


def test_a_run_whose_connections_are_there_is_let_through(two_connections, monkeypatch):
    define(monkeypatch, "openrouter_default")
    define(monkeypatch, "judge_llm")
    require_connections(two_connections, planned_run(two_connections))


def test_every_missing_connection_is_told_once(two_connections):
    with pytest.raises(InputError) as caught:
        require_connections(two_connections, planned_run(two_connections))
    judge, openrouter = caught.value.problems
    assert "'judge_llm' is not defined" in judge
    assert "'openrouter_default' is not defined. Set OPENROUTER_API_KEY" in openrouter


def test_a_connection_of_a_model_that_was_not_chosen_is_not_needed(two_connections, monkeypatch):
    define(monkeypatch, "openrouter_default")
    require_connections(two_connections, planned_run(two_connections, evaluation_models=["free"]))


def test_a_dry_run_needs_no_connection(settings):
    require_connections(settings, planned_run(settings, dry_run=True))
