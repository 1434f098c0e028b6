"""What people are told of runs and nights."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from daydreaming.errors import (
    BatchError,
    BudgetError,
    LLMPermanentError,
    MissingResponseError,
    StaleResponseError,
)
from daydreaming.pipeline.call import open_call, record_failure
from daydreaming.pipeline.notice import (
    EndedRun,
    Notice,
    budget_notice,
    is_quiet,
    night_notice,
    run_notice,
    unknown_notice,
)
from daydreaming.pipeline.plan import note_refusal, set_cap
from daydreaming.settings import Settings
from tests.support.experiments import NOW, answer_all, answer_call, planned_run

SOON = NOW + timedelta(seconds=10)
FAILED = EndedRun("run-1", "failed", failed_task="check_completeness", url="https://a/run-1")


def fail(settings: Settings, stage, index: int, error, *, final: bool = True) -> None:
    call = open_call(settings, "run-1", stage, index)
    record_failure(call, error, attempt=0, final=final, now=NOW)


def failed_notice(settings: Settings) -> Notice:
    return run_notice(settings, FAILED, SOON)


def test_success_is_told_with_counts_and_money(settings):
    planned_run(settings)
    answer_all(settings, "run-1")
    notice = run_notice(settings, EndedRun("run-1", "success"), SOON)
    assert notice.subject == "daydreaming: demo succeeded"
    assert notice.lines == (
        "Experiment demo, run run-1: succeeded.",
        "Generations: 4 of 4 answered, 0 failed, 0 waiting.",
        "Evaluations: 16 of 16 answered, 0 failed, 0 waiting.",
        "Spent by this run: 0.0000 US dollars.",
        "Read the essays with: daydreaming essays demo",
    )


def test_failure_is_told_with_the_first_errors_and_what_to_do(each_settings):
    settings = each_settings
    planned_run(settings)
    set_cap(settings, "demo", 2.5)
    for index in (0, 2):
        fail(settings, "generation", index, LLMPermanentError("HTTP 402:\nno \x1b[1mmoney"))
    for index in range(8):
        fail(settings, "evaluation", index, MissingResponseError("nothing to judge"))
    notice = failed_notice(settings)
    assert notice.subject == "daydreaming: demo failed"
    assert notice.lines == (
        "Experiment demo, run run-1: failed.",
        "Generations: 0 of 4 answered, 2 failed, 2 waiting.",
        "Evaluations: 0 of 16 answered, 8 failed, 8 waiting.",
        "Spent by this run: 0.0000 US dollars; max_cost_usd: 0.0000 of 2.5000 are gone.",
        "First errors:",
        "- 2 × generation by free: LLMPermanentError: HTTP 402: no [1mmoney",
        "Read why in the log of a failed instance, mend it, then clear the run with 'only failed'.",
        "The task that failed last: check_completeness.",
        "https://a/run-1",
    )


def test_many_kinds_of_errors_are_counted_and_long_ones_cut(settings):
    planned_run(settings)
    for index in range(4):
        fail(settings, "generation", index, LLMPermanentError(f"{index}{'x' * 400}"))
    errors = [line for line in failed_notice(settings).lines if line.startswith("- ")]
    assert len(errors) == 4
    assert errors[0].endswith("x…")
    assert len(errors[0]) < 400
    assert errors[3] == "- and 1 other kinds of failure: see failures.csv"


def test_what_has_an_answer_by_now_is_no_error_but_a_refused_answer_is(settings):
    planned_run(settings)
    fail(settings, "generation", 0, LLMPermanentError("no"))
    answer_call(settings, "run-1", "generation", 0)
    assert "First errors:" not in failed_notice(settings).lines
    fail(settings, "generation", 0, StaleResponseError("is stale"))
    assert "- 1 × generation by free: StaleResponseError: is stale" in failed_notice(settings).lines


def test_an_estimate_that_was_refused_is_the_reason_and_says_what_to_do(settings):
    planned_run(settings)
    note_refusal(settings, "run-1", "Refused by Ada. Clear estimate_cost to ask again.")
    lines = failed_notice(settings).lines
    assert "Refused by Ada. Clear estimate_cost to ask again." in lines
    assert not [line for line in lines if "only failed" in line]


def test_evaluations_that_cannot_be_made_are_told(settings):
    planned_run(settings)
    for index in range(4):
        answer_call(settings, "run-1", "generation", index, text="No tag.")
    assert any("not possible (no essay found)" in line for line in failed_notice(settings).lines)


@pytest.mark.parametrize(
    ("conf", "name"),
    [
        ({"experiment": "demo"}, "demo"),
        ({"experiment": "demo", "experiment_id": "x"}, "x"),
        (None, "unknown"),
    ],
)
def test_a_run_that_is_not_recorded_is_named_by_what_it_was_started_with(settings, conf, name):
    notice = run_notice(settings, EndedRun("run-1", "failed", "load_inputs", conf), SOON)
    assert notice.subject == f"daydreaming: {name} failed"
    assert "start a new run" in notice.text
    assert notice.lines[-1] == "The task that failed last: load_inputs."
    assert unknown_notice(EndedRun("run-1", "failed", conf=conf), OSError("gone")).subject == notice.subject


def test_a_budget_is_told_once_with_its_reasons(each_settings):
    settings = each_settings
    planned_run(settings)
    assert budget_notice(settings, FAILED, SOON) is None
    for index in range(3):
        fail(settings, "generation", index, BudgetError("max_cost_usd is 1. Raise it."))
    # A batch that was refused as a whole: its instances fail with another error afterwards.
    fail(settings, "generation", 3, BudgetError("The batch was not sent."), final=False)
    fail(settings, "generation", 3, BatchError("came to nothing"))
    notice = budget_notice(settings, FAILED, SOON)
    assert notice is not None
    assert notice.subject == "daydreaming: a budget stopped calls of demo"
    assert "4 calls were not sent" in notice.lines[0]
    assert notice.lines[2:4] == ("- max_cost_usd is 1. Raise it.", "- The batch was not sent.")
    answer_call(settings, "run-1", "generation", 3)
    again = budget_notice(settings, FAILED, SOON)
    assert again is not None
    assert "3 calls" in again.lines[0]


def test_who_is_told_nothing(settings):
    planned_run(settings, shard_size=2)
    assert not is_quiet(settings, EndedRun("run-1", "success"))
    assert is_quiet(settings, EndedRun("run-1~shard-2-of-2", "failed"))
    assert not is_quiet(settings, EndedRun("no-such-run", "failed"))
    planned_run(settings, "dry", now=NOW + timedelta(hours=1), dry_run=True)
    assert is_quiet(settings, EndedRun("dry", "success"))
    assert not is_quiet(settings, EndedRun("dry", "failed"))


class TestNight:
    """A night at its deadline."""

    DUE = datetime(2026, 3, 1, 12, tzinfo=UTC)
    RUN = "nightly__demo_2026-03-01"

    def _notice(self, settings: Settings) -> Notice:
        return night_notice(settings, self.DUE, self.DUE + timedelta(hours=6), "https://a/night")

    def test_what_has_not_begun_is_late(self, settings):
        notice = self._notice(settings)
        assert notice.subject == "daydreaming: night of 2026-03-01: 1 of 1 experiments are not over"
        assert notice.lines == (
            "The nightly run that was due at 2026-03-01 12:00 UTC is not over after 6 h.",
            "- demo_2026-03-01: has not begun, or failed at once",
            "Follow one with: daydreaming watch demo_2026-03-01",
            "https://a/night",
        )

    def test_what_goes_on_is_told_with_its_counts(self, settings):
        planned_run(settings, self.RUN, experiment_id="demo_2026-03-01")
        answer_call(settings, self.RUN, "generation", 0)
        assert (
            "- demo_2026-03-01: 1 of 20 calls answered, 0 failed, 19 waiting" in self._notice(settings).lines
        )

    def test_where_all_calls_have_ended_the_runs_are_to_blame(self, settings):
        planned_run(settings, self.RUN, experiment_id="demo_2026-03-01")
        answer_all(settings, self.RUN)
        notice = self._notice(settings)
        assert notice.subject == "daydreaming: night of 2026-03-01: it is not over"
        assert "All calls of 1 experiments have ended, but the runs have not" in notice.text

    def test_a_broken_file_is_named(self, settings):
        (settings.inputs_root / "experiments/broken.yaml").write_text("schedule: [")
        assert "experiments/broken.yaml" in self._notice(settings).text
