from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import pytest

from daydreaming.analysis import tables
from daydreaming.cli.main import main
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from tests.support.documents import ROOT
from tests.support.finished import finished_run

#: Of the tables; the others are of no matter here, and take their time.
_FEW_TABLES = (
    "final_results",
    "evaluator_agreement_analysis",
    "judge_reliability",
    "g_study",
    "d_study",
    "judge_audit",
)


@contextmanager
def _few_tables() -> Iterator[None]:
    with patch.object(tables, "ANALYSES", {name: tables.ANALYSES[name] for name in _FEW_TABLES}):
        yield


@pytest.fixture(autouse=True, scope="module")
def _only_few_tables() -> Iterator[None]:
    # Not for the session: other folders' tests follow in the same process.
    with _few_tables():
        yield


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The inputs that we ship, and the experiment ``demo`` of them, with every answer and table."""
    folder = tmp_path_factory.mktemp("finished")
    for name in ("01_raw", "experiments"):
        shutil.copytree(ROOT / "data" / name, folder / "inputs" / name)
    settings = Settings(folder / "inputs", folder / "data")
    with _few_tables():
        finished_run(settings)
    engine_for(settings).dispose()
    return settings


@pytest.fixture
def place(finished: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A copy of that for one test, as the environment names it; the test is in a folder beside it."""
    settings = Settings(tmp_path / "inputs", tmp_path / "data")
    shutil.copytree(finished.inputs_root, settings.inputs_root)
    shutil.copytree(finished.data_root, settings.data_root)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("DAYDREAMING_INPUTS_ROOT", str(settings.inputs_root))
    monkeypatch.setenv("DAYDREAMING_DATA_ROOT", str(settings.data_root))
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / "airflow"))
    return settings


@pytest.fixture
def daydreaming(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Run the command in this process; its exit code, and what it printed."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["daydreaming", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return run
