"""Runs, plans and combinations, from the files of ``02_tasks`` and ``combo_mappings.csv``."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daydreaming.design.combinations import Combination
from daydreaming.inputs.legacy_combos import UNKNOWN_LEVEL
from daydreaming.inputs.records import Stage
from daydreaming.pipeline.rebuild_progress import Progress
from daydreaming.pipeline.rebuild_unrecorded import unrecorded_plans
from daydreaming.settings import Settings
from daydreaming.store.combo_mappings import read_combo_mappings
from daydreaming.store.database import engine_for
from daydreaming.store.experiments import note_experiment
from daydreaming.store.files import DataRoot
from daydreaming.store.imports import write_combinations
from daydreaming.store.plans import insert_rows, planned_ids
from daydreaming.store.run_files import RunFile, RunFiles
from daydreaming.store.task_tables import read_combinations_of

if TYPE_CHECKING:
    from sqlalchemy import Connection

_STAGES: tuple[Stage, ...] = ("generation", "evaluation")


def planned_experiments(data_root: Path) -> list[str]:
    """IDs of the experiments that have a folder in ``02_tasks``."""
    folder = DataRoot(data_root).tasks("x").parent
    if not folder.is_dir():
        return []
    return sorted(p.name for p in folder.iterdir() if (p / "runs").is_dir() or (p / "inputs").is_dir())


def restore_plans(fresh: Settings, progress: Progress) -> list[str]:
    """Fill an empty database with experiments, runs, plans and combinations.

    Args:
        fresh: Settings whose database is empty.
        progress: Told of each experiment.

    Returns:
        What could not be restored, one line each.

    Raises:
        StoreError: A file cannot be read.
    """
    experiments = planned_experiments(fresh.data_root)
    runs, notes = _runs(fresh.data_root, experiments)
    progress.begin("runs and plans", len(experiments))
    for experiment_id in experiments:
        notes += _restore_experiment(fresh, experiment_id, runs[experiment_id])
        progress.advance()
    return notes + _restore_combinations(fresh, experiments)


def _runs(data_root: Path, experiments: Collection[str]) -> tuple[dict[str, list[RunFile]], list[str]]:
    """Recorded runs by experiment; where two experiments name a run, that of the later start."""
    found = {name: RunFiles.of(data_root, name).read_all() for name in experiments}
    newest: dict[str, RunFile] = {}
    for file in (file for files in found.values() for file in files):
        there = newest.get(file.run.run_id)
        if there is None or file.created_at > there.created_at:
            newest[file.run.run_id] = file
    notes = [
        f"Run {file.run.run_id} of experiment {name} is left out: a later run of experiment "
        f"{newest[file.run.run_id].run.experiment_id} has the same ID."
        for name, files in found.items()
        for file in files
        if newest[file.run.run_id] is not file
    ]
    kept = {name: [f for f in files if newest[f.run.run_id] is f] for name, files in found.items()}
    return kept, notes


def _restore_experiment(fresh: Settings, experiment_id: str, runs: Sequence[RunFile]) -> list[str]:
    files = RunFiles.of(fresh.data_root, experiment_id)
    with engine_for(fresh).begin() as connection:
        for file in runs:
            _insert_run(connection, file)
            for stage in _STAGES:
                _insert_plan(connection, files.read_plan(file.run.run_id, stage))
    planned = {stage: planned_ids(engine_for(fresh), stage, experiment_id) for stage in _STAGES}
    unrecorded, notes = unrecorded_plans(fresh.data_root, experiment_id, planned)
    with engine_for(fresh).begin() as connection:
        for file, cells in unrecorded:
            _insert_run(connection, file)
            _insert_plan(connection, ({"run_id": file.run.run_id, **asdict(cell)} for cell in cells))
    return notes


def _insert_run(connection: Connection, file: RunFile) -> None:
    from sqlalchemy import insert

    from daydreaming.store.schema import Run

    run = file.run
    row = {**asdict(run), "created_at": file.created_at, "refusal": file.refusal}
    connection.execute(insert(Run), row)
    if not run.is_shard_of_another:
        version = file.code_version or "unknown"
        note_experiment(connection, run.experiment_id, run.params, file.created_at, file.created_by, version)


def _insert_plan(connection: Connection, rows: Iterator[dict[str, Any]]) -> None:
    from daydreaming.store.schema import PlannedCall

    insert_rows(connection, PlannedCall, rows)


def _restore_combinations(fresh: Settings, experiments: Collection[str]) -> list[str]:
    files = DataRoot(fresh.data_root)
    known: dict[str, Combination] = {}
    for experiment_id in experiments:
        for combination in read_combinations_of(files.tasks(experiment_id)):
            there = known.get(combination.combo_id)
            # A later import may explain what an earlier one could not.
            if there is None or _says_more(combination, there):
                known[combination.combo_id] = combination
    planned = _planned_combinations(fresh)
    unknown = _explain(known, planned, files.combo_mappings())
    write_combinations(engine_for(fresh), [known[combo_id] for combo_id in sorted(known)])
    if not unknown:
        return []
    shown = ", ".join([*unknown[:3], "…"] if len(unknown) > 3 else unknown)
    note = (
        f"{len(unknown)} combinations are in no table of 02_tasks and not in combo_mappings.csv: their "
        f"concepts are not known ({shown})."
    )
    return [note]


def _explain(known: dict[str, Combination], planned: Collection[str], mappings: Path) -> list[str]:
    """Add planned combinations that are missing; returns those that nothing explains."""
    missing = sorted(set(planned) - known.keys())
    parts: Mapping[str, Any] = read_combo_mappings(mappings) if missing else {}
    for combo_id in missing:
        concepts, level, k_max = parts.get(combo_id, ((), UNKNOWN_LEVEL, 0))
        known[combo_id] = Combination(combo_id, tuple(sorted(concepts)), level, k_max)
    return [combo_id for combo_id in missing if combo_id not in parts]


def _planned_combinations(fresh: Settings) -> set[str]:
    from sqlalchemy import select

    from daydreaming.store.schema import PlannedCall

    with engine_for(fresh).connect() as connection:
        return set(connection.scalars(select(PlannedCall.combo_id).distinct()))


def _says_more(one: Combination, other: Combination) -> bool:
    return _known_parts(one) > _known_parts(other)


def _known_parts(combination: Combination) -> tuple[bool, bool]:
    return bool(combination.concept_ids), combination.description_level != UNKNOWN_LEVEL
