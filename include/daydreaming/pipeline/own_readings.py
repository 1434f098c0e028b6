"""Verdicts that experiments share and read in different ways: what each makes of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from itertools import islice
from typing import Any

from daydreaming.pipeline.frozen import frozen_inputs
from daydreaming.pipeline.readings import Reading, reading_of
from daydreaming.pipeline.scoring import current_scoring
from daydreaming.pipeline.shared_cells import SharedCells
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for, writing_engine
from daydreaming.store.own_readings import READ_COLUMNS, OwnKey, set_own_readings
from daydreaming.store.plans import runs_of_experiment
from daydreaming.store.scores import read_scores, scale_text

_CHUNK = 5_000
#: The reading of an experiment, by its ID, the run that planned the verdict last, and the template.
_ReadingOf = Callable[[str, str, str], Reading]


def refresh_own_readings(
    settings: Settings,
    experiment_id: str,
    rows: Mapping[str, Mapping[str, Any]],
    stored: Mapping[str, Mapping[str, Any]],
    shared: SharedCells,
) -> None:
    """Bring ``own_readings`` of an experiment's verdicts in line, of those too that share them.

    Args:
        settings: The deployment's settings.
        experiment_id: Whose verdicts; every reading of them is in ``scores`` already.
        rows: Of its answered evaluations by ID, as it reads them.
        stored: The same as ``evaluations`` has them.
        shared: Which of them other experiments planned too.
    """
    reading_in = _readings(settings)
    ids = iter(stored)
    while chunk := list(islice(ids, _CHUNK)):
        of_chunk = {cell_id: stored[cell_id] for cell_id in chunk}
        wanted = own_rows(experiment_id, rows, of_chunk)
        wanted |= _of_others(settings, of_chunk, shared, reading_in)
        set_own_readings(writing_engine(settings), chunk, wanted)


def own_rows(
    experiment_id: str, rows: Mapping[str, Mapping[str, Any]], stored: Mapping[str, Mapping[str, Any]]
) -> dict[OwnKey, dict[str, Any]]:
    """Rows of ``own_readings`` that an experiment must have; see ``refresh_own_readings``."""
    return {
        (experiment_id, cell_id): _own_row(experiment_id, rows[cell_id])
        for cell_id, row in stored.items()
        if _reading(rows[cell_id]) != _reading(row)
    }


def _of_others(
    settings: Settings, stored: Mapping[str, Mapping[str, Any]], shared: SharedCells, reading_in: _ReadingOf
) -> dict[OwnKey, dict[str, Any]]:
    """What those who share some verdicts make of them, where it is not what the rows say."""
    differing = [
        (name, row, reading)
        for row in stored.values()
        for name, run_id in shared.last_runs(row["evaluation_task_id"]).items()
        if (reading := reading_in(name, run_id, row["evaluation_template"])) != _reading(row)
    ]
    ids = {row["evaluation_task_id"] for _, row, _ in differing}
    scores = {
        (score["evaluation_task_id"], score["parser"], score["scale"]): score
        for score in read_scores(engine_for(settings), sorted(ids))
    }
    return dict(_read_so(differing, scores))


def _read_so(
    differing: list[tuple[str, Mapping[str, Any], Reading]],
    scores: Mapping[tuple[str, str, str], Mapping[str, Any]],
) -> Iterator[tuple[OwnKey, dict[str, Any]]]:
    for name, row, reading in differing:
        cell_id = row["evaluation_task_id"]
        score = scores[cell_id, reading.parser, scale_text(reading.score_min, reading.score_max)]
        own = {**row, **vars(reading), "score": score["score"], "score_error": score["error"]}
        yield (name, cell_id), _own_row(name, own)


def _own_row(experiment_id: str, row: Mapping[str, Any]) -> dict[str, Any]:
    read = {name: row[name] for name in READ_COLUMNS}
    return {"experiment_id": experiment_id, "evaluation_task_id": row["evaluation_task_id"], **read}


def _reading(row: Mapping[str, Any]) -> Reading:
    return Reading(row["parser"], row["score_min"], row["score_max"])


def _readings(settings: Settings) -> _ReadingOf:
    @cache
    def runs(experiment_id: str) -> Mapping[str, Any]:
        return {run.run_id: run for run in runs_of_experiment(engine_for(settings), experiment_id)}

    @cache
    def found(experiment_id: str, run_id: str, template_id: str) -> Reading:
        inputs = frozen_inputs(settings.data_root, runs(experiment_id)[run_id])
        template = inputs.evaluation_template(template_id)
        scoring = current_scoring(settings, experiment_id).get(template_id)
        return reading_of(scoring.applied_to(template) if scoring else template)

    return found
