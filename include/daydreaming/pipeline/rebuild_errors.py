"""Failures from ``errors.csv``: all that an earlier release left of them in files."""

from __future__ import annotations

import csv
from collections.abc import Collection, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from daydreaming.analysis.export import unmarked
from daydreaming.errors import StoreError
from daydreaming.pipeline.ledger_export import failures_file
from daydreaming.settings import Settings
from daydreaming.store.files import DataRoot

_COLUMNS = {"cell_id", "stage", "model", "attempt", "error_class", "message", "time", "run_id"}


def failures_of_errors(
    settings: Settings, experiment_id: str, known: Collection[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Rows of ``failures`` that only ``errors.csv`` tells of; none where there is a ``failures.csv``.

    Args:
        settings: The deployment's settings.
        experiment_id: Whose failures.
        known: Rows that are known already.

    Raises:
        StoreError: The file cannot be read.
    """
    path = DataRoot(settings.data_root).reporting(experiment_id) / "errors.csv"
    if known or failures_file(settings, experiment_id).exists() or not path.exists():
        return []
    rows = [{"experiment_id": experiment_id, "final": False, **row} for row in _rows(path)]
    # What ended an instance is not in the table: of each cell the last, else none would count as failed.
    for row in {(row["run_id"], row["stage"], row["cell_id"]): row for row in rows}.values():
        row["final"] = True
    return rows


def _rows(path: Path) -> list[dict[str, Any]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            if not set(reader.fieldnames or ()) >= _COLUMNS:
                raise ValueError(f"the columns must be {', '.join(sorted(_COLUMNS))}")
            return [_row(row) for row in reader]
    except (ValueError, TypeError, csv.Error) as error:
        raise StoreError(
            f"{path}: cannot be read ({error}). Restore it from a backup, or move it away."
        ) from error


def _row(row: Mapping[str, str]) -> dict[str, Any]:
    kept = {name: unmarked(row[name]) for name in _COLUMNS - {"time", "attempt"}}
    return {**kept, "attempt": int(row["attempt"]), "occurred_at": datetime.fromisoformat(row["time"])}
