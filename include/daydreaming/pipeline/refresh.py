"""Bring the rows of an experiment in line with its response files.

The files are the truth: a response that landed without its row (a crash between the two, an
answer that another experiment had bought) gets one, a row whose file a person deleted goes, and
essays and scores are read again by the parsers of the run that planned them last.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daydreaming.inputs.records import Stage
from daydreaming.pipeline.call import CellCall, open_calls, response_row
from daydreaming.pipeline.outdated import outdated_ids
from daydreaming.pipeline.own_readings import refresh_own_readings
from daydreaming.pipeline.read_ahead import read_ahead
from daydreaming.pipeline.readings import refresh_scores
from daydreaming.pipeline.shared_cells import SharedCells, find_shared_cells
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for, writing_engine
from daydreaming.store.files import DataRoot, write_whole
from daydreaming.store.members import set_members
from daydreaming.store.plans import cells_of_experiment
from daydreaming.store.results import delete_responses, read_responses, upsert_responses

_UPSERT_CHUNK = 500
_STAGES: tuple[Stage, ...] = ("generation", "evaluation")


@dataclass(frozen=True)
class ExperimentRows:
    """An experiment's plan beside the rows of its responses.

    Attributes:
        calls: Every planned call by stage and cell ID, in the order planned.
        rows: By stage and cell ID; answered cells only, without those whose answer is outdated.
        outdated: IDs by stage of cells whose stored answer answers another request.
    """

    calls: Mapping[Stage, Mapping[str, CellCall]]
    rows: Mapping[Stage, Mapping[str, Mapping[str, Any]]]
    outdated: Mapping[Stage, Collection[str]]


def refresh_rows(
    settings: Settings,
    experiment_id: str,
    *,
    keep_essays: bool = False,
    on_read: Callable[[], None] | None = None,
) -> ExperimentRows:
    """Derive every row of an experiment from its files again; write those that differ.

    Members and readings follow: what answers a planned cell serves the experiment, and is read in each
    way that the experiments that planned it ask for; each of these keeps its own reading.

    Args:
        settings: The deployment's settings.
        experiment_id: The experiment.
        keep_essays: Leave essays that are there as they are, though their row may be new.
        on_read: Called after each response.

    Raises:
        StoreError: A response file is no UTF-8, or frozen inputs are gone.
    """
    engine = engine_for(settings)
    planned = {stage: cells_of_experiment(engine, experiment_id, stage) for stage in _STAGES}
    shared = {stage: find_shared_cells(settings, experiment_id, stage, planned[stage]) for stage in _STAGES}
    calls = {stage: open_calls(settings, experiment_id, planned[stage]) for stage in _STAGES}
    refreshed = {
        stage: _refresh_stage(settings, stage, calls[stage], shared[stage], keep_essays, on_read or _nothing)
        for stage in _STAGES
    }
    refresh_scores(
        settings, experiment_id, calls["evaluation"], refreshed["evaluation"].stored, shared["evaluation"]
    )
    rows = {stage: refreshed[stage].rows for stage in _STAGES}
    refresh_own_readings(
        settings, experiment_id, rows["evaluation"], refreshed["evaluation"].stored, shared["evaluation"]
    )
    essayless = [cell_id for cell_id, row in rows["generation"].items() if row["essay_error"]]
    outdated = {
        stage: outdated_ids(settings, experiment_id, stage, planned[stage], essayless) for stage in _STAGES
    }
    for stage in _STAGES:
        for cell_id in outdated[stage]:
            # Its row stays in the database, for the file is there; this experiment must not count it.
            rows[stage].pop(cell_id, None)
        set_members(writing_engine(settings), experiment_id, stage, rows[stage].keys())
    return ExperimentRows(calls, rows, outdated)


@dataclass(frozen=True)
class _Refreshed:
    """Rows by cell ID: as this experiment reads them, and as the database has them."""

    rows: dict[str, Mapping[str, Any]]
    stored: dict[str, Mapping[str, Any]]


def _refresh_stage(
    settings: Settings,
    stage: Stage,
    calls: Mapping[str, CellCall],
    shared: SharedCells,
    keep_essays: bool,
    on_read: Callable[[], None],
) -> _Refreshed:
    engine, files = engine_for(settings), DataRoot(settings.data_root)
    known = {row[f"{stage}_task_id"]: row for row in read_responses(engine, stage, calls)}
    answered = files.answered_ids(stage)
    found = _Refreshed({}, {})
    changed: list[Mapping[str, Any]] = []
    there = {cell_id: call for cell_id, call in calls.items() if cell_id in answered}
    for cell_id, call in read_ahead(there):
        row, essay = response_row(call)
        found.rows[cell_id] = row
        if cell_id in shared.owners:
            row, essay = response_row(shared.owners[cell_id])
        found.stored[cell_id] = row
        is_new = row != known.get(cell_id)
        if is_new:
            changed.append(row)
        if stage == "generation":
            _refresh_essay(files.essay(cell_id), essay, is_new=is_new, keep=keep_essays)
        on_read()
    for start in range(0, len(changed), _UPSERT_CHUNK):
        upsert_responses(writing_engine(settings), stage, changed[start : start + _UPSERT_CHUNK])
    delete_responses(writing_engine(settings), stage, known.keys() - answered)
    return found


def _refresh_essay(path: Path, essay: str | None, *, is_new: bool, keep: bool) -> None:
    """Write an essay that is missing or was read anew; remove one that is no longer found."""
    if keep and path.exists():
        return
    if essay is None:
        path.unlink(missing_ok=True)
    elif is_new or not path.exists():
        write_whole(path, essay)


def _nothing() -> None:
    pass
