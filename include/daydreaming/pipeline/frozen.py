"""The frozen inputs of a run: read once per process, whatever people edit meanwhile."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from daydreaming.errors import StoreError
from daydreaming.inputs.snapshot import Inputs
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.input_copy import read_inputs_copy
from daydreaming.store.plans import RunRecord, runs_of_experiment


def frozen_inputs(data_root: Path, run: RunRecord) -> Inputs:
    """What ``run`` works on.

    Raises:
        StoreError: The frozen copy is gone or was edited.
    """
    return _read(data_root / run.inputs_path, run.inputs_digest)


def inputs_of_experiment(settings: Settings, experiment_id: str) -> list[Inputs]:
    """What the runs of an experiment froze, the newest first; without copies that cannot be read."""
    runs = runs_of_experiment(engine_for(settings), experiment_id)
    found = []
    for run in {run.inputs_digest: run for run in reversed(runs)}.values():
        try:
            found.append(frozen_inputs(settings.data_root, run))
        except StoreError:
            # `daydreaming verify` tells of it: the pages go without names.
            continue
    return found


@lru_cache(maxsize=32)
def _read(folder: Path, digest: str) -> Inputs:
    return read_inputs_copy(folder, digest)
