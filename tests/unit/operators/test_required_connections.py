from __future__ import annotations

import json

import pytest

from daydreaming.errors import InputError
from daydreaming.operators.connections import require_connections


def define(monkeypatch, conn_id, conn_type="openai"):
    value = {"conn_type": conn_type, "host": "http://127.0.0.1:1/v1", "password": "sk-secret-123"}
    monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(value))


def test_a_run_whose_connections_are_there_is_let_through(monkeypatch):
    define(monkeypatch, "openrouter_default")
    define(monkeypatch, "judge_llm")
    require_connections(["openrouter_default", "judge_llm"])


def test_every_missing_connection_is_told_once():
    with pytest.raises(InputError) as caught:
        require_connections(["openrouter_default", "judge_llm", "openrouter_default"])
    judge, openrouter = caught.value.problems
    assert "'judge_llm' is not defined" in judge
    assert "'openrouter_default' is not defined. Set OPENROUTER_API_KEY" in openrouter


def test_a_connection_that_is_not_for_models_is_refused_before_anything_is_sent(monkeypatch):
    define(monkeypatch, "slack_api_default", "slack")
    with pytest.raises(InputError, match="'slack_api_default' is of type 'slack'") as caught:
        require_connections(["slack_api_default"])
    assert "sk-secret-123" not in str(caught.value)


def test_a_run_that_sends_nothing_needs_no_connection():
    require_connections([])
