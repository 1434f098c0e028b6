"""Which cell a mapped instance of Airflow means, and whether it is answered."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from daydreaming.errors import InputError, StoreError
from daydreaming.inputs.records import Stage
from daydreaming.pipeline.cell_states import CellState, cell_states
from daydreaming.pipeline.concept_names import concept_names
from daydreaming.pipeline.experiments import has_results
from daydreaming.pipeline.shown_prompts import ShownPrompt, shown_prompt
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.files import DataRoot
from daydreaming.store.plans import PlannedCell, read_call


@dataclass(frozen=True)
class FoundCell:
    """The cell of one mapped instance.

    Attributes:
        state: Of the cell.
        essay_state: Of the generation that it is, or judges.
        concepts: Names of the concepts in one line.
    """

    experiment_id: str
    run_id: str
    stage: Stage
    cell: PlannedCell
    state: CellState
    essay_state: CellState
    concepts: str


def find_cell(settings: Settings, run_id: str, stage: Stage, map_index: int, now: datetime) -> FoundCell:
    """Look a mapped instance up in the plan of its run.

    Raises:
        InputError: The run, or its plan for the stage, is not there, or has no such instance.
    """
    if not has_results(settings):
        raise InputError("There is no results database yet: no run has planned anything.")
    try:
        run, cell, _ = read_call(engine_for(settings), run_id, stage, map_index)
    except StoreError as error:
        raise InputError(
            f"Run {run_id!r} has no {stage} {map_index} in its plan. The plan is written by plan_{stage}s: "
            "until that task has succeeded, nobody can say what an instance means."
        ) from error
    states = cell_states(settings, run.experiment_id, stage, [cell.cell_id], now)
    essays = cell_states(settings, run.experiment_id, "generation", [cell.generation_task_id], now)
    concepts = concept_names(settings, run.experiment_id, [cell.combo_id])
    return FoundCell(
        run.experiment_id,
        run_id,
        stage,
        cell,
        states[cell.cell_id],
        essays[cell.generation_task_id],
        concepts.get(cell.combo_id, cell.combo_id),
    )


def prompt_of(settings: Settings, found: FoundCell) -> ShownPrompt | None:
    """The prompt of a cell without an answer; None where none was rendered."""
    return shown_prompt(DataRoot(settings.data_root), found.stage, found.cell.cell_id, None)
