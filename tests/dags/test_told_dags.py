"""The DAGs where people are to be told of something, and where they are not."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from daydreaming.operators import experiment_tasks
from tests.support.experiments import make_settings

BOTH = ["success", "failure"]
TOLD = {"DAYDREAMING_NOTIFY_SUCCESS": "smtp:ada@example.org", "DAYDREAMING_NOTIFY_FAILURE": "slack:#lab"}


def test_nobody_is_told_by_default(dags):
    assert {name: dag["callbacks"] for name, dag in dags.items() if dag["callbacks"]} == {}
    assert {name: dag["deadlines_s"] for name, dag in dags.items() if dag["deadlines_s"]} == {}


@pytest.mark.parametrize(
    ("env", "callbacks"),
    [
        (TOLD, BOTH),
        ({"DAYDREAMING_NOTIFY_FAILURE": "slack:#lab"}, ["failure"]),
        ({"DAYDREAMING_NOTIFY_BUDGET": "slack:#lab"}, BOTH),
        # What is not allowed is told by load_inputs; the DAGs are there all the same.
        ({"DAYDREAMING_NOTIFY_FAILURE": "somebody", "DAYDREAMING_NIGHTLY_DEADLINE_H": "soon"}, []),
    ],
)
def test_the_experiment_alone_has_callbacks(parse_dags, env, callbacks):
    parsed = parse_dags(**env)
    found = {name: dag["callbacks"] for name, dag in parsed["dags"].items() if dag["callbacks"]}
    assert found == ({"daydream_experiment": callbacks} if callbacks else {})
    senders = ("airflow.providers.smtp.hooks", "airflow.providers.slack.hooks", "slack_sdk", "smtplib")
    assert not [name for name in parsed["modules"] if name.startswith(senders)]


def test_a_night_with_a_deadline_lasts_until_its_experiments_have_ended(dags, parse_dags):
    night = parse_dags(**TOLD, DAYDREAMING_NIGHTLY_DEADLINE_H="6")["dags"]["daydream_nightly"]
    assert (night["deadlines_s"], night["max_active_runs"], night["serialized"]) == ([6 * 3600.0], 7, True)
    waits = {"wait_for_completion", "deferrable", "allowed_states", "failed_states"}
    assert waits <= set(night["tasks"]["start_experiment"]["partial"])
    plain = dags["daydream_nightly"]
    assert plain["max_active_runs"] == 1
    assert not waits & set(plain["tasks"]["start_experiment"]["partial"])


def test_the_first_task_of_a_run_says_what_keeps_people_from_being_told(tmp_path, monkeypatch, caplog):
    settings = make_settings(tmp_path)
    monkeypatch.setenv("DAYDREAMING_INPUTS_ROOT", str(settings.inputs_root))
    monkeypatch.setenv("DAYDREAMING_DATA_ROOT", str(settings.data_root))
    monkeypatch.setenv("DAYDREAMING_NOTIFY_FAILURE", "somebody,slack:#lab")
    run = experiment_tasks.load_inputs.function
    params = {"experiment": "demo", "dry_run": True}
    assert run(params=params, run_id="run-1", dag_run=SimpleNamespace()) == "demo"
    errors = [record.message for record in caplog.records if record.levelname == "ERROR"]
    assert len(errors) == 2
    assert "got 'somebody'" in errors[0]
    assert "'slack_api_default' is not defined" in errors[1]
