"""What the page on imports says one can go on with."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from daydreaming.settings import Settings
from tests.support.documents import ROOT, blocks, commands
from tests.support.legacy_folder import make_legacy_folder
from tests.support.shell import type_in_shell

DOCUMENTED = tuple(block for block in blocks(ROOT / "docs/import.md") if block.language == "sh")
IMPORTED, COPIED, PLANNED = DOCUMENTED


def test_the_frozen_inputs_of_an_import_become_inputs(
    place: Settings, daydreaming, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAYDREAMING_DATA_ROOT", str(Path("data").absolute()))
    make_legacy_folder(Path("../old/data"))
    for command in commands(IMPORTED):
        assert daydreaming(*command.arguments)[0] == 0
    type_in_shell(COPIED.text, Path.cwd())
    _fill_in_models(Path("inputs/01_raw/llm_models.csv"))
    monkeypatch.setenv("DAYDREAMING_INPUTS_ROOT", str(Path("inputs").absolute()))
    [plan] = commands(PLANNED)
    code, out, err = daydreaming(*plan.arguments)
    assert (code, err) == (0, "")
    assert "2 generations, 1 answered already" in out


def _fill_in_models(path: Path) -> None:
    with path.open(newline="") as table:
        rows = list(csv.DictReader(table))
    with path.open("w", newline="") as table:
        written = csv.DictWriter(table, rows[0], lineterminator="\n")
        written.writeheader()
        written.writerows({**row, "conn_id": "openrouter_default", "pool": "llm_free"} for row in rows)
