"""The ledger, failures and budgets: from the files of ``07_reporting``, and from answers' own records."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daydreaming.inputs.records import Stage
from daydreaming.llm.price import to_nanousd
from daydreaming.objects.path import each_read_ahead
from daydreaming.pipeline.ledger_export import known_calls, known_failures
from daydreaming.pipeline.rebuild_errors import failures_of_errors
from daydreaming.pipeline.rebuild_progress import Progress
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.files import DataRoot
from daydreaming.store.ledger import budget_day, read_calls
from daydreaming.store.plans import insert_rows
from daydreaming.store.results import experiments_with_attempts, read_failures

if TYPE_CHECKING:
    from sqlalchemy import Engine

_STAGES: tuple[Stage, ...] = ("generation", "evaluation")
_ID_CHARS = 32
#: Attempts in these states may be those that an answer came of.
_SENT = ("answered", "unknown", "reserved")
_NEVER = datetime.max.replace(tzinfo=UTC)


def restore_ledger(settings: Settings, fresh: Settings, progress: Progress) -> list[str]:
    """Fill the tables of attempts and failures of a database that has none.

    Args:
        settings: The deployment's; what only its database holds is taken from there.
        fresh: Settings of the database to fill.
        progress: Told of each experiment.

    Returns:
        What could not be restored, one line each.

    Raises:
        StoreError: A file cannot be read.
    """
    old, new = engine_for(settings), engine_for(fresh)
    notes: list[str] = []
    experiments = sorted(_reported(settings.data_root) | experiments_with_attempts(old))
    progress.begin("attempts and failures", len(experiments))
    for experiment_id in experiments:
        calls = known_calls(settings, experiment_id, read_calls(old, experiment_id))
        failures = known_failures(settings, experiment_id, read_failures(old, experiment_id))
        shown = failures_of_errors(settings, experiment_id, failures)
        if shown:
            notes.append(_note_errors(experiment_id, len(shown)))
        _insert(new, calls, [*failures, *shown])
        progress.advance()
    return notes + _add_unlisted(fresh, progress)


def _reported(data_root: Path) -> set[str]:
    folder = DataRoot(data_root).reporting("x").parent
    return {path.name for path in folder.iterdir() if path.is_dir()} if folder.is_dir() else set()


def _insert(
    engine: Engine, calls: Iterable[Mapping[str, Any]], failures: Iterable[Mapping[str, Any]]
) -> None:
    from daydreaming.store.schema import CellFailure, LLMCall

    with engine.begin() as connection:
        insert_rows(connection, LLMCall, calls)
        insert_rows(connection, CellFailure, failures)


def _note_errors(experiment_id: str, count: int) -> str:
    return (
        f"Experiment {experiment_id}: {count} failures come from errors.csv, for there is no failures.csv. "
        "Which of them ended an instance is not known (the last of each cell is taken for it), and those "
        "that errors.csv does not show (nothing was sent) are lost."
    )


def _add_unlisted(fresh: Settings, progress: Progress) -> list[str]:
    """Add an attempt for each stored answer that was paid for and that no attempt tells of."""
    files = DataRoot(fresh.data_root)
    made: list[dict[str, Any]] = []
    progress.begin("answers that no calls.csv tells of", len(_STAGES))
    for stage in _STAGES:
        ends = _last_ends(fresh, stage)
        rows = (_row_of(stage, record) for record in _records(files, stage))
        made += [row for row in rows if row and not _is_told(row, ends)]
        progress.advance()
    _insert(engine_for(fresh), made, [])
    if not made:
        return []
    note = (
        f"{len(made)} answers are in no calls.csv: each counts as one attempt, at the price of its record. "
        "What failed attempts cost is not known."
    )
    return [note]


def _last_ends(fresh: Settings, stage: Stage) -> dict[tuple[str, str], datetime]:
    """When the last attempt of a run at a cell ended that may have been answered."""
    from sqlalchemy import select

    from daydreaming.store.schema import LLMCall

    columns = (LLMCall.cell_id, LLMCall.run_id, LLMCall.ended_at)
    query = select(*columns).where(LLMCall.stage == stage, LLMCall.state.in_(_SENT))
    ends: dict[tuple[str, str], datetime] = {}
    with engine_for(fresh).connect() as connection:
        for cell_id, run_id, ended_at in connection.execute(query):
            end = ended_at or _NEVER
            ends[cell_id, run_id] = max(end, ends.get((cell_id, run_id), end))
    return ends


def _is_told(row: Mapping[str, Any], ends: Mapping[tuple[str, str], datetime]) -> bool:
    """Whether an attempt is that of an answer: what had ended before the answer was asked for is another."""
    end = ends.get((row["cell_id"], row["run_id"]))
    return end is not None and (row["reserved_at"] < end or row["ended_at"] == end)


def _records(files: DataRoot, stage: Stage) -> Iterator[Mapping[str, Any]]:
    answered = sorted(files.answered_ids(stage))
    for cell_id in each_read_ahead(answered, lambda cell_id: [files.provenance(stage, cell_id)]):
        yield files.read_provenance(stage, cell_id)
    for cell_id, request_hash in files.archived_ids(stage):
        yield files.read_archived_provenance(stage, cell_id, request_hash)


def _row_of(stage: Stage, record: Mapping[str, Any]) -> dict[str, Any] | None:
    """The attempt that a record tells of; None where it tells of no call (a file that was brought)."""
    if not record.get("request_hash") or not record.get("started_at"):
        return None
    started_at = datetime.fromisoformat(record["started_at"]).astimezone(UTC)
    cost = record.get("cost_usd")
    parts = (stage, record["cell_id"], record["run_id"], record["request_hash"], record["started_at"])
    return {
        "call_id": hashlib.sha256("/".join(parts).encode()).hexdigest()[:_ID_CHARS],
        "owner": "",
        "experiment_id": record["experiment_id"],
        "run_id": record["run_id"],
        "stage": stage,
        "cell_id": record["cell_id"],
        "model_id": record.get("model_id") or "",
        "conn_id": record.get("conn_id") or "",
        "model_name": record.get("model_requested") or "",
        "attempt": record.get("attempts") or 1,
        "state": "answered",
        "reserved_nanousd": None,
        "cost_nanousd": None if cost is None else to_nanousd(cost),
        "price_source": None,
        "cost_source": record.get("cost_source") or ("unknown" if cost is None else "provider"),
        "prompt_tokens": record.get("prompt_tokens"),
        "completion_tokens": record.get("completion_tokens"),
        "upstream_provider": record.get("upstream_provider") or None,
        "error_class": None,
        "budget_day": budget_day(started_at),
        "start_at": started_at.timestamp(),
        "reserved_at": started_at,
        "ended_at": datetime.fromisoformat(record["ended_at"]) if record.get("ended_at") else None,
    }
