from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
from rich.console import Console

from daydreaming.cli import progress, run
from daydreaming.cli.rest import AirflowUnreachableError
from daydreaming.cli.run import run_experiment
from daydreaming.errors import BudgetError, LLMPermanentError, StaleResponseError
from daydreaming.pipeline.call import open_call, record_failure
from daydreaming.pipeline.plan import note_refusal
from daydreaming.pipeline.progress import ProgressReader
from daydreaming.pipeline.run_tables import complete_run
from daydreaming.settings import Settings
from daydreaming.store import migrate
from tests.support.airflow_double import AirflowDouble, serve_airflow
from tests.support.experiments import NOW, answer_all, answer_call, planned_run

RUNS = "/api/v2/dags/daydream_experiment/dagRuns"
TASKS = "/api/v2/dags/daydream_experiment/tasks"
NONE_FAILED = (200, {"total_entries": 0, "task_instances": []})


@pytest.fixture
def airflow(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[AirflowDouble]:
    """An Airflow whose run `run-1` the test plans and answers itself."""
    monkeypatch.setattr(progress, "POLL_S", 0.0)
    with serve_airflow() as double:
        monkeypatch.setenv("DAYDREAMING_AIRFLOW_URL", double.url)
        double.reply("GET", "/api/v2/dags/daydream_experiment", (200, {}))
        double.reply("POST", RUNS, (200, {"dag_run_id": "run-1"}))
        double.reply("GET", f"{RUNS}/run-1/taskInstances", NONE_FAILED)
        names = ("load_inputs", "generate", "check_completeness")
        double.reply("GET", TASKS, (200, {"tasks": [{"task_id": name} for name in names]}))
        yield double


def _states(airflow: AirflowDouble, *states: str) -> None:
    airflow.reply("GET", f"{RUNS}/run-1", *((200, {"state": state}) for state in states))


def _run(settings: Settings, **overrides: object) -> tuple[bool, str]:
    out = io.StringIO()
    console = Console(file=out, width=300)
    return run_experiment(settings, {"experiment": "demo", **overrides}, console), out.getvalue()


def test_a_run_that_succeeds_shows_progress_table_and_counts(airflow, settings):
    _states(airflow, "queued", "running", "success")
    planned_run(settings)
    answer_all(settings, "run-1")
    complete_run(settings, "run-1")
    succeeded, text = _run(settings)
    assert succeeded
    assert "Run run-1 of daydream_experiment" in text
    for line in ("generation free 2/2, 0 failed", "evaluation judge 8/8, 0 failed"):
        assert text.count(f"{line}, 0.0000 US dollars\n") == 1
    assert "20 new calls, 0 answers reused" in text
    assert str(settings.data_root / "06_summary/demo") in text


def test_a_run_that_reuses_everything_says_so(airflow, settings):
    planned_run(settings, "run-0")
    answer_all(settings, "run-0")
    planned_run(settings)
    complete_run(settings, "run-1")
    _states(airflow, "success")
    assert "No new call: all 20 answers were reused" in _run(settings)[1]


def test_a_run_that_fails_names_tasks_counts_and_remedy(airflow, settings):
    planned_run(settings)
    answer_call(settings, "run-1", "generation", 0)
    # One count for each task.
    counts = [(200, {"total_entries": count}) for count in (0, 2, 1)]
    airflow.reply("GET", f"{RUNS}/run-1/taskInstances", *counts)
    _states(airflow, "failed")
    succeeded, text = _run(settings)
    assert not succeeded
    assert "failed tasks: generate, check_completeness" in text
    assert "generations: 1 of 4 answered" in text
    assert "'only failed'" in text


def test_a_dry_run_says_that_nothing_was_sent_though_there_are_older_tables(airflow, settings):
    planned_run(settings, "run-0")
    answer_all(settings, "run-0")
    complete_run(settings, "run-0")
    planned_run(settings, dry_run=True)
    _states(airflow, "success")
    succeeded, text = _run(settings, dry_run=True)
    assert succeeded
    assert "Dry run: nothing was sent." in text
    assert "reused" not in text


def test_wrong_parameters_start_nothing(airflow, settings, daydreaming):
    result = daydreaming("run", "demo", "--set", "k_max=9")
    assert result.code == 2
    assert airflow.requests == []


def test_parameters_are_sent_as_typed(airflow, settings, daydreaming):
    planned_run(settings)
    answer_all(settings, "run-1")
    complete_run(settings, "run-1")
    _states(airflow, "success")
    result = daydreaming("run", "demo", "--set", "k_max=1", "--set", "concepts=search,moat")
    assert (result.code, result.err) == (0, "")
    conf = next(body["conf"] for method, _, body in airflow.requests if method == "POST")
    assert conf == {"k_max": 1, "concepts": ["search", "moat"], "experiment": "demo"}


def test_a_failed_run_is_exit_code_1(airflow, settings, daydreaming):
    planned_run(settings)
    _states(airflow, "failed")
    result = daydreaming("run", "demo")
    assert (result.code, result.err) == (1, "")


def test_an_airflow_that_does_not_know_the_dag_is_given_up(airflow, settings, monkeypatch):
    monkeypatch.setattr(run, "_DAG_TIMEOUT_S", -1.0)
    airflow.reply("GET", "/api/v2/dags/daydream_experiment", (404, {}))
    with pytest.raises(AirflowUnreachableError, match=r"has not read dags/daydream_experiment\.py yet"):
        _run(settings)


def test_json_has_a_line_for_the_start_each_change_and_the_result(airflow, settings, daydreaming):
    planned_run(settings)
    answer_all(settings, "run-1")
    complete_run(settings, "run-1")
    _states(airflow, "queued", "running", "success")
    result = daydreaming("run", "demo", "--json")
    assert (result.code, result.err) == (0, "")
    started, progress, end = map(json.loads, result.out.splitlines())
    assert started == {"event": "started", "run_id": "run-1"}
    assert (progress["event"], progress["experiment_id"], progress["answered"]) == ("progress", "demo", 20)
    assert [(m["stage"], m["model"], m["answered"]) for m in progress["models"]][::2] == [
        ("generation", "free", 2),
        ("evaluation", "free", 8),
    ]
    assert (end["event"], end["run_id"], end["state"]) == ("result", "run-1", "success")
    assert (end["planned"], end["answered"], end["failed"], end["new_calls"]) == (20, 20, 0, 20)
    assert end["failed_tasks"] == []
    assert end["tables"] == str(settings.data_root / "06_summary/demo")


def test_json_of_a_run_that_failed_names_its_tasks_and_no_tables(airflow, settings, daydreaming):
    counts = [(200, {"total_entries": count}) for count in (1, 0, 1)]
    airflow.reply("GET", f"{RUNS}/run-1/taskInstances", *counts)
    _states(airflow, "failed")
    migrate.upgrade_database(settings)
    result = daydreaming("run", "demo", "--json")
    assert (result.code, result.err) == (1, "")
    end = json.loads(result.out.splitlines()[-1])
    assert (end["state"], end["experiment_id"], end["planned"]) == ("failed", None, 0)
    assert (end["failed_tasks"], end["tables"]) == (["load_inputs", "check_completeness"], None)


def test_json_of_a_dry_run_says_that_nothing_is_waited_for(airflow, settings, daydreaming):
    planned_run(settings, dry_run=True)
    _states(airflow, "success")
    end = json.loads(daydreaming("run", "demo", "--json").out.splitlines()[-1])
    assert (end["state"], end["held"], end["waiting"], end["tables"]) == ("success", 20, 0, None)


def test_a_line_is_written_for_what_has_changed_alone(settings):
    out = io.StringIO()
    planned_run(settings)
    reader = ProgressReader(settings, run_id="run-1")
    with progress.open_display(Console(file=out, width=300)) as display:
        display.update(reader.read(NOW), NOW)
        display.update(reader.read(NOW), NOW)
        answer_call(settings, "run-1", "generation", 0)
        soon = NOW + timedelta(seconds=4)
        display.update(reader.read(soon), soon)
    lines = out.getvalue().splitlines()
    assert lines == [
        "generation free 0/2, 0 failed, 0.0000 US dollars",
        "generation paid 0/2, 0 failed, 0.0000 US dollars",
        "evaluation free 0/8, 0 failed, 0.0000 US dollars",
        "evaluation judge 0/8, 0 failed, 0.0000 US dollars",
        "generation free 1/2, 0 failed, 15.0 per min, 4 s left, 0.0000 US dollars",
    ]


def test_a_terminal_gets_a_table(airflow, settings):
    planned_run(settings)
    answer_all(settings, "run-1")
    complete_run(settings, "run-1")
    _states(airflow, "running", "success")
    out = io.StringIO()
    assert run_experiment(settings, {"experiment": "demo"}, Console(file=out, force_terminal=True, width=200))
    text = out.getvalue()
    for head in ("stage", "model", "answered", "failed", "running", "per min", "time left", "spent $"):
        assert head in text
    assert "8/8" in text
    assert "20/20" in text
    # The cursor is there again.
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")


def _failed_task(airflow: AirflowDouble) -> None:
    airflow.reply("GET", TASKS, (200, {"tasks": [{"task_id": "load_inputs"}]}))
    one = {"task_id": "load_inputs", "try_number": 2, "map_index": -1}
    airflow.reply("GET", f"{RUNS}/run-1/taskInstances", (200, {"total_entries": 1, "task_instances": [one]}))
    _states(airflow, "failed")


def test_a_run_that_failed_before_its_first_call_says_why(airflow, settings, daydreaming):
    planned_run(settings)
    note_refusal(settings, "run-1", "The key is missing. Set it.")
    _failed_task(airflow)
    result = daydreaming("run", "demo")
    assert result.code == 1
    assert "The key is missing. Set it.\nNothing is sent. Mend that, then start a new run" in result.out
    end = json.loads(daydreaming("run", "demo", "--json").out.splitlines()[-1])
    [reason] = end["reasons"]
    assert (reason["message"], reason["error_class"]) == ("The key is missing. Set it.", None)


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (BudgetError("The cap is reached."), "`daydreaming cost demo --cap USD`"),
        (StaleResponseError("It is stale."), "on_stale archive"),
    ],
)
def test_failed_calls_are_told_by_kind_with_what_to_do(airflow, settings, error, advice):
    planned_run(settings)
    for index in range(2):
        call = open_call(settings, "run-1", "generation", index)
        record_failure(call, error, attempt=0, final=True, now=NOW)
    _failed_task(airflow)
    text = _run(settings)[1]
    assert f"2 generation calls failed: {type(error).__name__}: {error}\n" in text
    assert advice in text


def test_what_a_provider_says_moves_no_cursor(airflow, settings):
    planned_run(settings)
    call = open_call(settings, "run-1", "generation", 0)
    record_failure(call, LLMPermanentError("no \x1b[2J"), attempt=1, final=True, now=NOW)
    _failed_task(airflow)
    text = _run(settings)[1]
    assert r"LLMPermanentError: no \x1b[2J" in text
    assert "\x1b" not in text


def test_what_nobody_has_recorded_is_read_in_the_log_of_the_task_that_failed(airflow, settings):
    migrate.upgrade_database(settings)
    _failed_task(airflow)
    lines = [
        {"event": "::group::Log message source details"},
        {"event": "The database is gone.", "level": "error"},
        {"event": "Task exited", "level": "error"},
    ]
    airflow.reply("GET", f"{RUNS}/run-1/taskInstances/load_inputs/logs/2", (200, {"content": lines}))
    assert "The database is gone.\nThat is the log of load_inputs.\n" in _run(settings)[1]


def test_a_run_that_waits_for_a_person_says_where(airflow, settings):
    planned_run(settings, approve_above_usd=0)
    answer_all(settings, "run-1")
    complete_run(settings, "run-1")
    airflow.reply("GET", f"{RUNS}/run-1/hitlDetails", (200, {"total_entries": 1, "hitl_details": [{}]}))
    _states(airflow, "running", "running", "success")
    text = _run(settings)[1]
    url = f"{airflow.url}/dags/daydream_experiment/runs/run-1/required_actions"
    assert text.count(f"waits for a person who approves its estimate, or refuses it: {url}\n") == 1
