"""Stored answers that an experiment may not count, for they answer another request.

To compare every answer's request would mean to render every prompt again. But a cell whose answer
was refused as stale has a recorded failure: only those are looked at, and looked at afresh, since the
answer may have been replaced, or ``on_stale`` changed, in the meantime.

A verdict whose generation has no essay any more leaves no such failure: its instance is skipped. Those
are found by the rows of the generations.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from daydreaming.inputs.records import Stage
from daydreaming.pipeline.call import has_lost_essay, is_outdated, open_calls
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.plans import PlannedCell
from daydreaming.store.results import generations_with_essay, recorded_verdicts, refused_as_stale


def outdated_ids(
    settings: Settings,
    experiment_id: str,
    stage: Stage,
    planned: Mapping[str, tuple[str, PlannedCell]],
    essayless: Collection[str] = (),
) -> set[str]:
    """IDs among planned cells whose stored answer is outdated for the run that planned them.

    Args:
        settings: The deployment's settings.
        experiment_id: Whose cells they are.
        stage: Theirs.
        planned: Run ID and cell by cell ID.
        essayless: Generations in which this experiment finds no essay, though another may that shares them
            and whose reading their rows have; others are known by their rows.
    """
    suspects = refused_as_stale(engine_for(settings), experiment_id, stage)
    if stage == "evaluation":
        suspects |= _without_essay(settings, planned, essayless)
    suspects &= planned.keys()
    if not suspects:
        return set()
    calls = open_calls(settings, experiment_id, {cell_id: planned[cell_id] for cell_id in suspects})
    return {cell_id for cell_id, call in calls.items() if is_outdated(call) or has_lost_essay(call)}


def _without_essay(
    settings: Settings, planned: Mapping[str, tuple[str, PlannedCell]], essayless: Collection[str]
) -> set[str]:
    """IDs of stored verdicts on generations that have no essay, or no response."""
    engine = engine_for(settings)
    judged = {cell.generation_task_id for _, cell in planned.values()}
    lost = (judged - generations_with_essay(engine, judged)) | set(essayless)
    return recorded_verdicts(engine, lost)
