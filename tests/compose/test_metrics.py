"""Profile metrics: what the services send is what alerts and dashboard ask Prometheus for."""

from __future__ import annotations

import json
import time
from urllib.parse import urlencode

import pytest
import yaml

from tests.compose.documented import inline
from tests.compose.engine import ROOT
from tests.compose.stack import METRICS_SERVICES, Stack
from tests.support.promql import read_expression

pytestmark = pytest.mark.integration

#: Sent only where something special happens: a batch, a price, a refusal, a failure, a blocked triggerer.
SPECIAL = {
    "daydreaming_batches_total",
    "daydreaming_call_budget_refusals_total",
    "daydreaming_call_cost_usd_total",
    "daydreaming_call_rescheduled_total",
    "daydreaming_call_retries_total",
    "airflow_triggers_blocked_main_thread_total",
}
#: Prometheus reads every 15 s, and gauges are sent every 20 s.
_TIMEOUT_S = 120


def ask(stack: Stack, path: str, **query: str):
    url = f"http://127.0.0.1:9090/api/v1/{path}?{urlencode(query)}"
    answer = json.loads(stack.execute("prometheus", "wget", "-q", "-O", "-", url).stdout)
    assert answer["status"] == "success", answer
    return answer["data"]


def value(stack: Stack, expression: str) -> float:
    """What an expression is now; 0 where it finds nothing."""
    found = ask(stack, "query", query=expression)["result"]
    return float(found[0]["value"][1]) if found else 0.0


def loaded(stack: Stack) -> list[dict]:
    """The alerts that Prometheus has, group by group."""
    return [rule for group in ask(stack, "rules")["groups"] for rule in group["rules"]]


def rules() -> list[dict]:
    groups = yaml.safe_load((ROOT / "deploy/metrics/alerts.yaml").read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def drawn() -> list[str]:
    board = json.loads((ROOT / "deploy/grafana/dashboards/daydreaming.json").read_text(encoding="utf-8"))
    return [target["expr"] for panel in board["panels"] for target in panel.get("targets", [])]


def test_prometheus_reads_the_exporter_and_knows_every_alert(stack: Stack):
    deadline = time.monotonic() + _TIMEOUT_S
    while not value(stack, 'up{job="airflow"}'):
        assert time.monotonic() < deadline, ask(stack, "targets")
        time.sleep(3)
    assert sorted(rule["name"] for rule in loaded(stack)) == sorted(rule["alert"] for rule in rules())


def test_what_runs_is_listed_by_the_commands_that_the_alerts_name(stack: Stack):
    listed = stack.shell(inline("docker compose --profile metrics ps", "docs/monitoring.md"))
    for service in (*METRICS_SERVICES, "airflow-scheduler"):
        assert stack.container(service) in listed


def test_the_answers_of_a_run_are_counted(stack: Stack, experiment: str):
    deadline = time.monotonic() + _TIMEOUT_S
    counted = 'sum(daydreaming_call_answers_total{connection="local_llm"})'
    while value(stack, counted) < 18:
        assert time.monotonic() < deadline, ask(stack, "label/__name__/values")
        time.sleep(3)
    assert value(stack, "sum(daydreaming_call_latency_seconds_count)") >= 18
    assert value(stack, 'sum(airflow_dagrun_duration_seconds_count{state="success"})') >= 1
    for service in ("scheduler", "triggerer", "dag_processor"):
        assert value(stack, f"sum(airflow_{service}_heartbeat_total)") > 0


def test_every_metric_that_alerts_and_dashboard_ask_for_arrives(stack: Stack, experiment: str):
    asked = {
        name
        for expression in (*(rule["expr"] for rule in rules()), *drawn())
        for name, _ in read_expression(expression).metrics
    }
    deadline = time.monotonic() + _TIMEOUT_S
    while missing := asked - SPECIAL - set(ask(stack, "label/__name__/values")):
        assert time.monotonic() < deadline, missing
        time.sleep(3)


def test_prometheus_evaluates_every_alert_and_all_that_the_dashboard_asks(stack: Stack):
    for expression in drawn():
        ask(stack, "query", query=expression.replace("$model", ".*").replace("$stage", ".*"))
    deadline = time.monotonic() + _TIMEOUT_S
    while health := {(r["name"], r["health"]) for r in loaded(stack) if r["health"] != "ok"}:
        assert time.monotonic() < deadline, health
        time.sleep(3)
