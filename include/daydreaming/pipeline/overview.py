"""All experiments at a glance: how far, at what cost, with what score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from daydreaming.inputs.records import Stage
from daydreaming.pipeline.expected_cost import expected_usd, spent_usd
from daydreaming.pipeline.experiments import has_results
from daydreaming.pipeline.kept_counts import open_groups, planned_cells, scores_of, spending_of
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.experiments import read_experiments
from daydreaming.store.open_cells import OpenGroup
from daydreaming.store.overview_markers import Marker, read_markers
from daydreaming.store.overview_queries import CellCounts, MeanScore
from daydreaming.store.run_refusals import last_refusals

_STAGES: tuple[Stage, ...] = ("generation", "evaluation")


@dataclass(frozen=True)
class StageCounts:
    """Cells of one stage, each in one place.

    Attributes:
        failed: Given up, or without an essay to judge.
        waiting: Not tried yet, or tried again later.
        held: Not to be sent: planned in a dry run, refused, or of a run that failed before its first call.
    """

    stage: Stage
    planned: int
    running: int = 0
    failed: int = 0
    waiting: int = 0
    held: int = 0

    @property
    def answered(self) -> int:
        """Answered by an answer that the experiment may use."""
        return self.planned - self.running - self.failed - self.waiting - self.held


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
        refusal: Why its latest run sends nothing; None where it may.
    """

    experiment_id: str
    created_at: datetime
    created_by: str | None
    stages: tuple[StageCounts, ...]
    spent_usd: float | None
    expected_usd: float | None
    score: MeanScore | None
    last_at: datetime | None
    refusal: str | None = None

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
    if not has_results(settings):
        return []
    engine = engine_for(settings)
    rows = sorted(
        read_experiments(engine), key=lambda row: (row["created_at"], row["experiment_id"]), reverse=True
    )
    refusals = last_refusals(engine)
    names = [row["experiment_id"] for row in rows]
    markers = read_markers(engine, names)
    return [
        _overview(settings, row, markers[name], refusals.get(name), now)
        for name, row in zip(names, rows, strict=True)
    ]


def _overview(
    settings: Settings, row: Mapping[str, Any], marker: Marker, refusal: str | None, now: datetime
) -> Overview:
    name = row["experiment_id"]
    planned = planned_cells(settings, name, marker)
    # To tell where each cell stands takes longer than to see that all have answers.
    is_open = marker.has_refused or any(stage.answered < stage.planned for stage in planned)
    groups = open_groups(settings, name, marker, now) if is_open else ()
    spending = spending_of(settings, name, marker)
    by_stage = sorted(planned, key=lambda counts: _STAGES.index(counts.stage))
    stages = tuple(_stage(counts, [g for g in groups if g.stage == counts.stage]) for counts in by_stage)
    return Overview(
        name,
        row["created_at"],
        row["created_by"],
        stages,
        spent_usd(spending),
        expected_usd({stage.stage: stage.planned - stage.answered for stage in stages}, spending),
        scores_of(settings, name, marker),
        max((counts.last_at for counts in planned if counts.last_at), default=None),
        refusal,
    )


def _stage(counts: CellCounts, groups: Sequence[OpenGroup]) -> StageCounts:
    def cells(*states: str) -> int:
        return sum(group.cells for group in groups if group.state in states)

    return StageCounts(
        counts.stage,
        counts.planned,
        cells("running"),
        cells("failed", "blocked"),
        cells("waiting"),
        cells("held"),
    )
