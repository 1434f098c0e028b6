"""One essay by its ID or a verdict's, as a terminal shows it: whole texts, as one experiment has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from daydreaming.errors import InputError
from daydreaming.pipeline.cell_states import CellState, cell_states
from daydreaming.pipeline.experiments import choose_experiments, has_results
from daydreaming.pipeline.reader import find_generation, shown_concepts
from daydreaming.pipeline.shown_prompts import read_prompt
from daydreaming.pipeline.verdicts_shown import verdicts_on
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.files import DataRoot
from daydreaming.store.known_ids import (
    KnownId,
    experiments_of_generation,
    find_id,
    neighbouring_ids,
    read_description_level,
)
from daydreaming.store.open_cells import OpenCell
from daydreaming.store.plans import PlannedCell


@dataclass(frozen=True)
class CallView:
    """One planned call.

    Attributes:
        row: Of the results database; None where there is no answer.
        answer: As the model gave it; None where there is none.
        prompt: As it was rendered last; None where it was not.
        is_refused: Whether the experiment must not count the answer, which is another request's.
        failure: The cell with its last failure, where there is no answer; None where none was recorded.
    """

    cell: PlannedCell
    row: Mapping[str, Any] | None
    answer: str | None
    prompt: str | None
    is_refused: bool
    failure: OpenCell | None


@dataclass(frozen=True)
class EssayView:
    """A generation with its verdicts, as one experiment has them.

    Attributes:
        experiments: All that planned the generation.
        concepts: Names by ID, in the combination's order; the ID again where the name is not known.
        essay: None where the answer holds none, or there is no answer.
        verdicts: Of all evaluations that the experiment planned; of the one alone that was asked for.
        is_one_verdict: Whether an evaluation was asked for.
    """

    experiment_id: str
    experiments: tuple[str, ...]
    concepts: Mapping[str, str]
    description_level: str
    generation: CallView
    essay: str | None
    verdicts: tuple[CallView, ...]
    is_one_verdict: bool


def view_essay(
    settings: Settings, cell_id: str, now: datetime, experiment_id: str | None = None
) -> EssayView:
    """Look up a generation, or an evaluation with the generation that it judges.

    Args:
        settings: The deployment's settings.
        cell_id: Of either.
        now: Leases that ended before are over.
        experiment_id: As which experiment has it; None for the one whose run planned the ID last.

    Raises:
        InputError: No planned call, or none of the experiment, has this ID; or no such experiment.
        StoreError: A file cannot be read.
    """
    known = _find(settings, cell_id, experiment_id)
    engine, files = engine_for(settings), DataRoot(settings.data_root)
    experiment_id, generation_id = known.experiment_id, known.generation_task_id
    run, cell = find_generation(settings, experiment_id, generation_id)
    state = cell_states(settings, experiment_id, "generation", [generation_id], now)[generation_id]
    is_one = generation_id != cell_id
    verdicts = verdicts_on(settings, experiment_id, generation_id, now)
    return EssayView(
        experiment_id,
        tuple(experiments_of_generation(engine, generation_id)),
        {concept.concept_id: concept.name for concept in shown_concepts(settings, run, cell.combo_id)},
        read_description_level(engine, cell.combo_id),
        _call(files, cell, state),
        files.read_essay(generation_id),
        tuple(_call(files, v.cell, v.state) for v in verdicts if not is_one or v.cell.cell_id == cell_id),
        is_one,
    )


def _call(files: DataRoot, cell: PlannedCell, state: CellState) -> CallView:
    # A row outlives its file until the next tables are written: without the file there is no answer.
    is_answered = files.is_answered(cell.stage, cell.cell_id)
    return CallView(
        cell,
        state.row if is_answered else None,
        files.read_response(cell.stage, cell.cell_id) if is_answered else None,
        read_prompt(files, cell.stage, cell.cell_id),
        is_answered and state.state == "refused",
        None if is_answered else state.failure,
    )


def _find(settings: Settings, cell_id: str, experiment_id: str | None) -> KnownId:
    from daydreaming.inputs.wording import did_you_mean, show

    if experiment_id is not None:
        choose_experiments(settings, experiment_id)
    near = ""
    if has_results(settings):
        known = find_id(engine_for(settings), cell_id, experiment_id)
        if known is not None:
            return known
        other = None if experiment_id is None else find_id(engine_for(settings), cell_id)
        if other is not None:
            has_it = other.experiment_id
            raise InputError(
                f"No run of {experiment_id} has planned {show(cell_id)}: one of {has_it} has "
                f"(--experiment {has_it})."
            )
        near = did_you_mean(cell_id, neighbouring_ids(engine_for(settings), cell_id))
    raise InputError(
        f"No planned generation or evaluation has the ID {show(cell_id)}.{near} `daydreaming essays "
        "EXPERIMENT_ID` lists the essays of an experiment."
    )
