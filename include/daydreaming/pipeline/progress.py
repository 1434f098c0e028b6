"""How far an experiment or a run is, by stage and model: from the results database, while it goes on.

Unlike ``status``, which looks at the files, this asks the database alone, and cheaply: it is asked every
second or two, also while Airflow is down.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from daydreaming.errors import LLMTransientError, StaleResponseError
from daydreaming.inputs.records import Stage
from daydreaming.llm.limits import MINUTE_S
from daydreaming.pipeline.calls_left import Unanswered, calls_left
from daydreaming.pipeline.time_left import time_left
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.progress_queries import (
    CellKey,
    Landed,
    LastFailure,
    ModelKey,
    Money,
    WatchedCell,
    WatchedRun,
    answered_at,
    answered_cells,
    cells_in_flight,
    essayless_generations,
    landed_since,
    last_failures,
    last_landed_at,
    money_by_model,
    watched_cells,
    watched_runs,
)

#: What "lately" means for the rate.
RATE_WINDOW = timedelta(minutes=5)
#: A run that has no plan yet is waited for; one that has none after this long gets none.
PLANNING_TIME = timedelta(minutes=15)
#: Airflow's retry of a call may begin this much later than its delay says.
_RETRY_GRACE = timedelta(minutes=5)
_STAGES: tuple[Stage, ...] = ("generation", "evaluation")


@dataclass(frozen=True)
class ModelProgress:
    """Calls of one stage and model.

    Attributes:
        failed: Without an answer, and given up.
        blocked: Evaluations that cannot be made: no essay was found in their generation's answer.
        held: That no run may send: they were planned in a dry run, or their estimate was refused.
        running: Sent and not answered yet; they are part of ``waiting``.
        per_minute: Answers per minute lately; None where none came.
        eta_s: Seconds until all are answered; None where nothing tells.
    """

    stage: Stage
    model: str
    planned: int
    answered: int
    failed: int
    blocked: int
    held: int
    running: int
    per_minute: float | None
    money: Money
    eta_s: float | None = None

    @property
    def waiting(self) -> int:
        """Still to be answered: not tried yet, being tried, or tried again later."""
        return self.planned - self.answered - self.failed - self.blocked - self.held


@dataclass(frozen=True)
class Progress:
    """An experiment or a run at one moment.

    Attributes:
        experiment_id: None where the run is not known to the database yet.
        models: Generators, then judges, by ID.
        is_planning: Whether a run has begun and its plan is not written yet.
        refusals: Why runs may send nothing.
        is_dry: Whether every run is a dry one.
        eta_s: Seconds until all is answered; None where nothing tells.
        last_at: When the latest answer came; None before the first.
    """

    experiment_id: str | None
    models: tuple[ModelProgress, ...] = ()
    is_planning: bool = False
    refusals: tuple[str, ...] = ()
    is_dry: bool = False
    eta_s: float | None = None
    last_at: datetime | None = None

    def total(self, name: str) -> int:
        """A count (``answered``, ``waiting``, …) over all stages and models."""
        return sum(int(getattr(model, name)) for model in self.models)

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to wait for."""
        return not self.is_planning and self.total("waiting") == 0

    @property
    def money(self) -> Money:
        """What all attempts cost."""
        every = [model.money for model in self.models]
        return Money(
            sum(one.spent_nanousd for one in every),
            sum(one.reserved_nanousd for one in every),
            sum(one.unpriced for one in every),
        )


@dataclass
class ProgressReader:
    """Counts the same plan again and again; what never changes is read once.

    Args:
        settings: The deployment's settings.
        experiment_id: What is watched: an experiment, with all its runs.
        run_id: Or one run, with the shards that it planned.
    """

    settings: Settings
    experiment_id: str | None = None
    run_id: str | None = None
    _plans: dict[str, list[WatchedCell]] = field(default_factory=dict, init=False)

    def read(self, now: datetime) -> Progress:
        """Count at ``now``."""
        engine = engine_for(self.settings)
        runs = watched_runs(engine, experiment_id=self.experiment_id, run_id=self.run_id)
        if not runs:
            return Progress(self.experiment_id)
        experiment_id = runs[0].record.experiment_id
        plan = _Plan.of(runs, {run.record.run_id: self._plan(run) for run in runs})
        run_ids = [run.record.run_id for run in runs]
        outcome = self._outcomes(plan, run_ids, now)
        rates = _rates(landed_since(engine, run_ids, now - RATE_WINDOW), now)
        money = money_by_model(engine, experiment_id, run_ids if self.run_id else None)
        models = [
            _of_model(key, outcome[key], rates.get(key), money.get(key, Money()))
            for key in sorted(outcome, key=lambda key: (_STAGES.index(key[0]), key))
        ]
        unanswered = [Unanswered(m.stage, m.model, m.waiting, m.running, m.per_minute) for m in models]
        left = time_left(calls_left(self.settings, [run.record for run in runs], unanswered, now))
        return Progress(
            experiment_id,
            tuple(replace(m, eta_s=left.by_model[m.stage, m.model]) for m in models),
            is_planning=any(_is_planning(run, self._plan(run), now) for run in runs),
            refusals=tuple(dict.fromkeys(run.refusal for run in runs if run.refusal)),
            is_dry=all(run.record.params.get("dry_run") for run in runs),
            eta_s=left.total_s,
            last_at=last_landed_at(engine, run_ids),
        )

    def _plan(self, run: WatchedRun) -> list[WatchedCell]:
        run_id = run.record.run_id
        if run_id in self._plans:
            return self._plans[run_id]
        cells = watched_cells(engine_for(self.settings), run_id)
        if not _lacks_a_stage(run, cells):
            self._plans[run_id] = cells
        return cells

    def _outcomes(self, plan: _Plan, run_ids: list[str], now: datetime) -> dict[ModelKey, Counter[str]]:
        """How many cells are in which state, by stage and model."""
        engine = engine_for(self.settings)
        answered, failures = answered_cells(engine, run_ids), last_failures(engine, run_ids)
        running, no_essay = cells_in_flight(engine, now), essayless_generations(engine, run_ids)
        refused = self._refused_as_stale(plan, answered, failures)
        counts: dict[ModelKey, Counter[str]] = {}
        for key, cell in plan.cells.items():
            count = counts.setdefault((cell.stage, cell.model_id), Counter())
            count["planned"] += 1
            failure = failures.get((plan.run_of[key], key)) if key in plan.run_of else None
            if key in answered and key not in refused:
                count["answered"] += 1
            elif key not in plan.run_of:
                count["held"] += 1
            elif key in running:
                count["running"] += 1
            elif cell.stage == "evaluation" and cell.generation_task_id in no_essay:
                count["blocked"] += 1
            elif failure and self._is_given_up(failure, now):
                count["failed"] += 1
        return counts

    def _refused_as_stale(
        self,
        plan: _Plan,
        answered: set[CellKey],
        failures: Mapping[tuple[str, CellKey], LastFailure],
    ) -> set[CellKey]:
        """Answered cells whose answer the run that planned them last did not take."""
        refused = {
            key: failure.occurred_at
            for (run_id, key), failure in failures.items()
            if key in answered
            and plan.run_of.get(key) == run_id
            and failure.final
            and failure.error_class == StaleResponseError.__name__
        }
        answers = answered_at(engine_for(self.settings), refused) if refused else {}
        # A newer answer is another one.
        return {key for key, at in refused.items() if (landed := answers.get(key)) is None or landed <= at}

    def _is_given_up(self, failure: LastFailure, now: datetime) -> bool:
        """Whether nobody will try again by himself."""
        if not failure.final:
            return False
        if failure.error_class != LLMTransientError.__name__:
            return True
        if failure.transient_tries % (self.settings.task_retries + 1) == 0:
            return True
        # Airflow tries again; where it has not for long, somebody has stopped it.
        return now - failure.occurred_at > self.settings.retry_delay + _RETRY_GRACE


@dataclass(frozen=True)
class _Plan:
    """Planned cells of several runs as one.

    Attributes:
        cells: By stage and ID.
        run_of: The run that is to answer a cell: the last that planned it and may send; missing where
            no run may.
    """

    cells: Mapping[CellKey, WatchedCell]
    run_of: Mapping[CellKey, str]

    @classmethod
    def of(cls, runs: Iterable[WatchedRun], plans: Mapping[str, list[WatchedCell]]) -> _Plan:
        cells: dict[CellKey, WatchedCell] = {}
        run_of: dict[CellKey, str] = {}
        for run in runs:
            run_id = run.record.run_id
            for cell in plans[run_id]:
                cells[cell.stage, cell.cell_id] = cell
                if not run.sends_nothing:
                    run_of[cell.stage, cell.cell_id] = run_id
        return cls(cells, run_of)


def _of_model(key: ModelKey, counts: Counter[str], per_minute: float | None, money: Money) -> ModelProgress:
    return ModelProgress(
        *key,
        planned=counts["planned"],
        answered=counts["answered"],
        failed=counts["failed"],
        blocked=counts["blocked"],
        held=counts["held"],
        running=counts["running"],
        per_minute=per_minute,
        money=money,
    )


def _lacks_a_stage(run: WatchedRun, cells: Iterable[WatchedCell]) -> bool:
    planned = {cell.stage for cell in cells}
    only_judges = bool(run.record.params.get("rejudge"))
    return "evaluation" not in planned or ("generation" not in planned and not only_judges)


def _is_planning(run: WatchedRun, cells: Iterable[WatchedCell], now: datetime) -> bool:
    is_new = now - run.created_at < PLANNING_TIME
    return is_new and not run.sends_nothing and _lacks_a_stage(run, cells)


def _rates(landed: Mapping[ModelKey, Landed], now: datetime) -> dict[ModelKey, float]:
    """Answers per minute, over the window or since the first of them was sent."""
    rates: dict[ModelKey, float] = {}
    for key, one in landed.items():
        span = RATE_WINDOW if one.first_at is None else min(RATE_WINDOW, now - one.first_at)
        rates[key] = one.answers * MINUTE_S / max(1.0, span.total_seconds())
    return rates
