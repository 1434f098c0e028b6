"""One essay as a person looks at it: what it was made of, what it says, what its judges said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from daydreaming.errors import DaydreamingError, InputError
from daydreaming.inputs.records import Stage
from daydreaming.pipeline.experiments import has_results
from daydreaming.pipeline.frozen import frozen_inputs
from daydreaming.settings import Settings
from daydreaming.store.cell_lookup import (
    KnownCell,
    concepts_of,
    evaluations_of,
    experiments_of_cell,
    find_cell,
    latest_failure,
    neighbouring_ids,
)
from daydreaming.store.database import engine_for
from daydreaming.store.files import DataRoot
from daydreaming.store.plans import PlannedCell
from daydreaming.store.results import read_responses


@dataclass(frozen=True)
class CallView:
    """One planned call.

    Attributes:
        row: Of the results database; None where there is no answer.
        answer: As the model gave it; None where there is none.
        prompt: As it was rendered last; None where it was not.
        failure: Its last failure, where there is no answer.
    """

    cell: PlannedCell
    row: Mapping[str, Any] | None
    answer: str | None
    prompt: str | None
    failure: Mapping[str, Any] | None


@dataclass(frozen=True)
class EssayView:
    """A generation with its verdicts.

    Attributes:
        concepts: Names by ID, in the combination's order; the ID again where the name is not known.
        essay: None where the answer holds none, or there is no answer.
        verdicts: Of all its planned evaluations; of the one alone that was asked for.
        is_one_verdict: Whether an evaluation was asked for.
    """

    experiments: tuple[str, ...]
    concepts: Mapping[str, str]
    description_level: str
    generation: CallView
    essay: str | None
    verdicts: tuple[CallView, ...]
    is_one_verdict: bool


def view_essay(settings: Settings, cell_id: str) -> EssayView:
    """Look up a generation, or an evaluation with the generation that it judges.

    Raises:
        InputError: No planned call has this ID.
        StoreError: A file cannot be read.
    """
    known = find_cell(engine_for(settings), cell_id) if has_results(settings) else None
    if known is None:
        raise InputError(_unknown(settings, cell_id))
    engine, generation_id = engine_for(settings), known.cell.generation_task_id
    generation = known if known.cell.stage == "generation" else find_cell(engine, generation_id)
    if generation is None:
        raise InputError(f"Evaluation {cell_id} judges {generation_id}, which no run has planned.")
    evaluations = evaluations_of(engine, generation_id) if generation is known else [known.cell]
    concept_ids, level = concepts_of(engine, generation.cell.combo_id)
    return EssayView(
        tuple(experiments_of_cell(engine, "generation", generation_id)),
        _names(settings, generation, concept_ids),
        level,
        _call(settings, generation.cell),
        DataRoot(settings.data_root).read_essay(generation_id),
        tuple(_call(settings, cell) for cell in evaluations),
        generation is not known,
    )


def _call(settings: Settings, cell: PlannedCell) -> CallView:
    engine, files, stage = engine_for(settings), DataRoot(settings.data_root), cell.stage
    is_answered = files.is_answered(stage, cell.cell_id)
    rows = read_responses(engine, stage, [cell.cell_id]) if is_answered else []
    return CallView(
        cell,
        rows[0] if rows else None,
        files.read_response(stage, cell.cell_id) if is_answered else None,
        _prompt(files, stage, cell.cell_id),
        None if is_answered else latest_failure(engine, stage, cell.cell_id),
    )


def _prompt(files: DataRoot, stage: Stage, cell_id: str) -> str | None:
    path = files.prompt(stage, cell_id)
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else None


def _names(settings: Settings, known: KnownCell, concept_ids: tuple[str, ...]) -> dict[str, str]:
    try:
        inputs = frozen_inputs(settings.data_root, known.run)
        return {concept_id: inputs.concept(concept_id).name for concept_id in concept_ids}
    except (DaydreamingError, OSError, KeyError):
        return {concept_id: concept_id for concept_id in concept_ids}


def _unknown(settings: Settings, cell_id: str) -> str:
    from daydreaming.inputs.wording import did_you_mean, show

    near = ""
    if has_results(settings):
        near = did_you_mean(cell_id, neighbouring_ids(engine_for(settings), cell_id))
    return (
        f"No planned generation or evaluation has the ID {show(cell_id)}.{near} `daydreaming essays "
        "EXPERIMENT_ID` lists the essays of an experiment."
    )
