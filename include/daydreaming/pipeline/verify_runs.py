"""Check what an experiment's runs go by: their records, their plans, their frozen inputs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from itertools import zip_longest
from pathlib import Path

from daydreaming.errors import StoreError
from daydreaming.inputs.records import Stage
from daydreaming.inputs.snapshot import Inputs
from daydreaming.pipeline.verify_findings import Finding, Kind
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.files import DataRoot
from daydreaming.store.input_copy import frozen_files, read_inputs_copy
from daydreaming.store.plans import RunRecord, cells_of_run, runs_of_experiment
from daydreaming.store.run_files import RunFiles

_STAGES: tuple[Stage, ...] = ("generation", "evaluation")


def check_runs(settings: Settings, experiment_id: str) -> Iterator[Finding]:
    """Compare each run and its plan in the database with the files that record them."""
    files = RunFiles.of(settings.data_root, experiment_id)
    for run in runs_of_experiment(engine_for(settings), experiment_id):
        try:
            yield from _check_run(settings, files, run)
        except StoreError as error:
            yield Finding(Kind.UNREADABLE, f"run {run.run_id}", str(error), experiment_id)


def _check_run(settings: Settings, files: RunFiles, run: RunRecord) -> Iterator[Finding]:
    path, root = files.path(run.run_id), DataRoot(settings.data_root)
    file = files.read(run.run_id)
    if file is None:
        detail = "is missing: the results database cannot be rebuilt without it"
        yield Finding(Kind.RUN_DIFFERS, root.relative(path), detail, run.experiment_id)
        return
    recorded, known = asdict(file.run), asdict(run)
    for name in known:
        if recorded[name] != known[name]:
            detail = f"{name} is {recorded[name]!r}, {known[name]!r} in the table runs"
            yield Finding(Kind.RUN_DIFFERS, root.relative(path), detail, run.experiment_id)
            return
    for stage in _STAGES:
        yield from _check_plan(settings, files, run, stage)


def _check_plan(settings: Settings, files: RunFiles, run: RunRecord, stage: Stage) -> Iterator[Finding]:
    cells = (asdict(cell) for cell in cells_of_run(engine_for(settings), run.run_id, stage))
    recorded = files.read_plan(run.run_id, stage)
    for number, (cell, row) in enumerate(zip_longest(cells, recorded), start=2):
        if cell is None or row is None or any(cell[name] != row[name] for name in cell):
            subject = DataRoot(settings.data_root).relative(files.plan_path(run.run_id, stage))
            detail = f"row {number} is another than in the table planned_calls"
            yield Finding(Kind.RUN_DIFFERS, subject, detail, run.experiment_id)
            return


def read_frozen_inputs(
    settings: Settings, experiment_id: str, inputs: dict[str, Inputs]
) -> Iterator[Finding]:
    """Read the frozen inputs of an experiment's runs, and check that the copies for people say the same.

    Args:
        settings: The deployment's settings.
        experiment_id: Whose runs.
        inputs: Those that can be read, by run ID; added to.
    """
    by_folder: dict[tuple[str, str], Inputs | None] = {}
    for run in runs_of_experiment(engine_for(settings), experiment_id):
        key = (run.inputs_path, run.inputs_digest)
        folder = settings.data_root / run.inputs_path
        if key not in by_folder:
            by_folder[key] = None
            try:
                # Not through the cache of this process, which may be older than the file.
                by_folder[key] = read_inputs_copy(folder, run.inputs_digest)
            except StoreError as error:
                yield Finding(Kind.INPUTS_CHANGED, run.inputs_path, str(error), experiment_id)
            else:
                yield from _check_copies(settings, folder, by_folder[key], experiment_id)
        if found := by_folder[key]:
            inputs[run.run_id] = found


def _check_copies(
    settings: Settings, folder: Path, inputs: Inputs | None, experiment_id: str
) -> Iterator[Finding]:
    for name, text in frozen_files(inputs).items() if inputs else ():
        path = folder / name
        if not path.exists() or not _is_same(path, text):
            what = "differs from" if path.exists() else "is missing beside"
            subject = DataRoot(settings.data_root).relative(path)
            detail = f"{what} inputs.json, by which the run went"
            yield Finding(Kind.INPUTS_CHANGED, subject, detail, experiment_id)


def _is_same(path: Path, text: str) -> bool:
    found, wanted = path.read_bytes(), text.encode()
    # Parameters are named in the order in which they were given, which inputs.json does not keep.
    return (
        sorted(found.splitlines()) == sorted(wanted.splitlines())
        if path.suffix == ".yaml"
        else found == wanted
    )
