"""What a shell offers for an argument: names of files and folders, so that nothing has to be opened.

A shell waits for this at each press of a key: neither a database nor a library is loaded.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from daydreaming.errors import DaydreamingError
from daydreaming.settings import Settings
from daydreaming.store.files import DataRoot

#: More would only scroll by.
_MOST = 200


def saved_experiments(incomplete: str) -> list[str]:
    """Names of the files in ``experiments/``."""
    settings = _settings()
    if settings is None:
        return []
    names = _names(settings.inputs_root / "experiments")
    return _matching((name[: -len(".yaml")] for name in names if name.endswith(".yaml")), incomplete)


def experiment_ids(incomplete: str) -> list[str]:
    """IDs of experiments that were run: the folders of their plans."""
    settings = _settings()
    return [] if settings is None else _matching(_names(DataRoot(settings.data_root).tasks("")), incomplete)


def answered_ids(incomplete: str) -> list[str]:
    """IDs of generations that have an answer; of evaluations once that tells them apart."""
    settings = _settings()
    if settings is None:
        return []
    files = DataRoot(settings.data_root)
    found: list[str] = []
    for stage in ("generation", "evaluation"):
        names = _names(files.response(stage, "x").parent)
        found += _matching((name[: -len(".txt")] for name in names if name.endswith(".txt")), incomplete)
        if len(found) > 1 and found != [incomplete]:
            break
    return found


def _settings() -> Settings | None:
    try:
        return Settings.from_env()
    except DaydreamingError:
        # A shell has no place for a message.
        return None


def _names(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries if not entry.name.startswith(".")]
    except (OSError, TypeError):  # TypeError: on an object store, which takes longer than a person waits
        return []


def _matching(names: Iterable[str], incomplete: str) -> list[str]:
    return list(islice(sorted(name for name in names if name.startswith(incomplete)), _MOST))
