"""All experiments at a glance: how far, at what cost, with what score."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from daydreaming.errors import InputError
from daydreaming.inputs.records import Stage
from daydreaming.pipeline.expected_cost import expected_usd, spent_usd
from daydreaming.pipeline.experiments import has_results
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.experiments import read_experiments
from daydreaming.store.open_cells import OpenGroup, Scope, count_open, moment_of
from daydreaming.store.overview_queries import (
    CellCounts,
    MeanScore,
    count_cells,
    experiments_with_stale_answers,
    mean_scores,
)
from daydreaming.store.spending import SpendingRow, read_spending

_STAGES: tuple[Stage, ...] = ("generation", "evaluation")


@dataclass(frozen=True)
class StageCounts:
    """Cells of one stage, each in one place.

    Attributes:
        failed: Given up, or without an essay to judge.
        waiting: Not tried yet, tried again later, or held back by a person or a dry run.
    """

    stage: Stage
    planned: int
    running: int = 0
    failed: int = 0
    waiting: int = 0

    @property
    def answered(self) -> int:
        """Answered by an answer that the experiment may use."""
        return self.planned - self.running - self.failed - self.waiting


@dataclass(frozen=True)
class Overview:
    """One experiment.

    Attributes:
        stages: What is planned, generations first.
        spent_usd: So far; None where a call was made whose price nobody knows.
        expected_usd: When all is answered, at the mean price so far; None where that is unknown.
        score: Mean of its scores; None before the first.
        created_by: Airflow user; None for a schedule.
        last_at: End of its latest answer.
    """

    experiment_id: str
    created_at: datetime
    created_by: str | None
    stages: tuple[StageCounts, ...]
    spent_usd: float | None
    expected_usd: float | None
    score: MeanScore | None
    last_at: datetime | None

    @property
    def generation(self) -> StageCounts | None:
        """None where no generation is planned."""
        return next((stage for stage in self.stages if stage.stage == "generation"), None)

    @property
    def evaluation(self) -> StageCounts | None:
        """None where no evaluation is planned."""
        return next((stage for stage in self.stages if stage.stage == "evaluation"), None)

    @property
    def is_live(self) -> bool:
        """Whether calls are being made."""
        return any(stage.running for stage in self.stages)

    @property
    def is_open(self) -> bool:
        """Whether calls may still be made: between two stages of a run none is."""
        return any(stage.running or stage.waiting for stage in self.stages)

    @property
    def is_complete(self) -> bool:
        """Whether every planned call is answered."""
        return bool(self.stages) and all(stage.answered == stage.planned for stage in self.stages)


def overviews(settings: Settings, now: datetime) -> list[Overview]:
    """All experiments, newest first."""
    return _read(settings, now, None)


def overview(settings: Settings, experiment_id: str, now: datetime) -> Overview:
    """One experiment.

    Raises:
        InputError: Nobody has started it.
    """
    found = _read(settings, now, experiment_id)
    if not found:
        raise InputError(f"Unknown experiment ID {experiment_id!r}. The list shows those that were run.")
    return found[0]


def _read(settings: Settings, now: datetime, experiment_id: str | None) -> list[Overview]:
    if not has_results(settings):
        return []
    engine = engine_for(settings)
    rows = [r for r in read_experiments(engine) if experiment_id in (None, r["experiment_id"])]
    counts = {(c.experiment_id, c.stage): c for c in count_cells(engine, experiment_id)}
    stale = experiments_with_stale_answers(engine)
    scores, spending = mean_scores(engine, experiment_id), read_spending(engine, experiment_id)
    found = []
    for row in sorted(rows, key=lambda row: (row["created_at"], row["experiment_id"]), reverse=True):
        name = row["experiment_id"]
        planned = [counts[name, stage] for stage in _STAGES if (name, stage) in counts]
        # To tell where each cell stands takes longer than to see that all have answers.
        is_open = name in stale or any(stage.answered < stage.planned for stage in planned)
        groups = count_open(engine, Scope(name), moment_of(settings, now)) if is_open else []
        mine = [one for one in spending if one.experiment_id == name]
        found.append(_overview(row, planned, groups, mine, scores.get(name)))
    return found


def _overview(
    row: Mapping[str, Any],
    planned: Sequence[CellCounts],
    groups: Iterable[OpenGroup],
    spending: Sequence[SpendingRow],
    score: MeanScore | None,
) -> Overview:
    listed = list(groups)
    stages = tuple(_stage(counts, [g for g in listed if g.stage == counts.stage]) for counts in planned)
    return Overview(
        row["experiment_id"],
        row["created_at"],
        row["created_by"],
        stages,
        spent_usd(spending),
        expected_usd({stage.stage: stage.planned - stage.answered for stage in stages}, spending),
        score,
        max((counts.last_at for counts in planned if counts.last_at), default=None),
    )


def _stage(counts: CellCounts, groups: Sequence[OpenGroup]) -> StageCounts:
    def cells(*states: str) -> int:
        return sum(group.cells for group in groups if group.state in states)

    return StageCounts(
        counts.stage, counts.planned, cells("running"), cells("failed", "blocked"), cells("waiting", "held")
    )
