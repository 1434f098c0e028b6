from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from daydreaming.cli import progress
from daydreaming.cli.rejudge import rejudge_overrides
from daydreaming.errors import InputError
from daydreaming.pipeline.run_tables import complete_run
from daydreaming.settings import Settings
from tests.support.airflow_double import AirflowDouble, serve_airflow
from tests.support.experiments import answer_all, answer_call, planned_run

RUNS = "/api/v2/dags/daydream_experiment/dagRuns"


@pytest.fixture
def airflow(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[AirflowDouble]:
    """An Airflow whose run `run-2` the test plans and answers itself; `run-1` has gone before."""
    planned_run(settings, evaluation_templates=["style"])
    answer_all(settings, "run-1")
    complete_run(settings, "run-1")
    monkeypatch.setattr(progress, "POLL_S", 0.0)
    with serve_airflow() as double:
        monkeypatch.setenv("DAYDREAMING_AIRFLOW_URL", double.url)
        double.reply("GET", "/api/v2/dags/daydream_experiment", (200, {}))
        double.reply("POST", RUNS, (200, {"dag_run_id": "run-2"}))
        double.reply("GET", f"{RUNS}/run-2", (200, {"state": "success"}))
        yield double


def _conf(airflow: AirflowDouble) -> dict[str, object]:
    (conf,) = [body["conf"] for method, _, body in airflow.requests if method == "POST"]
    return conf


def test_it_starts_a_run_that_only_judges_and_follows_it(airflow, settings, daydreaming):
    planned_run(
        settings, "run-2", experiment=None, experiment_id="demo", rejudge=True, evaluation_models=["judge"]
    )
    answer_all(settings, "run-2")
    complete_run(settings, "run-2")
    arguments = ("--evaluation-templates", "rigor,style", "--evaluation-models", "judge")
    result = daydreaming("rejudge", "demo", *arguments, "--set", "shard_size=7")
    assert (result.code, result.err) == (0, "")
    assert _conf(airflow) == {
        "experiment_id": "demo",
        "rejudge": True,
        "evaluation_templates": ["rigor", "style"],
        "evaluation_models": ["judge"],
        "shard_size": 7,
    }
    assert "Nothing is generated: 4 stored essays are judged" in result.out
    assert "Run run-2 of daydream_experiment" in result.out
    assert "evaluation judge 4/4" in result.out


def test_essays_that_are_left_out_are_named(airflow, settings, daydreaming):
    call = answer_call(settings, "run-1", "generation", 1)
    call.files.response("generation", call.cell.cell_id).unlink()
    result = daydreaming("rejudge", "demo", "--no-wait")
    assert f"Left out, no response: 1 generations ({call.cell.cell_id})" in result.out
    assert result.out.splitlines()[-1] == "Run run-2 of daydream_experiment"


def test_json_is_that_of_a_run(airflow, settings, daydreaming):
    result = daydreaming("rejudge", "demo", "--no-wait", "--json")
    assert (result.code, result.err) == (0, "")
    assert json.loads(result.out) == {"event": "started", "run_id": "run-2"}


def test_without_waiting_the_run_is_started_and_left(airflow, settings, daydreaming):
    result = daydreaming("rejudge", "demo", "--evaluation-replicates", "2", "--no-wait")
    assert (result.code, result.err) == (0, "")
    assert _conf(airflow) == {"experiment_id": "demo", "rejudge": True, "evaluation_replicates": 2}
    assert [path for method, path, _ in airflow.requests if method == "GET" and "run-2" in path] == []


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("nope",), "Unknown experiment ID 'nope'. Experiments that were run: demo."),
        (("demo", "--evaluation-templates", "rigour"), "Did you mean rigor?"),
        (("demo", "--evaluation-models", "paid"), "paid"),
        (("demo", "--evaluation-replicates", "0"), "evaluation_replicates must be a whole number"),
        (("demo", "--evaluation-replicates", "two"), "got 'two'"),
        (("demo", "--set", "k_max=2"), "k_max says what to generate"),
        (("demo", "--set", "foo=1"), "no parameter 'foo'"),
        (("demo", "--set", "rejudge=false"), "rejudge is said by the command's own arguments"),
        (("demo", "--set", "experiment_id=other"), "experiment_id is said by"),
    ],
)
def test_what_is_refused_starts_nothing(airflow, settings, daydreaming, arguments, text):
    result = daydreaming("rejudge", *arguments)
    assert (result.code, result.out, len(result.err.splitlines())) == (2, "", 1)
    assert text in result.err
    assert airflow.requests == []


def test_an_experiment_without_an_essay_starts_nothing(airflow, settings, daydreaming):
    planned_run(settings, "run-3", experiment_id="empty", k_max=1)
    result = daydreaming("rejudge", "empty")
    assert (result.code, len(result.err.splitlines())) == (2, 1)
    assert "experiment empty has no essay to judge (generations: 8 with no response)" in result.err
    assert airflow.requests == []


def test_a_parameter_is_given_once():
    options = {"evaluation_templates": "a,b", "evaluation_models": None}
    assert rejudge_overrides("demo", options, ["on_stale=archive"]) == {
        "on_stale": "archive",
        "evaluation_templates": ["a", "b"],
        "experiment_id": "demo",
        "rejudge": True,
    }
    with pytest.raises(
        InputError, match="evaluation_templates is said by the command's own arguments already"
    ):
        rejudge_overrides("demo", options, ["evaluation_templates=c"])
