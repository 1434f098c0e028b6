"""The frozen inputs of a run: read once per process, whatever people edit meanwhile."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from daydreaming.inputs.snapshot import Inputs
from daydreaming.store.input_copy import read_inputs_copy
from daydreaming.store.plans import RunRecord


def frozen_inputs(data_root: Path, run: RunRecord) -> Inputs:
    """What ``run`` works on.

    Raises:
        StoreError: The frozen copy is gone or was edited.
    """
    return _read(data_root / run.inputs_path, run.inputs_digest)


@lru_cache(maxsize=32)
def _read(folder: Path, digest: str) -> Inputs:
    return read_inputs_copy(folder, digest)
