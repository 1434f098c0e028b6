"""``calls.csv`` and ``failures.csv``: the ledger and the failed attempts of an experiment, as files.

They hold what no other file tells, so that the results database can be made again: every attempt with
its price, and every failure in all its columns (``errors.csv`` shows what a person looks for).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from daydreaming.analysis.export import marked, unmarked
from daydreaming.settings import Settings
from daydreaming.store.csv_rows import read_csv_rows
from daydreaming.store.database import engine_for
from daydreaming.store.files import DataRoot
from daydreaming.store.ledger import read_calls
from daydreaming.store.results import read_failures
from daydreaming.store.task_tables import write_csv

CALL_COLUMNS = (
    "call_id",
    "experiment_id",
    "run_id",
    "stage",
    "cell_id",
    "model_id",
    "model_name",
    "conn_id",
    "attempt",
    "state",
    "reserved_usd",
    "cost_usd",
    "price_source",
    "cost_source",
    "prompt_tokens",
    "completion_tokens",
    "upstream_provider",
    "error_class",
    "budget_day",
    "start_at",
    "reserved_at",
    "ended_at",
    "owner",
)
FAILURE_COLUMNS = (
    "run_id",
    "stage",
    "cell_id",
    "model",
    "attempt",
    "error_class",
    "message",
    "final",
    "occurred_at",
)
#: A dollar is this power of ten in billionths.
_NANO_DIGITS = 9
_MONEY = {"reserved_usd": "reserved_nanousd", "cost_usd": "cost_nanousd"}
_NUMBERS = {"attempt", "prompt_tokens", "completion_tokens"}
_TIMES = {"reserved_at", "ended_at", "occurred_at"}
_NULL_WHERE_EMPTY = {
    "price_source",
    "cost_source",
    "prompt_tokens",
    "completion_tokens",
    "upstream_provider",
    "error_class",
    "ended_at",
}


def write_calls(settings: Settings, experiment_id: str) -> int:
    """Write ``calls.csv`` and ``failures.csv`` of an experiment; returns how many attempts there were.

    What the files hold and the database does not (it was lost, and not rebuilt) stays.

    Raises:
        StoreError: One of the files is there and cannot be read.
    """
    engine = engine_for(settings)
    calls = known_calls(settings, experiment_id, read_calls(engine, experiment_id))
    failures = known_failures(settings, experiment_id, read_failures(engine, experiment_id))
    for path, columns, rows in (
        (calls_file(settings, experiment_id), CALL_COLUMNS, calls_table(calls)),
        (failures_file(settings, experiment_id), FAILURE_COLUMNS, failures_table(failures)),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_csv(path, columns, rows)
    return len(calls)


def known_calls(
    settings: Settings, experiment_id: str, stored: Iterable[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """An experiment's attempts, oldest first: those of ``calls.csv``, and those of the database beside them.

    An attempt that was settled stays as it was settled: there the file holds; else the database does.

    Args:
        settings: The deployment's settings.
        experiment_id: Whose attempts.
        stored: Rows of ``llm_calls``.

    Raises:
        StoreError: The file is there and cannot be read.
    """
    path = calls_file(settings, experiment_id)
    calls = {row["call_id"]: row for row in read_calls_file(path)} if path.exists() else {}
    for row in stored:
        there = calls.get(row["call_id"])
        if there is None or there["state"] == "reserved":
            calls[row["call_id"]] = dict(row)
    return sorted(calls.values(), key=lambda row: (row["reserved_at"], row["call_id"]))


def known_failures(
    settings: Settings, experiment_id: str, stored: Iterable[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """An experiment's failed attempts: those of ``failures.csv``, then those that only the database holds.

    Args:
        settings: The deployment's settings.
        experiment_id: Whose attempts.
        stored: Rows of ``failures``.

    Raises:
        StoreError: The file is there and cannot be read.
    """
    path = failures_file(settings, experiment_id)
    failures = list(read_failures_file(path, experiment_id)) if path.exists() else []
    seen = Counter(_failure_key(row) for row in failures)
    for row in stored:
        key = _failure_key(row)
        if seen[key]:
            seen[key] -= 1
        else:
            failures.append({name: value for name, value in row.items() if name != "id"})
    return failures


def calls_file(settings: Settings, experiment_id: str) -> Path:
    """Where ``calls.csv`` of an experiment is."""
    return DataRoot(settings.data_root).reporting(experiment_id) / "calls.csv"


def failures_file(settings: Settings, experiment_id: str) -> Path:
    """Where ``failures.csv`` of an experiment is."""
    return DataRoot(settings.data_root).reporting(experiment_id) / "failures.csv"


def calls_table(rows: Iterable[Mapping[str, Any]]) -> Iterator[list[object]]:
    """Attempts as ``CALL_COLUMNS`` has them. PURE.

    Args:
        rows: Of ``llm_calls``.

    Returns:
        One per attempt; money in US dollars, exact to the billionth; '' for what is not known; text as
        cells that a spreadsheet takes for no formulas.
    """
    for row in rows:
        yield [_money(row[_MONEY[name]]) if name in _MONEY else _cell(row[name]) for name in CALL_COLUMNS]


def failures_table(rows: Iterable[Mapping[str, Any]]) -> Iterator[list[object]]:
    """Failed attempts as ``FAILURE_COLUMNS`` has them, text as cells that are no formulas. PURE."""
    for row in rows:
        yield [_cell(row[name]) for name in FAILURE_COLUMNS]


def read_calls_file(path: Path) -> Iterator[dict[str, Any]]:
    """Rows of ``llm_calls``, from ``calls.csv``.

    Raises:
        StoreError: The file cannot be read.
    """
    for row in read_csv_rows(path, CALL_COLUMNS, _value):
        yield {_MONEY.get(name, name): value for name, value in row.items()}


def read_failures_file(path: Path, experiment_id: str) -> Iterator[dict[str, Any]]:
    """Rows of ``failures`` without their number, from ``failures.csv``.

    Raises:
        StoreError: The file cannot be read.
    """
    for row in read_csv_rows(path, FAILURE_COLUMNS, _value):
        yield {"experiment_id": experiment_id, **row}


def _value(name: str, text: str) -> Any:
    if name in _MONEY:
        return int(Decimal(text).scaleb(_NANO_DIGITS)) if text else None
    if not text and name in _NULL_WHERE_EMPTY:
        return None
    if name in _NUMBERS:
        return int(text)
    if name in _TIMES:
        return datetime.fromisoformat(text).astimezone(UTC)
    if name == "start_at":
        return float(text)
    return text == "true" if name == "final" else unmarked(text)


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, str):
        return marked(_with_lf(value))
    return "" if value is None else value


def _money(nanousd: int | None) -> str:
    if nanousd is None:
        return ""
    return f"{Decimal(nanousd).scaleb(-_NANO_DIGITS):f}".rstrip("0").rstrip(".")


def _with_lf(text: str) -> str:
    """Text as a cell can hold it: the CSV writer quotes no CR, at which a reader ends the row."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _failure_key(row: Mapping[str, Any]) -> tuple[object, ...]:
    return tuple(
        _with_lf(value) if isinstance(value := row[name], str) else value for name in FAILURE_COLUMNS
    )
