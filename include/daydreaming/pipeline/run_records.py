"""Record runs and their plans: in files, which are the truth, and in the results database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version

from daydreaming.inputs.records import Stage
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.plans import (
    PlannedCell,
    RunRecord,
    insert_plan,
    insert_run,
    insert_shards,
    runs_of_plan,
    set_refusal,
)
from daydreaming.store.run_files import RunFile, RunFiles


def code_version() -> str:
    """Version of this package; ``unknown`` where it was not installed."""
    try:
        return version("daydreaming")
    except PackageNotFoundError:
        return "unknown"


def record_run(
    settings: Settings, run: RunRecord, now: datetime, *, created_by: str | None = None
) -> RunRecord:
    """Record a run and its experiment; one that is recorded stays as it is.

    Args:
        settings: The deployment's settings.
        run: The run.
        now: Its start.
        created_by: Airflow user who triggered it; None where none did.

    Returns:
        What is recorded.
    """
    files = RunFiles.of(settings.data_root, run.experiment_id)
    # The file first: a crash between the two leaves a file that the next try reads.
    file = files.record(RunFile(run, now, created_by, code_version()))
    return insert_run(
        engine_for(settings),
        file.run,
        file.created_at,
        created_by=file.created_by,
        code_version=file.code_version,
    )


def record_shards(settings: Settings, shards: Sequence[RunRecord], now: datetime) -> None:
    """Record the shards of a plan: the run itself first, then those that it will start."""
    first, *others = shards
    files = RunFiles.of(settings.data_root, first.experiment_id)
    parent = files.read(first.run_id)
    if parent is None:
        # An earlier release recorded it, in the database alone.
        parent = files.record(_from_database(settings, first.run_id))
    if parent.run.shards != first.shards:
        files.replace(replace(parent, run=replace(parent.run, shards=first.shards)))
    made = [files.record(replace(parent, run=shard, created_at=now, refusal=None)) for shard in others]
    insert_shards(
        engine_for(settings), [(first, parent.created_at), *((file.run, file.created_at) for file in made)]
    )


def record_plan(settings: Settings, run: RunRecord, stage: Stage, cells: Sequence[PlannedCell]) -> None:
    """Record a run's plan of one stage; one that is recorded never changes.

    Raises:
        StoreError: Another plan of it is recorded.
    """
    insert_plan(engine_for(settings), run.run_id, stage, cells)
    # After the database, which says where two differ.
    RunFiles.of(settings.data_root, run.experiment_id).write_plan(run.run_id, stage, cells)


def record_refusal(settings: Settings, run_id: str, refusal: str | None) -> None:
    """Note that nothing of a run's plan may be sent, and why; None takes it back."""
    engine = engine_for(settings)
    for run in runs_of_plan(engine, run_id):
        files = RunFiles.of(settings.data_root, run.experiment_id)
        file = files.read(run.run_id)
        if file is not None and file.refusal != refusal:
            files.replace(replace(file, refusal=refusal))
    set_refusal(engine, run_id, refusal)


def _from_database(settings: Settings, run_id: str) -> RunFile:
    from daydreaming.store.plans import read_created_at, read_run

    engine = engine_for(settings)
    return RunFile(read_run(engine, run_id), read_created_at(engine, run_id))
