"""What an experiment may cost, as a file: the database alone would forget it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from daydreaming.errors import StoreError
from daydreaming.store.files import DataRoot, write_whole

_FILE = "max_cost_usd.json"
_KEY = "max_cost_usd"


@dataclass(frozen=True)
class CapFile:
    """A cap that was set: US dollars, or None where it was lifted."""

    max_cost_usd: float | None


def write_cap(data_root: Path, experiment_id: str, cap_usd: float | None) -> None:
    """Note an experiment's cap in US dollars; None where it is lifted."""
    write_whole(_path(data_root, experiment_id), json.dumps({_KEY: cap_usd}) + "\n")


def read_cap(data_root: Path, experiment_id: str) -> CapFile | None:
    """The cap that was set last; None where none ever was.

    Raises:
        StoreError: The file cannot be read.
    """
    path = _path(data_root, experiment_id)
    if not path.exists():
        return None
    try:
        cap = json.loads(path.read_text(encoding="utf-8"))[_KEY]
        return CapFile(None if cap is None else float(cap))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise StoreError(
            f"{path}: cannot be read ({type(error).__name__}: {error}). It holds "
            f'{{"{_KEY}": US dollars or null}}; restore it from a backup, or delete it.'
        ) from error


def _path(data_root: Path, experiment_id: str) -> Path:
    return DataRoot(data_root).tasks(experiment_id) / _FILE
