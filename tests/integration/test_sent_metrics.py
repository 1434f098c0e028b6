"""What a real Airflow sends of a run: its triggerer of the calls, its services of themselves."""

from __future__ import annotations

import json

import pytest

from daydreaming.llm.simulator import Fault
from tests.integration.airflow_deployment import RunningAirflow
from tests.support.statsd_sink import StatsdSink

pytestmark = pytest.mark.integration

#: Cells of its own, so that none is answered already.
RUN = {
    "experiment": "faulty",
    "experiment_id": "measured",
    "generation_templates": ["plain"],
    "generation_models": ["fast"],
    "generation_replicates": 2,
}
CALL = {"model": "fast", "connection": "local_llm"}


@pytest.fixture(scope="module")
def measured(airflow: RunningAirflow, statsd: StatsdSink) -> dict[str, float]:
    """By stage, how many calls a run has made, as the simulator counts them; the run is over."""
    airflow.simulator.control(**{f"rate_{fault}": 0.0 for fault in Fault})
    airflow.simulator.reset()
    before = {stage: _answered(statsd, stage) for stage in ("generation", "evaluation")}
    assert airflow.wait(airflow.trigger(RUN)) == "success"
    return {stage: _answered(statsd, stage) - count for stage, count in before.items()}


def _answered(statsd: StatsdSink, stage: str) -> float:
    return statsd.total("daydreaming.call.outcomes", stage=stage, outcome="answered", **CALL)


def test_the_triggerer_counts_every_call(measured: dict[str, float], airflow: RunningAirflow) -> None:
    assert sum(measured.values()) == airflow.simulator.stats()["calls"] > 0
    assert min(measured.values()) >= 5


def test_the_calls_wait_and_answer_are_timed(measured: dict[str, float], statsd: StatsdSink) -> None:
    latencies = [s.value for s in statsd.samples("airflow.daydreaming.call.latency")]
    assert len(latencies) >= sum(measured.values())
    assert min(latencies) >= 100  # ms; the simulator takes 200


def test_what_the_alerts_need_of_airflow_comes_with_its_tags(
    measured: dict[str, float], statsd: StatsdSink
) -> None:
    for service in ("scheduler", "triggerer", "dag_processor"):
        assert statsd.samples(f"airflow.{service}_heartbeat"), service
    tags = {
        "airflow.dagrun.duration.success": {"dag_id", "run_type"},
        "airflow.ti.finish": {"dag_id", "task_id", "state"},
        "airflow.pool.deferred_slots": {"pool_name"},
        "airflow.triggers.running": {"hostname"},
    }
    found = {name: {frozenset(s.tags) for s in statsd.samples(name)} for name in tags}
    assert found == {name: {frozenset(names)} for name, names in tags.items()}


def test_the_log_of_a_call_has_its_fields(measured: dict[str, float], airflow: RunningAirflow) -> None:
    logs = airflow.home.path / "logs"
    lines = [
        json.loads(line)
        for path in logs.glob("dag_id=daydream_experiment/*/task_id=generate/*/*.log*")
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    said = [line for line in lines if line.get("experiment_id") == "measured"]
    answered = [line for line in said if line["event"].startswith("Answered: ")]
    assert len(answered) >= 5
    assert {(line["stage"], line["model"]) for line in answered} == {("generation", "fast")}
    assert all(line["cell_id"] in line["event"] for line in answered)
