"""How far an experiment or a run is, by stage and model: from the results database, while it goes on.

Unlike ``status``, which looks at the files, this asks the database alone, and cheaply: it is asked every
second or two, also while Airflow is down.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from daydreaming.inputs.records import Stage
from daydreaming.llm.limits import MINUTE_S
from daydreaming.pipeline.calls_left import Unanswered, calls_left
from daydreaming.pipeline.model_counts import ModelCounts, count_by_model, in_order
from daydreaming.pipeline.time_left import time_left
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.open_cells import Scope, count_open, moment_of
from daydreaming.store.progress_queries import (
    Landed,
    ModelKey,
    Money,
    WatchedRun,
    landed_since,
    last_landed_at,
    money_by_model,
    planned_by_model,
    planned_stages,
    watched_runs,
)

#: What "lately" means for the rate.
RATE_WINDOW = timedelta(minutes=5)
#: A run that has no plan yet is waited for; one that has none after this long gets none.
PLANNING_TIME = timedelta(minutes=15)
_STAGES: tuple[Stage, ...] = ("generation", "evaluation")


@dataclass(frozen=True)
class ModelProgress(ModelCounts):
    """Calls of one stage and model, how fast they come, and their money.

    Attributes:
        per_minute: Answers per minute lately; None where none came.
        eta_s: Seconds until all are answered; None where nothing tells.
    """

    per_minute: float | None
    money: Money
    eta_s: float | None = None


@dataclass(frozen=True)
class Progress:
    """An experiment or a run at one moment.

    Attributes:
        experiment_id: None where the run is not known to the database yet.
        models: Generators, then judges, by ID.
        is_planning: Whether a run has begun and its plan is not written yet.
        refusals: Why the latest run, or a shard of it, sends nothing.
        is_dry: Whether every run is a dry one.
        eta_s: Seconds until all is answered; None where nothing tells.
        last_at: When the latest answer came; None before the first.
        may_ask: Whether a run has a threshold above which a person is to approve its estimate.
    """

    experiment_id: str | None
    models: tuple[ModelProgress, ...] = ()
    is_planning: bool = False
    refusals: tuple[str, ...] = ()
    is_dry: bool = False
    eta_s: float | None = None
    last_at: datetime | None = None
    may_ask: bool = False

    def total(self, name: str) -> int:
        """A count (``answered``, ``unanswered``, …) over all stages and models."""
        return sum(int(getattr(model, name)) for model in self.models)

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to wait for."""
        return not self.is_planning and self.total("unanswered") == 0

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
    _stages: set[tuple[str, str]] = field(default_factory=set, init=False)
    _planned: dict[ModelKey, int] = field(default_factory=dict, init=False)

    def read(self, now: datetime) -> Progress:
        """Count at ``now``."""
        engine = engine_for(self.settings)
        runs = watched_runs(engine, experiment_id=self.experiment_id, run_id=self.run_id)
        if not runs:
            return Progress(self.experiment_id)
        experiment_id = runs[0].record.experiment_id
        run_ids = [run.record.run_id for run in runs]
        stages = planned_stages(engine, run_ids)
        if stages != self._stages:
            self._stages, self._planned = stages, planned_by_model(engine, run_ids)
        scope = Scope(experiment_id, run_ids)
        by_model = count_by_model(count_open(engine, scope, moment_of(self.settings, now)))
        rates = _rates(landed_since(engine, run_ids, now - RATE_WINDOW), now)
        money = money_by_model(engine, experiment_id, run_ids if self.run_id else None)
        models = [
            ModelProgress(*key, planned, by_model.get(key, {}), rates.get(key), money.get(key, Money()))
            for key, planned in in_order(self._planned)
        ]
        unanswered = [Unanswered(m.stage, m.model, m.unanswered, m.running, m.per_minute) for m in models]
        left = time_left(calls_left(self.settings, [run.record for run in runs], unanswered, now))
        return Progress(
            experiment_id,
            tuple(replace(m, eta_s=left.by_model[m.stage, m.model]) for m in models),
            is_planning=any(_is_planning(run, stages, now) for run in runs),
            refusals=_refusals(runs),
            is_dry=all(run.record.params.get("dry_run") for run in runs),
            eta_s=left.total_s,
            last_at=last_landed_at(engine, run_ids),
            may_ask=any(run.record.params.get("approve_above_usd") is not None for run in runs),
        )


def _refusals(runs: Sequence[WatchedRun]) -> tuple[str, ...]:
    """Of the latest run that was triggered, and of its shards: what an earlier one met is over."""
    triggered = [run.record.run_id for run in runs if not run.record.is_shard_of_another]
    latest = triggered[-1] if triggered else runs[-1].record.run_id
    family = (run for run in runs if latest in (run.record.run_id, run.record.parent_run_id))
    return tuple(dict.fromkeys(run.refusal for run in family if run.refusal))


def _is_planning(run: WatchedRun, stages: Collection[tuple[str, str]], now: datetime) -> bool:
    is_new, only_judges = now - run.created_at < PLANNING_TIME, bool(run.record.params.get("rejudge"))
    wanted = _STAGES[1:] if only_judges else _STAGES
    is_planned = all((run.record.run_id, stage) in stages for stage in wanted)
    return is_new and not run.sends_nothing and not is_planned


def _rates(landed: Mapping[ModelKey, Landed], now: datetime) -> dict[ModelKey, float]:
    """Answers per minute, over the window or since the first of them was sent."""
    rates: dict[ModelKey, float] = {}
    for key, one in landed.items():
        span = RATE_WINDOW if one.first_at is None else min(RATE_WINDOW, now - one.first_at)
        rates[key] = one.answers * MINUTE_S / max(1.0, span.total_seconds())
    return rates
