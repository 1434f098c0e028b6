"""Before a rebuild: what only the database knows of runs, put into files.

Earlier releases recorded runs, plans and caps in the database alone.
"""

from __future__ import annotations

from daydreaming.inputs.records import Stage
from daydreaming.llm.price import to_usd
from daydreaming.settings import Settings
from daydreaming.store.caps import read_cap, write_cap
from daydreaming.store.database import engine_for
from daydreaming.store.input_copy import SNAPSHOT_FILE
from daydreaming.store.ledger import experiment_scope
from daydreaming.store.plans import RunRecord, cells_of_run, read_runs
from daydreaming.store.run_files import RunFile, RunFiles
from daydreaming.store.spending import read_caps

_STAGES: tuple[Stage, ...] = ("generation", "evaluation")


def export_runs(settings: Settings) -> int:
    """Write the files of runs that have none, and whose frozen inputs are there; returns how many."""
    engine = engine_for(settings)
    written = 0
    for run, created_at, refusal in read_runs(engine):
        if not (settings.data_root / run.inputs_path / SNAPSHOT_FILE).exists():
            continue  # a person has deleted the experiment
        files = RunFiles.of(settings.data_root, run.experiment_id)
        if not files.path(run.run_id).exists():
            files.record(RunFile(run, created_at, refusal=refusal))
            written += 1
        _export_plan(settings, files, run)
    _export_caps(settings)
    return written


def _export_plan(settings: Settings, files: RunFiles, run: RunRecord) -> None:
    for stage in _STAGES:
        if not files.plan_path(run.run_id, stage).exists():
            cells = cells_of_run(engine_for(settings), run.run_id, stage)
            if cells:
                files.write_plan(run.run_id, stage, cells)


def _export_caps(settings: Settings) -> None:
    caps = read_caps(engine_for(settings))
    for experiment_id in {run.experiment_id for run, _, _ in read_runs(engine_for(settings))}:
        cap = caps.get(experiment_scope(experiment_id))
        if cap is not None and read_cap(settings.data_root, experiment_id) is None:
            write_cap(settings.data_root, experiment_id, to_usd(cap))
