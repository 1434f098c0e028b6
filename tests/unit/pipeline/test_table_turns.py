"""Two that write an experiment's tables at once: the last to write is the last to have read."""

from __future__ import annotations

import csv
import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType

import pytest

from daydreaming.analysis import tables as analyses
from daydreaming.pipeline import run_tables, tables
from daydreaming.pipeline.rescore import rescore
from daydreaming.pipeline.run_tables import complete_run, update_errors, update_scores, update_summaries
from daydreaming.pipeline.table_turns import table_turn
from daydreaming.pipeline.tables import write_all_tables
from daydreaming.settings import Settings
from tests.support.experiments import NOW, answer_all, answer_call, planned_run

#: Only a turn that is not waited for with filelock, or never ends, takes so long.
PATIENCE_S = 20.0


@pytest.fixture
def partly(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A run whose essays are there, and one verdict; of the tables only the quickest."""
    monkeypatch.setattr(analyses, "ANALYSES", {"final_results": analyses.ANALYSES["final_results"]})
    planned_run(settings)
    for index in range(4):
        answer_call(settings, "run-1", "generation", index)
    answer_call(settings, "run-1", "evaluation", 0)
    return settings


class Waiting(logging.Handler):
    """Hears of a thread that has to wait for a lock."""

    def __init__(self) -> None:
        super().__init__()
        self.heard = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        if "not acquired" in record.msg:
            self.heard.set()


@pytest.fixture
def waiting() -> Iterator[threading.Event]:
    """Set when a thread waits for a lock."""
    handler, log = Waiting(), logging.getLogger("filelock")
    level = log.level
    log.setLevel(logging.DEBUG)
    log.addHandler(handler)
    yield handler.heard
    log.removeHandler(handler)
    log.setLevel(level)


@contextmanager
def slow_after(
    monkeypatch: pytest.MonkeyPatch,
    waiting: threading.Event,
    module: ModuleType,
    name: str,
    overtake: Callable[[], object],
) -> Iterator[None]:
    """Whoever calls a reader first goes on only when another has overtaken it, or waits for its turn."""
    read = getattr(module, name)
    others: list[threading.Thread] = []

    def run() -> None:
        overtake()
        waiting.set()

    def slowly(*args):
        result = read(*args)
        if not others:
            waiting.clear()
            others.append(threading.Thread(target=run))
            others[0].start()
            assert waiting.wait(PATIENCE_S)
        return result

    monkeypatch.setattr(module, name, slowly)
    yield
    others[0].join(PATIENCE_S)
    assert not others[0].is_alive()


def scores(settings: Settings) -> list[str]:
    with tables.scores_file(settings, "demo").open(encoding="utf-8", newline="") as file:
        return [row["score"] for row in csv.DictReader(file)]


def scored_in_summary(settings: Settings) -> int:
    path = settings.data_root / "06_summary/demo/final_results.csv"
    with path.open(encoding="utf-8", newline="") as file:
        return sum(int(row["count"]) for row in csv.DictReader(file) if row["analysis"] == "overall")


def test_the_tables_of_the_one_that_read_later_stay(partly, monkeypatch, waiting):
    def overtake():
        answer_all(partly, "run-1")
        complete_run(partly, "run-1")

    with slow_after(monkeypatch, waiting, tables, "refresh_rows", overtake):
        write_all_tables(partly, "demo")
    assert scores(partly).count("") == 0
    assert scored_in_summary(partly) == 16


def test_scores_that_a_rescore_has_read_anew_are_not_replaced_by_those_of_before(
    partly, monkeypatch, waiting
):
    answer_all(partly, "run-1")

    def overtake():
        rescore(partly, "demo", ["rigor"], "strict", "0-6", now=NOW)

    with slow_after(monkeypatch, waiting, tables, "refresh_rows", overtake):
        update_scores(partly, "run-1")
    # A 7 is not on the scale from 0 to 6.
    assert sorted(scores(partly)) == [""] * 8 + ["7"] * 8
    table = tables.scores_file(partly, "demo").read_bytes()
    update_scores(partly, "run-1")
    assert tables.scores_file(partly, "demo").read_bytes() == table


def test_summaries_are_not_made_of_scores_that_were_replaced_meanwhile(partly, monkeypatch, waiting):
    update_scores(partly, "run-1")

    def overtake():
        answer_all(partly, "run-1")
        write_all_tables(partly, "demo")

    with slow_after(monkeypatch, waiting, run_tables, "read_scores", overtake):
        update_summaries(partly, "run-1")
    assert scored_in_summary(partly) == 16


def test_errors_are_written_by_one_at_a_time_too(partly, monkeypatch, waiting):
    order = []
    known = tables.write_calls

    def note(*args):
        order.append("wrote")
        return known(*args)

    def overtake():
        update_errors(partly, "run-1")
        order.append("overtook")

    monkeypatch.setattr(tables, "write_calls", note)
    with slow_after(monkeypatch, waiting, tables, "errors_text", overtake):
        update_errors(partly, "run-1")
    assert order == ["wrote", "wrote", "overtook"]


def test_another_process_waits_and_another_experiment_does_not(settings):
    code = (
        "import sys; from pathlib import Path; from filelock import FileLock, Timeout\n"
        "for name in sys.argv[1:]:\n"
        "    try:\n"
        "        with FileLock(name, timeout=0): print('free')\n"
        "    except Timeout: print('held')\n"
    )
    paths = [str(settings.data_root / "02_tasks" / name / ".tables.lock") for name in ("demo", "other")]
    with table_turn(settings, "other"):
        pass
    with table_turn(settings, "demo"):
        # Twice in one thread: whoever writes all tables writes each.
        with table_turn(settings, "demo"):
            pass
        asked = subprocess.run(
            [sys.executable, "-c", code, *paths], capture_output=True, text=True, check=True
        )
    assert asked.stdout.split() == ["held", "free"]
    with table_turn(settings, "demo"):
        pass
