"""Every reading of stored verdicts that ``scores`` holds.

A verdict is read in each way that a run of an experiment that planned it has frozen, and in each that
``daydreaming rescore`` decided for that experiment: so the rows depend on the files alone, and not on
which of them came first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from daydreaming.inputs.records import Template
from daydreaming.pipeline.call import CellCall
from daydreaming.pipeline.frozen import frozen_inputs
from daydreaming.pipeline.read_ahead import read_ahead
from daydreaming.pipeline.rows import read_score
from daydreaming.pipeline.scoring import all_scorings
from daydreaming.pipeline.shared_cells import SharedCells
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for, writing_engine
from daydreaming.store.plans import runs_of_experiment
from daydreaming.store.scores import change_scores, read_scores, score_key, score_row

_CHUNK = 5_000


@dataclass(frozen=True)
class Reading:
    """A parser and the scale that it reads on."""

    parser: str
    score_min: float
    score_max: float


Readings = Mapping[str, frozenset[Reading]]


def readings_of_experiment(settings: Settings, experiment_id: str) -> Readings:
    """Every way in which an experiment's verdicts are, or were, read; by evaluation template.

    Raises:
        StoreError: Frozen inputs or ``scoring.csv`` cannot be read.
    """
    found: dict[str, set[Reading]] = {}
    runs = runs_of_experiment(engine_for(settings), experiment_id)
    frozen = {run.inputs_digest: run for run in runs}.values()
    for template in (
        t for run in frozen for t in frozen_inputs(settings.data_root, run).evaluation_templates
    ):
        found.setdefault(template.template_id, set()).add(reading_of(template))
    for scoring in all_scorings(settings, experiment_id):
        reading = Reading(scoring.parser, scoring.score_min, scoring.score_max)
        found.setdefault(scoring.evaluation_template, set()).add(reading)
    return {template_id: frozenset(readings) for template_id, readings in found.items()}


def refresh_scores(
    settings: Settings,
    experiment_id: str,
    calls: Mapping[str, CellCall],
    rows: Mapping[str, Mapping[str, Any]],
    shared: SharedCells,
) -> None:
    """Bring ``scores`` in line with an experiment's stored verdicts; write only what differs.

    Args:
        settings: The deployment's settings.
        experiment_id: Whose verdicts.
        calls: Planned evaluations by ID.
        rows: Of ``evaluations``, by ID, of those that are answered.
        shared: Which of them other experiments planned too.
    """
    by_experiment = {
        name: readings_of_experiment(settings, name) for name in (experiment_id, *sorted(shared.experiments))
    }
    ids = iter(rows)
    while chunk := list(islice(ids, _CHUNK)):
        of = {
            cell_id: [by_experiment[name] for name in (experiment_id, *shared.others(cell_id))]
            for cell_id in chunk
        }
        others = {cell_id: _others(rows[cell_id], of[cell_id]) for cell_id in chunk}
        wanted = {score_key(score): score for score in map(score_row, map(rows.__getitem__, chunk))}
        for cell_id, call in read_ahead({cell_id: calls[cell_id] for cell_id in chunk if others[cell_id]}):
            read = _scores(call, rows[cell_id], others[cell_id])
            wanted |= {score_key(score): score for score in read}
        known = {score_key(score): score for score in read_scores(engine_for(settings), chunk)}
        changed = [score for key, score in wanted.items() if score != known.get(key)]
        change_scores(writing_engine(settings), changed, sorted(known.keys() - wanted.keys()))


def _others(row: Mapping[str, Any], readings: Sequence[Readings]) -> frozenset[Reading]:
    """The readings of one verdict that its row does not hold."""
    wanted = frozenset[Reading]().union(*(of.get(row["evaluation_template"], frozenset()) for of in readings))
    return wanted - {Reading(row["parser"], row["score_min"], row["score_max"])}


def _scores(call: CellCall, row: Mapping[str, Any], others: frozenset[Reading]) -> Iterator[dict[str, Any]]:
    """Read one verdict in other ways than its row's."""
    text = call.files.read_response("evaluation", call.cell.cell_id)
    for reading in sorted(others, key=lambda r: (r.parser, r.score_min, r.score_max)):
        scale: dict[str, Any] = {"score_min": reading.score_min, "score_max": reading.score_max}
        score, error = read_score(text, replace(call.planned_template, parser=reading.parser, **scale))
        yield score_row({**row, "parser": reading.parser, **scale, "score": score, "score_error": error})


def reading_of(template: Template) -> Reading:
    """How an evaluation template says that its verdicts are read."""
    if template.score_min is None or template.score_max is None:
        raise ValueError("an evaluation template has a scale")
    return Reading(template.parser, float(template.score_min), float(template.score_max))
