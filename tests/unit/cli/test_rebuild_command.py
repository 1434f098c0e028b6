"""What `daydreaming rebuild` prints, and when it refuses."""

from __future__ import annotations

import io
import json
import sys
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console
from sqlalchemy import insert

from daydreaming.cli import main as cli
from daydreaming.cli.rebuild import rebuilt_text, run_rebuild
from daydreaming.pipeline.rebuild import Rebuilt
from daydreaming.store.database import engine_for
from daydreaming.store.schema import Claim
from tests.support.experiments import answer_all, make_settings, planned_run


@pytest.fixture
def settings(tmp_path, monkeypatch):
    made = make_settings(tmp_path)
    monkeypatch.setenv("DAYDREAMING_INPUTS_ROOT", str(made.inputs_root))
    monkeypatch.setenv("DAYDREAMING_DATA_ROOT", str(made.data_root))
    planned_run(made)
    answer_all(made, "run-1")
    return made


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["daydreaming", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return ended.value.code


def test_it_prints_rows_by_table_and_a_line_per_step_beside_them(settings, monkeypatch, capsys):
    assert run(monkeypatch, "rebuild") == 0
    said = capsys.readouterr()
    assert said.out.startswith("The results database was rebuilt from the files. Rows:\n")
    assert "  evaluations                16\n" in said.out
    assert "20 answers are in no calls.csv" in said.out
    assert "responses of demo (20)\n" in said.err


def test_as_json_it_is_one_object(settings, monkeypatch, capsys):
    assert run(monkeypatch, "rebuild", "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["rows"]["generations"] == 4
    assert len(printed["notes"]) == 1


def test_on_a_terminal_there_are_bars(settings):
    shown, out = io.StringIO(), io.StringIO()
    console = Console(file=shown, force_terminal=True, width=120)
    run_rebuild(settings, False, console, out)
    assert "responses of demo" in shown.getvalue()
    assert "20/20" in shown.getvalue()


def test_while_calls_are_made_it_is_refused_in_one_line(settings, monkeypatch, capsys):
    claim = {"stage": "generation", "cell_id": "c", "owner": "o"}
    with engine_for(settings).begin() as connection:
        connection.execute(insert(Claim), {**claim, "expires_at": datetime.now(UTC) + timedelta(minutes=1)})
    assert run(monkeypatch, "rebuild") == 2
    said = capsys.readouterr()
    assert said.err.startswith("Error: Calls are being made now (1).")
    assert said.err.count("\n") == 1


def test_a_file_that_cannot_be_read_is_one_line(settings, monkeypatch, capsys):
    path = settings.data_root / "02_tasks/demo/runs/run-1.json"
    path.write_text("{")
    assert run(monkeypatch, "rebuild") == 2
    [line] = [line for line in capsys.readouterr().err.splitlines() if line.startswith("Error")]
    assert f"{path}: cannot be read" in line


def test_nothing_rebuilt_is_still_a_text():
    assert rebuilt_text(Rebuilt({}, ("A note.",))).endswith("Rows:\nA note.")
