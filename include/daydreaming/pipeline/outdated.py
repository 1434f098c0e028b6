"""Stored answers that an experiment may not count, for they answer another request.

To compare every answer's request would mean to render every prompt again. But a cell whose answer
was refused as stale has a recorded failure: only those are looked at, and looked at afresh, since the
answer may have been replaced, or ``on_stale`` changed, in the meantime.
"""

from __future__ import annotations

from collections.abc import Mapping

from daydreaming.inputs.records import Stage
from daydreaming.pipeline.call import is_outdated, open_calls
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.plans import PlannedCell
from daydreaming.store.results import refused_as_stale


def outdated_ids(
    settings: Settings, experiment_id: str, stage: Stage, planned: Mapping[str, tuple[str, PlannedCell]]
) -> set[str]:
    """IDs among planned cells whose stored answer is outdated for the run that planned them.

    Args:
        settings: The deployment's settings.
        experiment_id: Whose cells they are.
        stage: Theirs.
        planned: Run ID and cell by cell ID.
    """
    refused = refused_as_stale(engine_for(settings), experiment_id, stage) & planned.keys()
    if not refused:
        return set()
    calls = open_calls(settings, experiment_id, {cell_id: planned[cell_id] for cell_id in refused})
    return {cell_id for cell_id, call in calls.items() if is_outdated(call)}
