"""What a shell offers, and what `--help` and `--version` say."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from daydreaming import __version__
from daydreaming.cli.completion import answered_ids, experiment_ids, saved_experiments
from daydreaming.cli.main import app
from daydreaming.settings import Settings
from tests.support.experiments import answer_call, planned_run

PROGRAM = Path(sys.executable).with_name("daydreaming")
COMMANDS = [command.name or str(command.callback.__name__) for command in app.registered_commands]


def complete(*words: str) -> list[str]:
    """What bash offers after some words, the last of which is not finished."""
    env = {
        **os.environ,
        "_DAYDREAMING_COMPLETE": "complete_bash",
        "COMP_WORDS": " ".join(["daydreaming", *words]),
        "COMP_CWORD": str(len(words)),
    }
    result = subprocess.run([str(PROGRAM)], capture_output=True, text=True, env=env, check=False)
    assert result.stderr == ""
    return result.stdout.splitlines()


def test_names_of_saved_experiments(settings: Settings):
    (settings.inputs_root / "experiments/dreams.yaml").write_text("k_max: 1")
    (settings.inputs_root / "experiments/notes.txt").write_text("")
    assert saved_experiments("de") == ["demo"]
    assert saved_experiments("dr") == ["dreams"]


def test_ids_of_experiments(settings: Settings):
    assert experiment_ids("") == []
    planned_run(settings)
    planned_run(settings, "run-2", experiment_id="other")
    assert experiment_ids("") == ["demo", "other"]
    assert experiment_ids("o") == ["other"]


def test_ids_of_essays_and_then_of_their_verdicts(settings: Settings):
    planned_run(settings)
    generations = [answer_call(settings, "run-1", "generation", i).cell.cell_id for i in range(2)]
    verdict = answer_call(settings, "run-1", "evaluation", 0).cell.cell_id
    assert answered_ids("") == sorted(generations)
    assert answered_ids("combo_v1_") == sorted(generations)
    assert answered_ids(generations[0]) == [generations[0], verdict]
    assert answered_ids(f"{generations[0]}_r") == [verdict]
    assert answered_ids("nothing") == []


def test_a_broken_environment_offers_nothing(monkeypatch):
    monkeypatch.setenv("DAYDREAMING_DISPATCH", "celery")
    assert (saved_experiments(""), experiment_ids(""), answered_ids("")) == ([], [], [])


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("es",), ["essays"]),
        (("run", "d"), ["demo"]),
        (("plan", "dem"), ["demo"]),
        (("status", ""), ["other_id"]),
        (("watch", "oth"), ["other_id"]),
        (("essays", ""), ["other_id"]),
        (("cost", "o"), ["other_id"]),
        (("rescore", "o"), ["other_id"]),
        (("rejudge", "o"), ["other_id"]),
        (("verify", "other_id", "o"), ["other_id"]),
    ],
)
def test_a_shell_is_offered_what_an_argument_may_be(settings: Settings, words, offered):
    (settings.data_root / "02_tasks/other_id").mkdir(parents=True)
    assert complete(*words) == offered


def test_offering_loads_neither_a_database_nor_tables(settings: Settings):
    code = (
        "import sys\n"
        "for name in ('pandas', 'numpy', 'sqlalchemy', 'airflow', 'httpx', 'yaml', 'pydantic'):\n"
        "    sys.modules[name] = None\n"
        "import daydreaming.cli.main, daydreaming.cli.completion as c\n"
        "print(c.saved_experiments('dem'), c.experiment_ids(''), c.answered_ids(''))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (result.stdout, result.stderr) == ("['demo'] [] []\n", "")


def test_the_script_for_a_shell_can_be_had(settings: Settings):
    env = {**os.environ, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    result = subprocess.run(
        [str(PROGRAM), "--show-completion", "bash"], capture_output=True, text=True, env=env, check=False
    )
    assert result.returncode == 0
    assert "_DAYDREAMING_COMPLETE=complete_bash" in result.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_each_command_has_an_example_that_is_whole(settings, daydreaming, command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    result = daydreaming(command, "--help")
    assert (result.code, result.err) == (0, "")
    assert f"Example: daydreaming {command}" in result.out


@pytest.mark.parametrize("command", COMMANDS)
def test_each_example_is_understood(settings, monkeypatch, command):
    """Up to the point where the command would do something."""
    group = typer.main.get_command(app)
    found = group.commands[command]
    lines = str(found.help).split("Example: daydreaming ", 1)[1].splitlines()
    name, *words = shlex.split(lines[0])
    assert name == command
    assert found.make_context(command, words) is not None


def test_the_version(daydreaming):
    assert daydreaming("--version").out == f"daydreaming {__version__}\n"


def test_without_a_command_it_says_what_is_missing(daydreaming):
    result = daydreaming()
    assert (result.code, result.out) == (2, "")
    assert result.err == "Error: Missing command. See `daydreaming --help`.\n"
