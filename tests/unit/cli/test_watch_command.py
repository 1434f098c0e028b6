"""`daydreaming watch`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from daydreaming.cli import watch
from daydreaming.errors import LLMPermanentError
from daydreaming.pipeline.call import open_call, record_failure
from daydreaming.pipeline.plan import note_refusal, start_run
from daydreaming.settings import Settings
from tests.support.experiments import NOW, answer_all, planned_run

PROGRAM = Path(sys.executable).with_name("daydreaming")


@pytest.fixture
def each_look(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], None]:
    """Do something between two looks at the database, instead of waiting; the second time, give up."""

    def between(*steps: Callable[[], None]) -> None:
        left = list(steps)

        def sleep(_seconds: float) -> None:
            assert left, "it looks again where it should have ended"
            left.pop(0)()

        monkeypatch.setattr(watch.time, "sleep", sleep)

    return between


def fail_all(settings: Settings) -> None:
    for stage, count in (("generation", 4), ("evaluation", 16)):
        for index in range(count):
            call = open_call(settings, "run-1", stage, index)
            record_failure(call, LLMPermanentError("no \x1b[2J"), attempt=1, final=True, now=NOW)


def test_it_ends_when_all_is_answered(settings, daydreaming, each_look):
    planned_run(settings)
    each_look(lambda: None, lambda: answer_all(settings, "run-1"))
    result = daydreaming("watch", "demo")
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert lines[0] == "Experiment demo"
    assert lines[1].startswith("generation free 0/2, 0 failed")
    assert lines[5].startswith("generation free 2/2, 0 failed")
    assert lines[-2:] == [
        "20 of 20 calls are answered; 0.0000 US dollars spent.",
        "Read the essays with: daydreaming essays demo",
    ]
    assert len(lines) == 1 + 4 + 4 + 2


def test_failed_calls_are_exit_code_1_and_say_what_to_do(settings, daydreaming, each_look):
    planned_run(settings)
    each_look(lambda: fail_all(settings))
    result = daydreaming("watch", "demo")
    assert (result.code, result.err) == (1, "")
    assert "20 calls failed. Read why" in result.out
    assert "'only failed'" in result.out
    assert r"4 generation calls failed: LLMPermanentError: no \x1b[2J" in result.out
    assert "\x1b" not in result.out


def test_json_is_a_line_per_change_and_the_result(settings, daydreaming, each_look):
    planned_run(settings)
    each_look(lambda: None, lambda: answer_all(settings, "run-1"))
    result = daydreaming("watch", "--json")
    first, second, end = map(json.loads, result.out.splitlines())
    assert [(one["event"], one["waiting"]) for one in (first, second, end)] == [
        ("progress", 20), ("progress", 0), ("result", 0),
    ]  # fmt: skip
    assert (end["succeeded"], end["experiment_id"], end["answered"]) == (True, "demo", 20)


def test_without_an_id_it_is_the_newest_that_is_not_complete(settings, daydreaming, each_look):
    for hours, name in enumerate(("old", "demo", "done")):
        planned_run(settings, f"run-{name}", experiment_id=name, now=NOW + timedelta(hours=hours),
                    k_max=2 if name == "demo" else 1)  # fmt: skip
    answer_all(settings, "run-done")
    # `old` has the cells of `done`, and so its answers.
    each_look(lambda: answer_all(settings, "run-demo"))
    assert daydreaming("watch").out.startswith("Experiment demo\n")
    assert daydreaming("watch").out == "Nothing is waiting in any of 3 experiments.\n"
    assert json.loads(daydreaming("watch", "--json").out) == {
        "event": "result", "succeeded": True, "experiment_id": None,
    }  # fmt: skip


def test_nothing_run_yet(settings, daydreaming):
    result = daydreaming("watch")
    assert (result.code, result.out.startswith("No experiment has been run yet. ")) == (0, True)
    assert f"{settings.data_root} is not there yet (DAYDREAMING_DATA_ROOT)" in result.out
    assert not settings.data_root.exists()


def test_an_unknown_id_names_the_nearest(settings, daydreaming):
    planned_run(settings)
    result = daydreaming("watch", "demmo")
    assert (result.code, result.out) == (2, "")
    assert result.err == (
        "Error: Unknown experiment ID 'demmo'. Did you mean demo? Experiments that were run: demo.\n"
    )


def test_what_may_not_be_sent_is_not_waited_for(settings, daydreaming):
    planned_run(settings, dry_run=True)
    dry = daydreaming("watch", "demo")
    assert (dry.code, dry.out.splitlines()[-1]) == (0, "Dry run: nothing is sent.")
    planned_run(settings, "run-2", now=NOW + timedelta(hours=1))
    note_refusal(settings, "run-2", "Refused by Ada.")
    refused = daydreaming("watch", "demo")
    assert refused.code == 1
    assert "Refused by Ada." in refused.out


@pytest.mark.parametrize("as_json", [False, True])
def test_an_experiment_that_stands_still_gets_one_remark(
    settings, daydreaming, each_look, monkeypatch, as_json
):
    planned_run(settings)
    times = iter(datetime.now(UTC) + timedelta(minutes=2 * look) for look in range(12))

    class Clock(datetime):
        @classmethod
        def now(cls, tz=None):
            return next(times)

    monkeypatch.setattr(watch, "datetime", Clock)
    each_look(*[lambda: None] * 7, lambda: answer_all(settings, "run-1"))
    out = daydreaming("watch", "demo", *(["--json"] if as_json else [])).out
    remarks = [line for line in out.splitlines() if "still" in line or "Nothing has changed" in line]
    assert len(remarks) == 1
    assert ("Airflow may be down" in remarks[0]) != as_json


def test_ctrl_c_leaves_without_a_traceback(settings):
    planned_run(settings)
    process = subprocess.Popen(
        [str(PROGRAM), "watch", "demo"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=dict(os.environ),
        # Where the tests are a shell's background job, they and all below them would ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"Experiment demo\n"
    assert process.stdout.readline().startswith(b"generation free 0/2")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, b"Traceback" in errors) == (130, False)


def test_a_reader_that_has_seen_enough_is_no_error(settings):
    planned_run(settings)
    process = subprocess.Popen(
        [str(PROGRAM), "watch", "demo"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(os.environ)
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"Experiment demo\n"
    process.stdout.close()
    answer_all(settings, "run-1")
    deadline = time.monotonic() + 60
    while process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.stderr.close()


def test_a_run_that_failed_before_its_first_call_ends_the_watch_with_its_reason(
    settings, daydreaming, each_look
):
    start_run(settings, {"experiment": "demo"}, "run-1", NOW)
    note_refusal(settings, "run-1", "The key is missing.")
    each_look()
    result = daydreaming("watch", "demo")
    assert (result.code, result.out.splitlines()) == (1, ["Experiment demo", "The key is missing."])
    assert daydreaming("watch").out == "Nothing is waiting in the one experiment.\n"


def test_what_an_earlier_run_met_is_over(settings, daydreaming, each_look):
    start_run(settings, {"experiment": "demo"}, "run-1", NOW)
    note_refusal(settings, "run-1", "The key is missing.")
    planned_run(settings, "run-2", now=NOW + timedelta(seconds=1))
    answer_all(settings, "run-2")
    each_look()
    result = daydreaming("watch", "demo")
    assert (result.code, "The key is missing." in result.out) == (0, False)
