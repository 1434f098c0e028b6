from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from daydreaming.settings import Settings
from tests.support.experiments import answer_call, edit_input, planned_run, tree_of

PROGRAM = Path(sys.executable).with_name("daydreaming")
PLAN_COUNTS = ["combinations", "generations", "evaluations", "generations_answered", "evaluations_answered"]
PLAN_MONEY = ["expected_usd", "worst_case_usd", "wall_time_s", "models"]
PLAN_KEYS = [*PLAN_COUNTS, "new_calls", "stale", "on_stale", *PLAN_MONEY]


def _refused(result, *texts: str, lines: int = 1) -> None:
    """One line per problem on stderr, nothing on stdout, exit code 2."""
    assert (result.code, result.out) == (2, "")
    assert len(result.err.splitlines()) == lines
    assert all(line.startswith("Error: ") for line in result.err.splitlines())
    for text in texts:
        assert text in result.err


@pytest.mark.parametrize(
    ("arguments", "texts", "lines"),
    [
        (("plan", "demo_"), ("no saved experiment 'demo_'", "demo"), 1),
        (("plan", "../demo"), ("experiment must be",), 1),
        (("plan", "demo", "--set", "kmax=2"), ("no parameter 'kmax'", "k_max"), 1),
        (("plan", "demo", "--set", "k_max"), ("needs NAME=VALUE",), 1),
        (("plan", "demo", "--set", "k_max=two"), ("k_max must be a whole number", "got 'two'"), 1),
        (("plan", "demo", "--set", "k_max=2.5"), ("k_max must be a whole number",), 1),
        (("plan", "demo", "--set", "k_max=9"), ("k_max",), 1),
        (("plan", "demo", "--set", "concepts=search,nothing"), ("nothing",), 1),
        (("plan", "demo", "--set", "schedule=nightly"), ("schedule",), 1),
        (("plan", "demo", "--set", "foo=1", "--set", "bar", "--set", "k_max=1", "--set", "k_max=2"), (), 3),
        (("plan", "demo", "--set", "k_max=x", "--set", "dry_run=maybe"), (), 2),
        (("status", "nope"), ("Unknown experiment ID 'nope'", "none yet"), 1),
        (("parse-score", "--parser", "nope", "x.txt"), ("'nope'", "strict"), 1),
        (("parse-score", "--parser", "strict", "--scale", "9", "x.txt"), ("'9'",), 1),
        (("run", "demo"), ("Airflow is not running", "daydreaming up"), 1),
        (("run", "demo_"), ("no saved experiment",), 1),
        (("run", "demo", "--set", "foo=1"), ("no parameter 'foo'",), 1),
        (("up", "--llm", "gpt"), ("--llm must be one of none, local, simulated; got 'gpt'",), 1),
        (("demo", "--llm", "none"), ("must be local or simulated; got 'none'",), 1),
    ],
)
def test_bad_input_is_one_line_per_problem(settings: Settings, daydreaming, arguments, texts, lines):
    _refused(daydreaming(*arguments), *texts, lines=lines)
    assert not settings.data_root.exists()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("nope",), "No such command 'nope'"),
        (("plan", "demo", "--nope"), "No such option"),
        (("plan",), "Missing argument"),
        (("parse-score", "--parser", "strict"), "Missing argument 'FILE...'"),
        (("parse-score", "x.txt"), "Missing option '--parser'"),
        (("up", "--port", "99999"), "--port must be at most 65535"),
        (("up", "--port", "nope"), "--port must be a whole number"),
    ],
)
def test_wrong_usage_ends_with_one_line_that_says_what_is_wrong(settings, daydreaming, arguments, text):
    result = daydreaming(*arguments)
    assert (result.code, result.out) == (2, "")
    assert text in result.err.splitlines()[-1]


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("DAYDREAMING_POOLS", "llm_free=many", "DAYDREAMING_POOLS must be NAME=SLOTS"),
        ("DAYDREAMING_DISPATCH", "celery", "DAYDREAMING_DISPATCH must be pool or triggerer"),
        ("DAYDREAMING_CALL_TIMEOUT_S", "-1", "DAYDREAMING_CALL_TIMEOUT_S must be a number"),
        ("DAYDREAMING_DATA_ROOT", "s3://bucket", "where SQLite cannot be"),
        ("DAYDREAMING_DATA_ROOT", "gs://bucket", "DAYDREAMING_DATA_ROOT must be"),
    ],
)
@pytest.mark.parametrize("arguments", [("plan", "demo"), ("status",), ("run", "demo"), ("up",)])
def test_nonsense_in_the_environment_is_refused(
    settings, daydreaming, monkeypatch, arguments, name: str, value: str, text: str
):
    monkeypatch.setenv(name, value)
    _refused(daydreaming(*arguments), text)


def test_every_problem_of_the_files_is_its_own_line(settings: Settings, daydreaming):
    edit_input(settings.inputs_root, "01_raw/llm_models.csv", "paid,prov/paid", "pa id,prov/paid")
    edit_input(settings.inputs_root, "01_raw/concepts/concepts_metadata.csv", "search,Comb", "search,")
    (settings.inputs_root / "01_raw/evaluation_templates/rigor.txt").unlink()
    result = daydreaming("plan", "demo")
    assert result.code == 2
    assert len(result.err.splitlines()) >= 2
    assert "llm_models.csv, row" in result.err
    assert "rigor.txt" in result.err


def test_a_csv_that_is_no_csv_is_refused(settings: Settings, daydreaming):
    (settings.inputs_root / "01_raw/llm_models.csv").write_bytes(b"\xff\xfe\x00")
    result = daydreaming("plan", "demo")
    assert result.code == 2
    assert "llm_models.csv" in result.err
    assert "Traceback" not in result.err


@pytest.mark.parametrize("arguments", [("plan", "demo"), ("status",), ("status", "demo"), ("up",)])
def test_a_data_root_that_cannot_be_used_is_refused(settings, daydreaming, monkeypatch, tmp_path, arguments):
    # A file where a folder should be: root's rights, which tests may have, do not get past it.
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DAYDREAMING_DATA_ROOT", str(tmp_path / "file/data"))
    result = daydreaming(*arguments)
    if arguments == ("status",):
        assert result.code in (0, 2)
    else:
        assert result.code == 2
    assert "Traceback" not in result.err
    assert all(line.startswith("Error: ") for line in result.err.splitlines())


@pytest.mark.parametrize("arguments", [("plan", "demo", "--json"), ("status", "--json"), ("up",)])
def test_a_refusal_by_the_file_system_names_the_file(settings, daydreaming, monkeypatch, arguments):
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", "/data/03_generation")

    monkeypatch.setattr("os.scandir", refuse)
    monkeypatch.setattr("daydreaming.pipeline.experiments.list_experiments", refuse)
    monkeypatch.setattr("daydreaming.cli.up.start", refuse)
    settings.data_root.mkdir()
    (settings.data_root / "results.sqlite3").touch()
    _refused(daydreaming(*arguments), "/data/03_generation: Permission denied", "DAYDREAMING_DATA_ROOT")


def test_a_results_database_without_tables_is_refused(settings: Settings, daydreaming):
    settings.data_root.mkdir()
    (settings.data_root / "results.sqlite3").touch()
    _refused(daydreaming("status"), "results database cannot be used: no such table", "daydreaming up")


def test_a_results_connection_that_is_nonsense_is_refused_without_its_password(
    settings, daydreaming, monkeypatch
):
    monkeypatch.setenv("AIRFLOW_CONN_DAYDREAMING_RESULTS", "mysql://me:sesame@host/db")
    result = daydreaming("status")
    _refused(result, "AIRFLOW_CONN_DAYDREAMING_RESULTS must be postgresql://")
    assert "sesame" not in result.err


def test_an_error_of_ours_is_still_a_traceback(settings, daydreaming, monkeypatch):
    def break_(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("daydreaming.cli.status.experiment_status", break_)
    with pytest.raises(ZeroDivisionError):
        daydreaming("status")


def test_a_port_in_use_is_refused(settings, daydreaming):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        _refused(daydreaming("up", "--port", str(port)), f"Port {port} on 127.0.0.1 is taken", "--port 0")


def test_down_with_nothing_running_says_so(settings, daydreaming):
    result = daydreaming("down")
    assert (result.code, result.out) == (0, "Nothing was running.\n")


@pytest.mark.parametrize("command", ["up", "down", "run"])
def test_a_damaged_record_of_services_is_named(settings, daydreaming, tmp_path, command):
    record = tmp_path / "airflow/services.json"
    record.parent.mkdir()
    record.write_text("{")
    arguments = ("run", "demo") if command == "run" else (command,)
    _refused(daydreaming(*arguments), "services.json: cannot be read")


class TestPlan:
    """`daydreaming plan`."""

    def test_json_has_the_counts_first_and_then_what_they_cost(self, settings, daydreaming):
        result = daydreaming("plan", "demo", "--json")
        assert (result.code, result.err) == (0, "")
        plan = json.loads(result.out)
        assert list(plan) == PLAN_KEYS
        assert [plan[name] for name in PLAN_COUNTS] == [1, 4, 16, 0, 0]
        assert plan["new_calls"] == 20
        assert 0 < plan["expected_usd"] < plan["worst_case_usd"]
        assert [(row["stage"], row["model"]) for row in plan["models"]] == [
            ("generation", "free"), ("generation", "paid"), ("evaluation", "free"), ("evaluation", "judge"),
        ]  # fmt: skip

    def test_parameters_are_set(self, settings, daydreaming):
        result = daydreaming(
            "plan", "demo", "--json", "--set", "k_max=1", "--set", "concepts=search,moat,dream",
            "--set", "generation_models=[paid]", "--set", "evaluation_replicates=2",
        )  # fmt: skip
        plan = json.loads(result.out)
        assert [plan[name] for name in PLAN_COUNTS] == [3, 6, 48, 0, 0]

    def test_answers_are_counted(self, settings, daydreaming):
        planned_run(settings)
        answer_call(settings, "run-1", "generation", 0)
        answer_call(settings, "run-1", "evaluation", 0)
        counts = json.loads(daydreaming("plan", "demo", "--json").out)
        assert (counts["generations_answered"], counts["evaluations_answered"]) == (1, 1)

    def test_it_writes_nothing_and_needs_no_database(self, settings, daydreaming, tmp_path):
        before = tree_of(tmp_path)
        for arguments in (("plan", "demo"), ("plan", "demo", "--json"), ("plan", "nope"), ("status",)):
            daydreaming(*arguments)
        assert tree_of(tmp_path) == before

    def test_text_names_stages_and_models(self, settings, daydreaming):
        lines = daydreaming("plan", "demo").out.splitlines()
        assert lines[:3] == [
            "1 combinations",
            "4 generations, 0 answered already",
            "16 evaluations, 0 answered already",
        ]
        assert "  generation by paid: 2 planned, 0 reused, 2 new" in lines

    def test_text_says_price_source_wall_time_and_what_passes_the_cap(self, settings, daydreaming):
        out = daydreaming("plan", "demo", "--set", "max_cost_usd=0.001").out
        assert "US dollars expected" in out
        assert "llm_models.csv" in out
        assert "Wall time: " in out
        assert "max_cost_usd is 0.001 and 0.0000 of it are gone: the expected price passes" in out

    def test_limits_of_connections_count_where_the_environment_has_them(
        self, settings, daydreaming, monkeypatch
    ):
        stored = daydreaming("plan", "demo").out
        assert "variable for it: connection openrouter_default" in stored
        connection = json.dumps({"extra": {"rate_limits": {"rpm": 1}}})
        monkeypatch.setenv("AIRFLOW_CONN_OPENROUTER_DEFAULT", connection)
        known = daydreaming("plan", "demo").out
        assert "Wall time: at least 8 min 8 s at the limits in llm_models.csv and in connection" in known
        assert "not counted" not in known
        monkeypatch.setenv("AIRFLOW_CONN_OPENROUTER_DEFAULT", '{"extra": {"rate_limits": 20}}')
        refused = daydreaming("plan", "demo")
        assert (refused.code, refused.err.count("\n")) == (2, 1)
        assert "rate_limits in its extra must be an object" in refused.err


class TestStatus:
    """`daydreaming status`."""

    def test_nothing_run_yet(self, settings, daydreaming):
        assert daydreaming("status").out.startswith("No experiment has been run yet.")
        assert json.loads(daydreaming("status", "--json").out) == []

    def test_json_has_one_object_per_stage_and_model(self, settings, daydreaming):
        planned_run(settings)
        answer_call(settings, "run-1", "generation", 0)
        rows = json.loads(daydreaming("status", "demo", "--json").out)
        assert rows[0] == {
            "experiment_id": "demo",
            "stage": "generation",
            "model": "free",
            "planned": 2,
            "answered": 1,
            "failed": 0,
            "waiting": 1,
            "running": 0,
            "blocked": 0,
            "held": 0,
            "per_minute": None,
            "eta_s": None,
            "spent_usd": 0.0,
            "reserved_usd": 0.0,
            "unpriced": 0,
            "refusal": None,
        }
        assert len(rows) == 4

    def test_text_is_a_table(self, settings, daydreaming):
        planned_run(settings)
        lines = daydreaming("status").out.splitlines()
        assert lines[0].split() == [
            "experiment_id", "stage", "model", "planned", "answered", "failed", "waiting",
            "running", "per", "min", "time", "left", "spent", "$",
        ]  # fmt: skip
        assert lines[1].split() == ["demo", "generation", "free", "2", "0", "0", "2", "0", "–", "–", "0.0000"]

    def test_an_unknown_experiment_names_the_known(self, settings, daydreaming):
        planned_run(settings)
        _refused(daydreaming("status", "nope"), "Experiments that were run: demo")
        _refused(daydreaming("status", "demos"), "Did you mean demo?")

    def test_evaluations_that_cannot_be_made_are_not_waited_for(self, settings, daydreaming):
        planned_run(settings)
        answer_call(settings, "run-1", "generation", 2, text="No tag.")
        row = json.loads(daydreaming("status", "demo", "--json").out)[2]
        assert (row["model"], row["planned"], row["blocked"], row["waiting"]) == ("free", 8, 2, 6)


class TestParseScore:
    """`daydreaming parse-score`."""

    @pytest.fixture(autouse=True)
    def _files(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        Path("good.txt").write_text("Fine.\nSCORE: 7\n")
        Path("none.txt").write_text("Fine.\n")
        Path("high.txt").write_text("SCORE: 10\n")
        Path("bytes.txt").write_bytes(b"\xff\xfe")

    def test_json_is_one_object_per_file_and_line(self, daydreaming):
        files = ("good.txt", "none.txt", "bytes.txt", "good.txt")
        result = daydreaming("parse-score", "--parser", "strict", "--json", *files)
        assert (result.code, result.err) == (0, "")
        rows = [json.loads(line) for line in result.out.splitlines()]
        assert [list(row) for row in rows] == [["file", "parser", "score", "error"]] * 4
        assert [row["file"] for row in rows] == list(files)
        assert [row["score"] for row in rows] == [7.0, None, None, 7.0]
        assert [bool(row["error"]) for row in rows] == [False, True, True, False]

    @pytest.mark.parametrize(
        ("scale", "score"), [((), 10.0), (("--scale", "0-9"), None), (("--scale", "0-10"), 10.0)]
    )
    def test_the_scale_bounds_the_score(self, daydreaming, scale, score):
        result = daydreaming("parse-score", "--parser", "strict", "--json", *scale, "high.txt")
        row = json.loads(result.out)
        assert row["score"] == score
        assert (row["error"] is None) == (score is not None)

    def test_text_has_a_line_per_file(self, daydreaming):
        lines = daydreaming(
            "parse-score", "--parser", "in_last_line", "good.txt", "none.txt"
        ).out.splitlines()
        assert lines[0].split() == ["good.txt", "7"]
        assert "unscored" in lines[1]


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["plan", "demo", "--json"], 0, '"generations": 4'),
        (["plan", "nope"], 2, "Error: there is no saved experiment 'nope'"),
        (["run", "demo"], 2, "Error: Airflow is not running"),
        (["nope"], 2, "Error: No such command 'nope'."),
    ],
)
def test_the_installed_command_ends_with_the_right_code(settings: Settings, arguments, code, text):
    result = subprocess.run(
        [str(PROGRAM), *arguments], capture_output=True, text=True, env=dict(os.environ), check=False
    )
    assert result.returncode == code
    assert text in (result.stderr if code else result.stdout)
    assert "Traceback" not in result.stderr
    assert (result.stdout == "") == bool(code)


def test_an_argument_that_is_no_utf_8_is_refused_in_one_line(settings: Settings):
    planned_run(settings)
    result = subprocess.run(
        [bytes(PROGRAM), b"show", b"\xff"], capture_output=True, text=True, env=dict(os.environ), check=False
    )
    assert result.returncode == 2
    assert result.stderr == "Error: An argument or a path is no UTF-8: '\\udcff'. Type it in UTF-8.\n"


def test_a_terminal_that_cannot_show_a_sign_is_told_what_to_set(settings: Settings):
    planned_run(settings)
    answer_call(settings, "run-1", "generation", 0, "<essay>Größe</essay>")
    [essay] = [path.stem for path in settings.data_root.glob("03_generation/generation_responses/*.txt")]
    env = {**os.environ, "PYTHONIOENCODING": "ascii"}
    result = subprocess.run(
        [str(PROGRAM), "show", essay], capture_output=True, text=True, env=env, check=False
    )
    assert result.returncode == 2
    assert result.stderr.startswith("Error: ascii cannot show ")
    assert result.stderr.endswith(". Set PYTHONIOENCODING=utf-8.\n")
