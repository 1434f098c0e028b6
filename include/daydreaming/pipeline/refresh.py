"""Bring the rows of an experiment in line with its response files.

The files are the truth: a response that landed without its row (a crash between the two, an
answer that another experiment had bought) gets one, a row whose file a person deleted goes, and
essays and scores are read again by the parsers of the run that planned them last.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daydreaming.inputs.records import Stage
from daydreaming.pipeline.call import CellCall, open_calls, response_row
from daydreaming.pipeline.outdated import outdated_ids
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.files import DataRoot, write_whole
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


def refresh_rows(settings: Settings, experiment_id: str) -> ExperimentRows:
    """Derive every row of an experiment from its files again; write those that differ.

    Raises:
        StoreError: A response file is no UTF-8, or frozen inputs are gone.
    """
    engine = engine_for(settings)
    planned = {stage: cells_of_experiment(engine, experiment_id, stage) for stage in _STAGES}
    calls = {stage: open_calls(settings, experiment_id, planned[stage]) for stage in _STAGES}
    rows = {stage: _refresh_stage(settings, stage, calls[stage]) for stage in _STAGES}
    outdated = {stage: outdated_ids(settings, experiment_id, stage, planned[stage]) for stage in _STAGES}
    for stage in _STAGES:
        for cell_id in outdated[stage]:
            # Its row stays in the database, for the file is there; this experiment must not count it.
            rows[stage].pop(cell_id, None)
    return ExperimentRows(calls, rows, outdated)


def _refresh_stage(
    settings: Settings, stage: Stage, calls: Mapping[str, CellCall]
) -> dict[str, Mapping[str, Any]]:
    engine, files = engine_for(settings), DataRoot(settings.data_root)
    known = {row[f"{stage}_task_id"]: row for row in read_responses(engine, stage, calls)}
    answered = files.answered_ids(stage)
    rows: dict[str, Mapping[str, Any]] = {}
    changed: list[Mapping[str, Any]] = []
    for cell_id, row, essay in _derived(calls, answered):
        rows[cell_id] = row
        is_new = row != known.get(cell_id)
        if is_new:
            changed.append(row)
        if stage == "generation":
            _refresh_essay(files.essay(cell_id), essay, is_new=is_new)
    for start in range(0, len(changed), _UPSERT_CHUNK):
        upsert_responses(engine, stage, changed[start : start + _UPSERT_CHUNK])
    delete_responses(engine, stage, known.keys() - answered)
    return rows


def _refresh_essay(path: Path, essay: str | None, *, is_new: bool) -> None:
    """Write an essay that is missing or was read anew; remove one that is no longer found."""
    if essay is None:
        path.unlink(missing_ok=True)
    elif is_new or not path.exists():
        write_whole(path, essay)


def _derived(
    calls: Mapping[str, CellCall], answered: set[str]
) -> Iterator[tuple[str, dict[str, Any], str | None]]:
    """One file at a time: constant memory but for the rows."""
    for cell_id, call in calls.items():
        if cell_id in answered:
            row, essay = response_row(call)
            yield cell_id, row, essay
