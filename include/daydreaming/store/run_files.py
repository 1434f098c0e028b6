"""Runs and their plans as files: what the results database cannot be rebuilt without.

``02_tasks/<experiment_id>/runs/`` holds for each run ``<name>.json``, and for each stage that it
planned ``<name>.<stage>.csv``. The name is the run's ID, percent-encoded.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from operator import attrgetter
from pathlib import Path
from typing import Any
from urllib.parse import quote

from daydreaming.errors import StoreError
from daydreaming.inputs.records import Stage
from daydreaming.store.csv_rows import read_csv_rows
from daydreaming.store.files import DataRoot, write_new, write_whole
from daydreaming.store.plans import PlannedCell, RunRecord
from daydreaming.store.task_tables import write_csv
from daydreaming.store.times import read_time

#: File systems allow names of 255 bytes; the longest ending is ".generation.csv".
_NAME_LENGTH = 200
_HASH_CHARS = 16
#: Of the plan's columns; the file's name says which run and stage it is.
PLAN_COLUMNS = tuple(field.name for field in fields(PlannedCell) if field.name != "stage")
_NUMBERS = {"map_index", "generation_replicate", "evaluation_replicate"}
_OPTIONAL = {"evaluation_template", "evaluation_model", "evaluation_replicate"}


@dataclass(frozen=True)
class RunFile:
    """What ``<name>.json`` says of a run.

    Attributes:
        created_by: Airflow user who triggered it; None where none did, or where nobody knows.
        code_version: Of the package that started it; '' where nobody knows.
        refusal: Why nothing of it may be sent; None where it may.
    """

    run: RunRecord
    created_at: datetime
    created_by: str | None = None
    code_version: str = ""
    refusal: str | None = None


def file_name(run_id: str) -> str:
    """A run's ID as every file system takes it; ``urllib.parse.unquote`` gives it back.

    One that is too long is cut, and told apart by a hash: its ID is in the file only.
    """
    name = quote(run_id, safe="")
    if name.startswith("."):
        name = "%2E" + name[1:]
    if len(name) <= _NAME_LENGTH:
        return name
    # "%-" is in no encoded ID.
    return f"{name[:_NAME_LENGTH]}%-{hashlib.sha256(run_id.encode()).hexdigest()[:_HASH_CHARS]}"


@dataclass(frozen=True)
class RunFiles:
    """The run files of one experiment."""

    folder: Path

    @classmethod
    def of(cls, data_root: Path, experiment_id: str) -> RunFiles:
        """Those of the experiment in this data root."""
        return cls(DataRoot(data_root).tasks(experiment_id) / "runs")

    def path(self, run_id: str) -> Path:
        """Where a run is recorded."""
        return self.folder / f"{file_name(run_id)}.json"

    def plan_path(self, run_id: str, stage: Stage) -> Path:
        """Where its plan of one stage is."""
        return self.folder / f"{file_name(run_id)}.{stage}.csv"

    def record(self, file: RunFile) -> RunFile:
        """Write the file of a run unless it is there; returns what it says then."""
        path = self.path(file.run.run_id)
        return file if write_new(path, _text(file)) else _read(path)

    def replace(self, file: RunFile) -> None:
        """Write the file of a run over the one that is there."""
        write_whole(self.path(file.run.run_id), _text(file))

    def read(self, run_id: str) -> RunFile | None:
        """What is recorded of a run; None where nothing is.

        Raises:
            StoreError: The file cannot be read.
        """
        path = self.path(run_id)
        return _read(path) if path.exists() else None

    def read_all(self) -> list[RunFile]:
        """Every run, oldest first.

        Raises:
            StoreError: A file cannot be read.
        """
        found = [_read(path) for path in self.folder.glob("*.json") if not path.name.startswith(".")]
        return sorted(found, key=lambda file: (file.created_at, file.run.run_id))

    def write_plan(self, run_id: str, stage: Stage, cells: Sequence[PlannedCell]) -> None:
        """Write a run's plan of one stage unless it is there: it never changes."""
        path = self.plan_path(run_id, stage)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_csv(path, PLAN_COLUMNS, map(attrgetter(*PLAN_COLUMNS), cells))

    def read_plan(self, run_id: str, stage: Stage) -> Iterator[dict[str, Any]]:
        """A run's plan of one stage: one row per cell, as ``planned_calls`` has it; nothing without a file.

        Raises:
            StoreError: The file cannot be read.
        """
        path = self.plan_path(run_id, stage)
        if not path.exists():
            return
        for row in read_csv_rows(path, PLAN_COLUMNS, _value):
            yield {"run_id": run_id, "stage": stage, **row}


def _value(name: str, text: str) -> str | int | None:
    if not text and name in _OPTIONAL:
        return None
    return int(text) if name in _NUMBERS else text


def _text(file: RunFile) -> str:
    record = {
        **asdict(file.run),
        "created_at": file.created_at.astimezone(UTC).isoformat(),
        "created_by": file.created_by,
        "code_version": file.code_version,
        "refusal": file.refusal,
    }
    return json.dumps(record, indent=2, ensure_ascii=False) + "\n"


def _read(path: Path) -> RunFile:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        own = {field.name: record.pop(field.name) for field in fields(RunFile) if field.name != "run"}
        own["created_at"] = read_time("created_at", own["created_at"])
        return RunFile(RunRecord(**record), **own)
    except (OSError, ValueError, TypeError, AttributeError, KeyError) as error:
        raise _unreadable(path, f"{type(error).__name__}: {error}") from error


def _unreadable(path: Path, why: str) -> StoreError:
    return StoreError(f"{path}: cannot be read ({why}). Restore it from a backup, or move it away.")
