from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from daydreaming.cli.main import main
from daydreaming.settings import Settings
from tests.support.experiments import make_settings


@dataclass(frozen=True)
class Result:
    """How a command ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A small inputs tree and an empty data root, in the environment of the command."""
    settings = make_settings(tmp_path)
    monkeypatch.setenv("DAYDREAMING_INPUTS_ROOT", str(settings.inputs_root))
    monkeypatch.setenv("DAYDREAMING_DATA_ROOT", str(settings.data_root))
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / "airflow"))
    return settings


@pytest.fixture
def daydreaming(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """Run the command in this process, as its entry point does; a traceback fails the test."""

    def run(*arguments: str) -> Result:
        monkeypatch.setattr(sys, "argv", ["daydreaming", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return Result(int(ended.value.code or 0), captured.out, captured.err)

    return run
