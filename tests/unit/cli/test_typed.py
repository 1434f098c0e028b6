from __future__ import annotations

import sys

import pytest

from daydreaming.cli.typed import as_typed, typed_command


@pytest.fixture
def program(tmp_path, monkeypatch):
    """A program of the command's name, which the shell does not find."""
    path = tmp_path / "bin" / "daydreaming"
    path.parent.mkdir()
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    monkeypatch.setattr(sys, "argv", [str(path)])
    monkeypatch.setenv("PATH", "/nowhere")
    return path


def test_a_path_that_was_typed_is_typed_again(program):
    assert as_typed("Start it with `daydreaming up`.") == f"Start it with `{program} up`."


def test_what_the_shell_finds_by_name_is_called_by_name(program, monkeypatch):
    monkeypatch.setenv("PATH", str(program.parent))
    assert typed_command() == "daydreaming"


@pytest.mark.parametrize("called", ["daydreaming", "-c", "/x/main.py"])
def test_what_was_called_in_another_way_is_named(monkeypatch, called):
    monkeypatch.setattr(sys, "argv", [called])
    monkeypatch.setenv("PATH", "/nowhere")
    assert typed_command() == "daydreaming"
