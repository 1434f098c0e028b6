from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing

import pytest

from daydreaming.cli.rest import AirflowClient, AirflowUnreachableError
from daydreaming.errors import InputError
from tests.support.airflow_double import AirflowDouble, serve_airflow

RUNS = "/api/v2/dags/daydream_experiment/dagRuns"
TASKS = "/api/v2/dags/daydream_experiment/tasks"
RUN_ID = "manual__2026-03-01T12:00:00+00:00 a?b#c%"
QUOTED = "manual__2026-03-01T12%3A00%3A00%2B00%3A00%20a%3Fb%23c%25"


@pytest.fixture
def airflow() -> Iterator[AirflowDouble]:
    """An Airflow that lets anyone in."""
    with serve_airflow() as double:
        yield double


@pytest.fixture
def client(airflow: AirflowDouble) -> Iterator[AirflowClient]:
    """A client that is logged in."""
    with closing(AirflowClient(airflow.url, "admin", "sesame")) as logged_in:
        yield logged_in


def test_a_run_is_started_with_conf_and_no_logical_date(airflow, client):
    airflow.reply("POST", RUNS, (200, {"dag_run_id": "run-1"}))
    assert client.trigger({"experiment": "demo", "k_max": 2}) == "run-1"
    assert airflow.requests == [
        (
            "POST",
            RUNS,
            {
                "conf": {"experiment": "demo", "k_max": 2},
                "logical_date": None,
                "dag_run_id": None,
            },
        )
    ]


def test_what_answers_otherwise_than_airflow_is_told(airflow, client):
    airflow.reply("POST", RUNS, (200, {"ok": True}))
    with pytest.raises(AirflowUnreachableError, match=r"no 'dag_run_id' as Airflow's has, but .*'ok': True"):
        client.trigger({})


def test_a_password_that_cannot_be_sent_is_told(airflow):
    with pytest.raises(InputError, match="DAYDREAMING_AIRFLOW_PASSWORD text in UTF-8"):
        AirflowClient(airflow.url, "admin", "\udce9")


def test_run_ids_are_quoted_in_paths(airflow, client):
    airflow.reply("GET", f"{RUNS}/{QUOTED}", (200, {"state": "running"}))
    airflow.reply("GET", f"{RUNS}/{QUOTED}/taskInstances", (200, {"total_entries": 3, "task_instances": []}))
    assert client.run_state(RUN_ID) == "running"
    assert client.count_instances(RUN_ID, "generate", "failed") == 3
    assert "task_id=generate&state=failed" in airflow.requests[1][1]


def test_failed_tasks_are_named_once_however_many_instances_failed(airflow, client):
    names = ("load_inputs", "generate", "check_completeness")
    airflow.reply("GET", TASKS, (200, {"tasks": [{"task_id": name} for name in names]}))
    counts = [(200, {"total_entries": count}) for count in (0, 2000, 1)]
    airflow.reply("GET", f"{RUNS}/r/taskInstances", *counts)
    assert client.failed_tasks("r") == ["generate", "check_completeness"]


def test_an_expired_token_is_renewed_once(airflow, client):
    airflow.reply("GET", f"{RUNS}/r", (200, {"state": "success"}))
    airflow.logins += 1  # the token that the client has is not the last one any more
    assert client.run_state("r") == "success"
    assert airflow.logins == 3
    assert len(airflow.requests) == 2


def test_a_401_that_stays_is_an_error(airflow, client):
    airflow.reply("GET", f"{RUNS}/r", (401, {"detail": "no"}))
    with pytest.raises(AirflowUnreachableError, match=r"answered 401 to GET .*/r: no"):
        client.run_state("r")
    assert airflow.logins == 2


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        ((404, {"detail": "The DagRun was not found"}), "404 to GET .*: The DagRun was not found"),
        ((422, {"detail": [{"loc": ["body"], "msg": "bad"}]}), "422 to GET .*'msg': 'bad'"),
        ((400, ["a list"]), r'400 to GET .*\["a list"\]'),
        ((500, "<html>\n<h1>Oops</h1>\n</html>"), "500 to GET .*<html> <h1>Oops"),
        ((503, ""), "503 to GET"),
        ((200, "<html>\nLog in</html>"), r"does not answer as Airflow's API does: <html> Log in"),
    ],
)
def test_an_error_is_one_readable_line(airflow, client, reply, text):
    airflow.reply("GET", f"{RUNS}/r", reply)
    with pytest.raises(AirflowUnreachableError, match=text) as caught:
        client.run_state("r")
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(("status", "is_ready"), [(200, True), (404, False)])
def test_the_dag_is_ready_when_it_is_parsed(airflow, client, status, is_ready):
    airflow.reply("GET", "/api/v2/dags/daydream_experiment", (status, {}))
    assert client.dag_is_ready() is is_ready


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        ((401, {"detail": "Invalid credentials"}), r"does not accept user 'admin' \(401\)"),
        ((200, "<html>a web site</html>"), "does not answer as Airflow's API does"),
    ],
)
def test_a_log_in_that_fails_says_so_without_the_password(airflow, reply, text):
    airflow.login_reply = reply
    with pytest.raises(AirflowUnreachableError, match=text) as caught:
        AirflowClient(airflow.url, "admin", "sesame")
    assert "sesame" not in str(caught.value)


def test_the_password_is_not_in_what_the_client_shows(client):
    assert "sesame" not in repr(client)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "nonsense", "ftp://127.0.0.1"])
def test_nothing_at_the_address_is_one_line(url):
    with pytest.raises(AirflowUnreachableError, match=f"does not answer at {url}"):
        AirflowClient(url, "admin", "x")


def test_an_address_that_is_none_is_refused():
    with pytest.raises(InputError, match="DAYDREAMING_AIRFLOW_URL must be a URL"):
        AirflowClient("http://127.0.0.1:many", "admin", "x")


def test_the_environment_names_another_airflow(airflow, monkeypatch):
    monkeypatch.setenv("DAYDREAMING_AIRFLOW_URL", f"{airflow.url}/")
    monkeypatch.setenv("DAYDREAMING_AIRFLOW_USER", "me")
    monkeypatch.setenv("DAYDREAMING_AIRFLOW_PASSWORD", "sesame")
    client = AirflowClient.from_env()
    assert (client.url, client.user, client.password) == (airflow.url, "me", "sesame")


def test_without_it_the_one_that_up_started_is_used(airflow, monkeypatch, tmp_path):
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    with pytest.raises(InputError, match="Airflow is not running"):
        AirflowClient.from_env()
    record = {"url": airflow.url, "llm": "none", "llm_url": None, "services": []}
    (tmp_path / "services.json").write_text(json.dumps(record))
    assert AirflowClient.from_env().url == airflow.url
