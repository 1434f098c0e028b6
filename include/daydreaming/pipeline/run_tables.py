"""The tables' tasks of a run: each can run twice and leave the same files."""

from __future__ import annotations

from datetime import UTC, datetime

from daydreaming.errors import StoreError
from daydreaming.pipeline.completeness import count_run, describe, incomplete_message
from daydreaming.pipeline.rejudge import rejudges
from daydreaming.pipeline.table_turns import table_turn
from daydreaming.pipeline.tables import (
    read_scores,
    write_all_tables,
    write_errors,
    write_scores,
    write_summaries,
)
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.files import DataRoot
from daydreaming.store.plans import RunRecord, cells_of_run, read_created_at, read_refusal, read_run


def is_planned(settings: Settings, run_id: str) -> bool:
    """Whether both stages of the run have a plan; a run that only judges has one."""
    engine = engine_for(settings)
    if not cells_of_run(engine, run_id, "evaluation"):
        return False
    return bool(cells_of_run(engine, run_id, "generation")) or rejudges(_run(settings, run_id).params)


def update_scores(settings: Settings, run_id: str) -> tuple[int, int]:
    """Write ``parsed_scores.csv``; returns how many evaluations are scored and planned."""
    scores = write_scores(settings, _run(settings, run_id).experiment_id)
    return int(scores["score"].notna().sum()), len(scores)


def update_summaries(settings: Settings, run_id: str) -> str:
    """Write the summaries of ``parsed_scores.csv`` as it is; returns them as a short text."""
    from daydreaming.analysis.final_results import final_results
    from daydreaming.analysis.leaderboard import summary_text

    experiment_id = _run(settings, run_id).experiment_id
    with table_turn(settings, experiment_id):
        scores = read_scores(settings, experiment_id)
        tables = write_summaries(settings, experiment_id, scores)
    return summary_text(tables["final_results"] if tables else final_results(scores))


def update_errors(settings: Settings, run_id: str) -> int:
    """Write ``errors.csv``; returns how many calls failed."""
    return write_errors(settings, _run(settings, run_id).experiment_id)


def complete_run(settings: Settings, run_id: str) -> str:
    """Bring every table up to date, then judge the run; a run with shards is judged with all of them.

    A shard leaves the tables to the run that planned it, as long as that has not written them.

    Returns:
        The counts in one line.

    Raises:
        StoreError: Nothing was planned, the estimate was refused, or more than ``max_failed_fraction``
            of the calls have no answer.
    """
    if refusal := read_refusal(engine_for(settings), run_id):
        raise StoreError(refusal)
    if not is_planned(settings, run_id):
        raise StoreError("Nothing was planned: see the log of the first task of this run that failed.")
    run = _run(settings, run_id)
    if writes_tables(settings, run_id):
        write_all_tables(settings, run.experiment_id)
    # After the tables: they bring the rows up to date that tell which essays were not found.
    completeness = count_run(settings, run_id)
    limit = run.params["max_failed_fraction"]
    if completeness.failed_fraction > limit:
        raise StoreError(incomplete_message(completeness, limit))
    return describe(completeness)


def writes_tables(settings: Settings, run_id: str) -> bool:
    """Whether this run writes the tables now: a shard only once the run that planned it has."""
    run = _run(settings, run_id)
    if run.parent_run_id is None:
        return True
    # The first of the tables: it is written each time, the others only where they change.
    table = DataRoot(settings.data_root).parsing(run.experiment_id) / "parsed_scores.csv"
    planned_at = read_created_at(engine_for(settings), run.parent_run_id)
    # The run that planned it waits for all its shards; an older table is of an earlier run.
    return table.exists() and datetime.fromtimestamp(table.stat().st_mtime, UTC) > planned_at


def _run(settings: Settings, run_id: str) -> RunRecord:
    return read_run(engine_for(settings), run_id)
