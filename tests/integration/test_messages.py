"""People are told how runs end, by a real Airflow: its DAG processor and its triggerer."""

from __future__ import annotations

import pytest

from daydreaming.llm.simulator import Fault
from tests.integration.airflow_deployment import RunningAirflow
from tests.support.message_sinks import MailSink, text_of

pytestmark = pytest.mark.integration

SMALL = {"experiment": "faulty", "generation_templates": ["plain"], "generation_models": ["fast"]}


@pytest.fixture
def faultless(airflow: RunningAirflow) -> RunningAirflow:
    airflow.simulator.control(**{f"rate_{fault}": 0.0 for fault in Fault})
    return airflow


def test_a_run_that_succeeded_is_told_once(faultless: RunningAirflow, mail: MailSink) -> None:
    run_id = faultless.trigger({**SMALL, "experiment_id": "told"})
    assert faultless.wait(run_id) == "success"
    message = mail.wait_for("daydreaming: told succeeded")
    text = text_of(message)
    assert "Generations: 5 of 5 answered, 0 failed, 0 waiting." in text
    assert "Evaluations: 5 of 5 answered, 0 failed, 0 waiting." in text
    assert f"{faultless.client.url}/dags/daydream_experiment/runs/" in text
    assert (message["To"], message["From"]) == ("ada@example.org", "airflow@example.org")


def test_a_run_that_failed_at_its_beginning_is_told_with_its_task(
    faultless: RunningAirflow, mail: MailSink
) -> None:
    run_id = faultless.trigger({**SMALL, "experiment_id": "mistyped", "generation_models": ["fasst"]})
    assert faultless.wait(run_id) == "failed"
    text = text_of(mail.wait_for("daydreaming: mistyped failed"))
    assert "It failed before its inputs were frozen" in text


def test_calls_that_a_budget_stopped_are_told_in_a_message_of_their_own(
    faultless: RunningAirflow, mail: MailSink
) -> None:
    pytest.importorskip("airflow.providers.common.ai", reason="requirements-batch.lock is not installed")
    conf = {**SMALL, "experiment_id": "poor", "generation_models": ["half"], "max_cost_usd": 0.000001}
    assert faultless.wait(faultless.trigger(conf)) == "failed"
    assert "5 calls were not sent" in text_of(mail.wait_for("daydreaming: a budget stopped calls of poor"))
    assert "BatchError" in text_of(mail.wait_for("daydreaming: poor failed"))
    assert len([m for m in mail.messages if "poor" in str(m["Subject"])]) == 2


def test_a_night_that_is_late_is_told(faultless: RunningAirflow, mail: MailSink) -> None:
    run_id = faultless.trigger({}, dag_id="daydream_nightly")
    assert faultless.wait(run_id, "daydream_nightly") == "success"
    # Where another test has started the night already, there is nothing to wait for.
    (started,) = faultless.instances(run_id, "daydream_nightly", "start_experiment")
    assert started.state in ("success", "skipped")
    assert str(started.rendered_map_index).startswith("nightly__tonight_")
    message = mail.wait_for("daydreaming: night of")
    assert "The nightly run that was due at" in text_of(message)
