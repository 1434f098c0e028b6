"""What `daydreaming backup` and `daydreaming restore` print, and that a mistake is one line."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from daydreaming.cli.backup import run_backup, run_restore
from tests.support.backups import every_file, every_row
from tests.support.experiments import answer_all, planned_run


@pytest.fixture
def answered(settings):
    planned_run(settings)
    answer_all(settings, "run-1")
    return settings


@pytest.fixture
def made(answered, daydreaming, tmp_path):
    path = tmp_path / "backup.tar.gz"
    return path, daydreaming("backup", str(path))


def test_a_backup_says_where_it_is_and_what_is_in_it(made):
    path, result = made
    assert (result.code, result.err) == (0, "tables of the results database (17)\nfiles (86)\n")
    lines = result.out.splitlines()
    assert lines[0] == f"The backup is {path} ({path.stat().st_size:,} bytes)."
    assert lines[1].startswith("Made 20")
    assert "schema 0006." in lines[1]
    assert lines[2].endswith("answers: 4 of generations, 16 of evaluations. Rows:")
    assert "  evaluations                16" in lines


def test_as_json_it_is_one_object(answered, daydreaming, tmp_path):
    result = daydreaming("backup", str(tmp_path / "b.tar.gz"), "--json")
    printed = json.loads(result.out)
    assert printed["file"] == str(tmp_path / "b.tar.gz")
    assert printed["responses"] == {"generation": 4, "evaluation": 16}
    assert (printed["rows"]["generations"], printed["answers_without_row"]) == (4, 0)


def test_answers_without_a_row_are_told(answered, daydreaming, tmp_path):
    folder = answered.data_root / "03_generation/generation_responses"
    (folder / "of-nobody.txt").write_text("x")
    result = daydreaming("backup", str(tmp_path / "b.tar.gz"))
    assert "1 answers have no row: they came while the backup was made, or nobody planned them." in result.out


def test_a_restore_brings_back_what_the_backup_holds(made, answered, daydreaming, monkeypatch, tmp_path):
    files, rows = every_file(answered.data_root), every_row(answered)
    path, _ = made
    monkeypatch.setenv("DAYDREAMING_DATA_ROOT", str(tmp_path / "empty"))
    result = daydreaming("restore", str(path), "--json")
    assert result.code == 0
    assert json.loads(result.out)["restored"] is True
    assert every_file(tmp_path / "empty") == files
    monkeypatch.setenv("DAYDREAMING_DATA_ROOT", str(answered.data_root))
    assert every_row(answered) == rows


def test_a_check_restores_nothing(made, daydreaming, monkeypatch, tmp_path):
    path, _ = made
    monkeypatch.setenv("DAYDREAMING_DATA_ROOT", str(tmp_path / "empty"))
    result = daydreaming("restore", "--check", str(path))
    assert result.code == 0
    assert result.out.startswith(f"{path} is whole.\nMade 20")
    assert not (tmp_path / "empty").exists()


@pytest.mark.parametrize(
    ("words", "say"),
    [
        (("backup", "{made}"), "is there already"),
        (("restore", "{made}"), "is not empty: it holds "),
        (("restore", "none.tar.gz"), "No such file or directory"),
        (("restore", "--check", "{notes}"), "damaged, cut off, or not made by `daydreaming backup`"),
    ],
)
def test_a_mistake_is_one_line(made, daydreaming, tmp_path, words, say):
    (tmp_path / "notes").write_text("notes")
    result = daydreaming(*(word.format(made=made[0], notes=tmp_path / "notes") for word in words))
    assert result.code == 2
    assert result.out == ""
    assert result.err.startswith("Error: ")
    assert result.err.count("\n") == 1
    assert say in result.err


def test_on_a_terminal_there_are_bars(answered, tmp_path):
    shown, out = io.StringIO(), io.StringIO()
    console = Console(file=shown, force_terminal=True, width=120)
    run_backup(answered, tmp_path / "b.tar.gz", False, console, out)
    run_restore(answered, tmp_path / "b.tar.gz", True, False, console, out)
    for step in ("tables of the results database", "files", "reading and comparing", "17/17"):
        assert step in shown.getvalue()
