"""Check what an experiment's runs go by: their records, their plans, their frozen inputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from itertools import zip_longest
from pathlib import Path

from daydreaming.errors import StoreError
from daydreaming.inputs.records import Stage
from daydreaming.inputs.snapshot import Inputs
from daydreaming.pipeline.experiments import has_results
from daydreaming.pipeline.rebuild_plans import planned_experiments
from daydreaming.pipeline.verify_findings import Finding, Kind
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.experiments import read_experiments
from daydreaming.store.files import DataRoot, list_names
from daydreaming.store.input_copy import frozen_files, read_inputs_copy
from daydreaming.store.plans import (
    RunRecord,
    cells_of_run,
    combinations_of_experiment,
    read_runs,
    runs_of_experiment,
)
from daydreaming.store.run_files import RunFiles, file_name

_STAGES: tuple[Stage, ...] = ("generation", "evaluation")
_REMEDY = "`daydreaming rebuild` makes it of the files."


def check_runs(settings: Settings, experiment_id: str) -> Iterator[Finding]:
    """Compare each run and its plan in the database with the files that record them."""
    files = RunFiles.of(settings.data_root, experiment_id)
    for run in runs_of_experiment(engine_for(settings), experiment_id):
        try:
            yield from _check_run(settings, files, run)
        except StoreError as error:
            yield Finding(Kind.UNREADABLE, f"run {run.run_id}", str(error), experiment_id)


def check_recorded(settings: Settings) -> Iterator[Finding]:
    """Look for runs and experiments that have files and no row: no other check looks at them."""
    root = DataRoot(settings.data_root)
    # Rows after files: a run's file comes first.
    files = {
        experiment_id: list_names(RunFiles.of(settings.data_root, experiment_id).folder)
        for experiment_id in planned_experiments(settings.data_root)
    }
    runs = [run for run, _, _ in read_runs(engine_for(settings))] if has_results(settings) else []
    known = {f"{file_name(run.run_id)}.json" for run in runs}
    for experiment_id, names in files.items():
        folder = RunFiles.of(settings.data_root, experiment_id).folder
        for name in sorted(names):
            if name.endswith(".json") and not name.startswith(".") and name not in known:
                detail = f"a run without a row in the table runs: nothing of it is checked. {_REMEDY}"
                yield Finding(Kind.ROW_MISSING, root.relative(folder / name), detail, experiment_id)
    started = dict.fromkeys(run.experiment_id for run in runs if not run.is_shard_of_another)
    noted = {row["experiment_id"] for row in read_experiments(engine_for(settings))} if started else set()
    for experiment_id in started:
        if experiment_id not in noted:
            subject = f"database: experiments/{experiment_id}"
            yield Finding(Kind.ROW_MISSING, subject, f"no row, though it has runs. {_REMEDY}", experiment_id)


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


def check_concept_texts(
    settings: Settings, experiment_id: str, inputs: Mapping[str, Inputs]
) -> Iterator[Finding]:
    """Compare ``concept_contents/``, which is for people, with what the runs of an experiment froze.

    Args:
        settings: The deployment's settings.
        experiment_id: Whose runs.
        inputs: By run ID. Which of them planned last is not known: the text may be of any.
    """
    texts: dict[str, set[bytes]] = {}
    for one in {id(frozen): frozen for frozen in inputs.values()}.values():
        for concept in one.concepts:
            content = concept.content(one.params["description_level"])
            texts.setdefault(concept.concept_id, set()).add(content.encode())
    tasks = DataRoot(settings.data_root).tasks(experiment_id)
    folder = tasks / "concept_contents"
    found = {name.removesuffix(".txt") for name in list_names(folder)}
    combinations = combinations_of_experiment(engine_for(settings), experiment_id)
    planned = {concept for combination in combinations for concept in combination.concept_ids}
    # Before it, a plan is not written whole.
    wanted = found | planned if (tasks / "generation_tasks.csv").exists() else found
    for concept_id in sorted(wanted & texts.keys()):
        path = folder / f"{concept_id}.txt"
        if concept_id not in found or path.read_bytes() not in texts[concept_id]:
            subject = DataRoot(settings.data_root).relative(path)
            detail = "is missing" if concept_id not in found else "is not the text in the frozen inputs"
            yield Finding(Kind.TABLE_DIFFERS, subject, detail, experiment_id)


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
