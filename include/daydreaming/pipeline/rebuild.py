"""Make the results database again from the files alone (docs/adr/0015-rebuild-beside-then-replace.md).

It is made beside the one that is in use, in a file of its own, and takes its place in one
transaction: whatever fails before that leaves everything as it was.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from daydreaming.errors import StoreError
from daydreaming.inputs.records import Stage
from daydreaming.objects.path import ObjectPath
from daydreaming.pipeline.cut_off import refuse_half_restored
from daydreaming.pipeline.rebuild_budgets import restore_budgets
from daydreaming.pipeline.rebuild_export import export_runs
from daydreaming.pipeline.rebuild_ledger import restore_ledger
from daydreaming.pipeline.rebuild_plans import restore_plans
from daydreaming.pipeline.rebuild_progress import Progress
from daydreaming.pipeline.refresh import refresh_rows
from daydreaming.pipeline.tables import statistics_file, store_statistics
from daydreaming.settings import Settings
from daydreaming.store.database import SQLITE_NAME, engine_for, writing_engine
from daydreaming.store.files import DataRoot
from daydreaming.store.migrate import upgrade_database
from daydreaming.store.plans import planned_ids
from daydreaming.store.ratings import insert_ratings, stored_ratings
from daydreaming.store.replace_tables import read_marks, rebuilt_tables, replace_tables, require_rest
from daydreaming.store.results import list_experiments
from daydreaming.store.turns import hold_turn
from daydreaming.store.unreadable import set_aside_unreadable

_STAGES: tuple[Stage, ...] = ("generation", "evaluation")
_BESIDE = ".~rebuild-"


@dataclass(frozen=True)
class Rebuilt:
    """What a rebuild made.

    Attributes:
        rows: By table.
        notes: What could not be restored, or was not there, one line each.
    """

    rows: Mapping[str, int]
    notes: tuple[str, ...]


def rebuild_database(settings: Settings, progress: Progress) -> Rebuilt:
    """Make the results database again from the files, and put it in the place of the old one.

    What only the old one holds of runs, attempts and failures goes along, where it can be read; what is
    only of the moment stays in it (leases, starts, what was learned of limits).

    Args:
        settings: The deployment's settings.
        progress: Told of each step.

    Raises:
        StoreError: Calls are being made, another rebuild runs, or a file cannot be read: nothing is
            changed then.
    """
    with _only_one(settings), set_aside_unreadable(settings) as put_aside:
        refuse_half_restored(settings)
        upgrade_database(settings)
        with engine_for(settings).connect() as connection:
            require_rest(connection)
            before = read_marks(connection)
        written = export_runs(settings)
        with _beside(settings) as fresh:
            notes = _fill(settings, fresh, progress)
            progress.begin("replacing the tables", len(rebuilt_tables()))
            rows = replace_tables(engine_for(fresh), writing_engine(settings), before, progress.advance)
    return Rebuilt(rows, (*_first_notes(written, put_aside), *notes))


def _fill(settings: Settings, fresh: Settings, progress: Progress) -> list[str]:
    upgrade_database(fresh)
    notes = restore_plans(fresh, progress)
    notes += restore_ledger(settings, fresh, progress)
    restore_budgets(fresh)
    with engine_for(fresh).begin() as connection:
        insert_ratings(connection, stored_ratings(fresh.data_root))
    for experiment_id in list_experiments(engine_for(fresh)):
        _derive(fresh, experiment_id, progress)
    return notes + _unplanned(fresh)


def _derive(fresh: Settings, experiment_id: str, progress: Progress) -> None:
    """Rows of responses, members, scores and statistics, as the tables' tasks derive them."""
    files, engine = DataRoot(fresh.data_root), engine_for(fresh)
    answered = sum(
        len(planned_ids(engine, stage, experiment_id) & files.answered_ids(stage)) for stage in _STAGES
    )
    progress.begin(f"responses of {experiment_id}", answered)
    # An essay that is there may be another's than our parser's (of an import): it stays.
    rows = refresh_rows(fresh, experiment_id, keep_essays=True, on_read=progress.advance)
    # One that was planned only, or is under way, has no tables yet.
    if statistics_file(fresh, experiment_id, "final_results").exists():
        progress.begin(f"statistics of {experiment_id}", 1)
        store_statistics(fresh, experiment_id, rows)
        progress.advance()


def _unplanned(fresh: Settings) -> list[str]:
    files, engine = DataRoot(fresh.data_root), engine_for(fresh)
    counts = {stage: len(files.answered_ids(stage) - planned_ids(engine, stage)) for stage in _STAGES}
    return [
        f"{count} {stage} responses belong to no plan, so they are in no table; their files stay."
        for stage, count in counts.items()
        if count
    ]


def _first_notes(written: int, put_aside: Path | None) -> list[str]:
    notes = []
    if put_aside:
        notes.append(
            f"The old database could not be read; it is kept as {put_aside}. Restart Airflow: its "
            "processes have the old file open."
        )
    if written:
        notes.append(f"{written} runs were in the old database alone; they have their files now.")
    return notes


@contextmanager
def _only_one(settings: Settings) -> Iterator[None]:
    if not settings.data_root.is_dir():
        raise StoreError(f"{settings.data_root}: no such folder. Set DAYDREAMING_DATA_ROOT to the data root.")
    try:
        with hold_turn(settings.data_root / ".rebuild.lock", settings.results_conn, timeout_s=0):
            for left in _scratch(settings).glob(f"{_BESIDE}*"):
                shutil.rmtree(left, ignore_errors=True)
            yield
    except TimeoutError as error:
        raise StoreError("Another rebuild of this data root is running. Wait until it has ended.") from error


def _scratch(settings: Settings) -> Path:
    """Where a second database has room: not among temporary files, which may lie in memory."""
    return settings.cache_folder if isinstance(settings.data_root, ObjectPath) else settings.data_root


@contextmanager
def _beside(settings: Settings) -> Iterator[Settings]:
    """Settings of an empty database beside the one in use; it is deleted afterwards."""
    folder = _scratch(settings) / f"{_BESIDE}{uuid.uuid4().hex}"
    folder.mkdir(parents=True)
    fresh = replace(settings, results_file=folder / SQLITE_NAME)
    try:
        yield fresh
    finally:
        engine_for(fresh).dispose()
        writing_engine(fresh).dispose()
        shutil.rmtree(folder, ignore_errors=True)
