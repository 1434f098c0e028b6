"""What takes long to add up of an experiment, kept by this process while nothing about it changes.

Adding up an experiment of 50,000 cells takes a third of a second. Pages ask every few seconds, of all
experiments, most of which have ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from daydreaming.pipeline.kept import Kept
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.open_cells import OpenGroup, Scope, count_open, moment_of
from daydreaming.store.overview_markers import Marker
from daydreaming.store.overview_queries import CellCounts, MeanScore, count_cells, mean_scores
from daydreaming.store.spending import SpendingRow, read_spending

_MOST: Final = 1_000
_PLANNED: Final = Kept[Sequence[CellCounts]](_MOST)
_OPEN: Final = Kept[Sequence[OpenGroup]](_MOST)
_SPENDING: Final = Kept[Sequence[SpendingRow]](_MOST)
_SCORES: Final = Kept[MeanScore | None](_MOST)


def planned_cells(settings: Settings, experiment_id: str, marker: Marker) -> Sequence[CellCounts]:
    """See ``count_cells``; ``marker`` was read before."""
    engine = engine_for(settings)
    return _PLANNED.get(
        (engine, experiment_id),
        marker.written,
        lambda: count_cells(engine, experiment_id),
        lambda _: not marker.is_in_flight,
    )


def open_groups(settings: Settings, experiment_id: str, marker: Marker, now: datetime) -> Sequence[OpenGroup]:
    """See ``count_open``; ``marker`` was read before."""
    engine, moment = engine_for(settings), moment_of(settings, now)

    def may_stay(groups: Sequence[OpenGroup]) -> bool:
        states = {group.state for group in groups}
        last = marker.last_failure_at
        # A call begins or loses its lease, and a failure becomes final, by the clock alone.
        may_become_final = "waiting" in states and last is not None and last >= moment.retried_since
        return "running" not in states and not may_become_final and not marker.is_in_flight

    return _OPEN.get(
        (engine, experiment_id),
        (marker.written, marker.is_in_flight),
        lambda: count_open(engine, Scope(experiment_id), moment),
        may_stay,
    )


def spending_of(settings: Settings, experiment_id: str, marker: Marker) -> Sequence[SpendingRow]:
    """See ``read_spending``; ``marker`` was read before."""
    engine = engine_for(settings)
    return _SPENDING.get(
        (engine, experiment_id),
        marker.written,
        lambda: read_spending(engine, experiment_id),
        lambda _: not marker.is_in_flight,
    )


def scores_of(settings: Settings, experiment_id: str, marker: Marker) -> MeanScore | None:
    """See ``mean_scores``; ``marker`` was read before, with those of all experiments."""
    engine = engine_for(settings)
    return _SCORES.get(
        (engine, experiment_id),
        (marker.written, marker.scored),
        lambda: mean_scores(engine, experiment_id),
        lambda _: not marker.is_in_flight,
    )
