"""Why a run failed, and what to do: from its record and its calls' failures, for who follows it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from daydreaming.pipeline.failures_list import missing_of
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.open_cells import Scope, count_open, moment_of
from daydreaming.store.plans import runs_of_plan
from daydreaming.store.progress_queries import watched_runs

_EARLY_ADVICE: Final = (
    "Nothing is sent. Mend that, then start a new run, or clear the failed tasks of this one."
)


@dataclass(frozen=True)
class FailureReason:
    """One reason for which calls have no answer.

    Attributes:
        message: What went wrong; of many calls, the message of one.
        advice: What to do.
        error_class: Of the calls' failures; None where the run sent nothing.
        stage: Of the calls; None likewise.
        calls: How many; 0 likewise.
    """

    message: str
    advice: str
    error_class: str | None = None
    stage: str | None = None
    calls: int = 0

    def lines(self) -> list[str]:
        """The reason as a person reads it."""
        if self.error_class is None:
            return [*self.message.splitlines(), self.advice]
        calls = "call" if self.calls == 1 else "calls"
        return [
            f"{self.calls:,} {self.stage} {calls} failed: {self.error_class}: {self.message}",
            self.advice,
        ]


def reasons_of_run(settings: Settings, run_id: str, now: datetime) -> list[FailureReason]:
    """Why a run, with the shards that it planned, failed; empty where nothing is recorded.

    A run that was refused, or that failed before its first call, has that reason alone.
    """
    engine = engine_for(settings)
    refusals = dict.fromkeys(run.refusal for run in watched_runs(engine, run_id=run_id) if run.refusal)
    if refusals:
        return [FailureReason(refusal, _EARLY_ADVICE) for refusal in refusals]
    runs = runs_of_plan(engine, run_id)
    if not runs:
        return []
    return _failures(settings, Scope(runs[0].experiment_id, [run.run_id for run in runs]), now)


def failures_of_experiment(settings: Settings, experiment_id: str, now: datetime) -> list[FailureReason]:
    """Why calls of an experiment were given up, over all its runs; the most frequent first."""
    return _failures(settings, Scope(experiment_id), now)


def _failures(settings: Settings, scope: Scope, now: datetime) -> list[FailureReason]:
    kinds = missing_of(count_open(engine_for(settings), scope, moment_of(settings, now)), [], 0).errors
    return [
        FailureReason(
            kind.message,
            kind.advice.replace("cost ID", f"cost {scope.experiment_id}"),
            kind.error_class,
            kind.stage,
            kind.cells,
        )
        for kind in kinds
    ]
