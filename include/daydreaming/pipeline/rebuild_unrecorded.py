"""Cells that no run's file explains: planned by an earlier release, or their runs' files are gone.

The task tables of the experiment list them, and its frozen inputs say how they are read: so their
answers count, though nobody knows any more which instance of which run they were.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from daydreaming.design.cells import Evaluation, Generation
from daydreaming.inputs.records import Stage
from daydreaming.inputs.snapshot import Inputs
from daydreaming.store.files import DataRoot
from daydreaming.store.input_copy import SNAPSHOT_FILE, read_any_inputs_copy
from daydreaming.store.plans import PlannedCell, RunRecord
from daydreaming.store.run_files import RunFile
from daydreaming.store.task_tables import read_task_table

_DIGEST_CHARS = 12


@dataclass(frozen=True)
class _Frozen:
    """Frozen inputs, and a run that stands for those that worked on them."""

    file: RunFile
    inputs: Inputs

    def pool_of(self, cell: PlannedCell) -> str | None:
        """The pool of the cell's model; None where these inputs do not explain the cell."""
        if cell.stage == "generation":
            templates, models = self.inputs.generation_templates, self.inputs.generation_models
            template = cell.generation_template
        else:
            templates, models = self.inputs.evaluation_templates, self.inputs.evaluation_models
            template = str(cell.evaluation_template)
        pools = {model.id: model.pool for model in models}
        is_known = template in {t.template_id for t in templates}
        return pools.get(cell.model_id) if is_known else None


def unrecorded_plans(
    data_root: Path, experiment_id: str, recorded: Mapping[Stage, Collection[str]]
) -> tuple[list[tuple[RunFile, list[PlannedCell]]], list[str]]:
    """Runs that stand for those that are not recorded, with their cells.

    Args:
        data_root: The data root.
        experiment_id: The experiment.
        recorded: IDs of the cells that recorded runs planned, by stage.

    Returns:
        One run for each copy of frozen inputs that cells fit; and what to tell about it.

    Raises:
        StoreError: A table or the frozen inputs cannot be read.
    """
    folder = DataRoot(data_root).tasks(experiment_id)
    cells = [cell for cell in _listed(folder) if cell.cell_id not in recorded[cell.stage]]
    if not cells:
        return [], []
    frozen = _frozen_inputs(data_root, experiment_id)
    plans: dict[str, tuple[RunFile, list[PlannedCell]]] = {}
    unexplained = 0
    for cell in cells:
        for place in frozen:
            pool = place.pool_of(cell)
            if pool is not None:
                _, planned = plans.setdefault(place.file.run.run_id, (place.file, []))
                planned.append(replace(cell, pool=pool))
                break
        else:
            unexplained += 1
    numbered = [(file, _numbered(planned)) for file, planned in plans.values()]
    return numbered, _notes(experiment_id, numbered, unexplained)


def _notes(
    experiment_id: str, plans: Sequence[tuple[RunFile, list[PlannedCell]]], unexplained: int
) -> list[str]:
    notes = [
        f"Experiment {experiment_id}: {len(cells)} cells are in no recorded run (planned by an earlier "
        f"release, or the run's files are gone). Run {file.run.run_id} stands for theirs: their answers "
        "count, but instances of their own runs cannot be cleared any more. Start a new run instead."
        for file, cells in plans
    ]
    if unexplained:
        notes.append(
            f"Experiment {experiment_id}: {unexplained} cells of its task tables are left out: no frozen "
            "inputs have their template and model."
        )
    return notes


def _numbered(cells: Sequence[PlannedCell]) -> list[PlannedCell]:
    count: dict[Stage, int] = {"generation": 0, "evaluation": 0}
    made = []
    for cell in cells:
        made.append(replace(cell, map_index=count[cell.stage]))
        count[cell.stage] += 1
    return made


def _listed(folder: Path) -> Iterator[PlannedCell]:
    """Every cell of the task tables."""
    generations = {}
    for row in read_task_table(folder / "generation_tasks.csv", Generation._fields):
        cell = _generation_cell(row)
        generations[cell.cell_id] = cell
        yield cell
    for row in read_task_table(folder / "evaluation_tasks.csv", Evaluation._fields):
        generation = generations.get(row["generation_task_id"])
        if generation is not None:
            yield _evaluation_cell(row, generation)


def _generation_cell(row: Mapping[str, str]) -> PlannedCell:
    return PlannedCell(
        stage="generation",
        map_index=-1,
        cell_id=row["generation_task_id"],
        pool="",
        model_name=row["generation_model_name"],
        generation_task_id=row["generation_task_id"],
        combo_id=row["combo_id"],
        generation_template=row["generation_template"],
        generation_model=row["generation_model"],
        generation_replicate=int(row["replicate"]),
    )


def _evaluation_cell(row: Mapping[str, str], generation: PlannedCell) -> PlannedCell:
    return replace(
        generation,
        stage="evaluation",
        cell_id=row["evaluation_task_id"],
        model_name=row["evaluation_model_name"],
        evaluation_template=row["evaluation_template"],
        evaluation_model=row["evaluation_model"],
        evaluation_replicate=int(row["replicate"]),
    )


def _frozen_inputs(data_root: Path, experiment_id: str) -> list[_Frozen]:
    """Every copy of frozen inputs, the newest first."""
    files = DataRoot(data_root)
    found = []
    for path in (files.tasks(experiment_id) / "inputs").glob(f"*/{SNAPSHOT_FILE}"):
        inputs = read_any_inputs_copy(path.parent)
        run = RunRecord(
            f"restored-{experiment_id}-{inputs.digest[:_DIGEST_CHARS]}",
            experiment_id,
            inputs.digest,
            files.relative(path.parent),
            inputs.params,
        )
        frozen_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        found.append(_Frozen(RunFile(run, frozen_at), inputs))
    return sorted(found, key=lambda f: (f.file.created_at, f.file.run.run_id), reverse=True)
