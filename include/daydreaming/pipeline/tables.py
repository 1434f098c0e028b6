"""Write the tables of an experiment, as files and into the results database.

Each function that writes holds the tables from reading to writing; see ``table_turns``.
"""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daydreaming.pipeline.cross_tables import write_cross_experiment
from daydreaming.pipeline.human_agreement import agreement_tables, ratings_digest, ratings_of
from daydreaming.pipeline.ledger_export import write_calls
from daydreaming.pipeline.refresh import ExperimentRows, refresh_rows
from daydreaming.pipeline.report import write_report
from daydreaming.pipeline.report_failures import is_failed_call
from daydreaming.pipeline.score_table import score_table
from daydreaming.pipeline.table_source import code_digest
from daydreaming.pipeline.table_turns import table_turn
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.files import DataRoot, file_sha256, write_whole
from daydreaming.store.results import read_failures
from daydreaming.store.statistics import read_source, replace_statistics

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from daydreaming.store.ratings import RatingRecord

log = logging.getLogger(__name__)
_ERROR_COLUMNS = (
    "cell_id",
    "stage",
    "model",
    "attempt",
    "error_class",
    "message",
    "time",
    "run_id",
)


def scores_file(settings: Settings, experiment_id: str) -> Path:
    """Where ``parsed_scores.csv`` of an experiment is."""
    return DataRoot(settings.data_root).parsing(experiment_id) / "parsed_scores.csv"


def statistics_file(settings: Settings, experiment_id: str, name: str) -> Path:
    """Where a table of ``ANALYSES`` is: where the Dagster original has it."""
    files = DataRoot(settings.data_root)
    folder = files.parsing if name.endswith("_analysis") else files.summary
    return folder(experiment_id) / f"{name}.csv"


def write_scores(settings: Settings, experiment_id: str) -> pd.DataFrame:
    """Bring rows up to date with the files, then write ``parsed_scores.csv``; returns it."""
    from daydreaming.analysis.export import csv_text

    with table_turn(settings, experiment_id):
        scores = score_table(settings, experiment_id, refresh_rows(settings, experiment_id))
        _write(scores_file(settings, experiment_id), csv_text(scores))
    return scores


def read_scores(settings: Settings, experiment_id: str) -> pd.DataFrame:
    """``parsed_scores.csv`` as it was written last; written now where it is missing or cannot be read."""
    from daydreaming.analysis.score_file import scores_of_csv
    from daydreaming.errors import StoreError

    try:
        return scores_of_csv(scores_file(settings, experiment_id).read_text(encoding="utf-8"))
    except (FileNotFoundError, UnicodeDecodeError, StoreError):
        return write_scores(settings, experiment_id)


def write_summaries(
    settings: Settings, experiment_id: str, scores: pd.DataFrame
) -> Mapping[str, pd.DataFrame] | None:
    """Write every table of ``ANALYSES`` and that of people's ratings, and their rows into the database.

    Nothing is done where both are there, made of the same scores and ratings by the same code: the statistics
    take longer than everything else together. The caller holds the tables since it read the scores.

    Returns:
        The tables by name; None where nothing was to be done.
    """
    from daydreaming.analysis.export import csv_text

    text = csv_text(scores)
    with table_turn(settings, experiment_id):
        ratings = ratings_of(settings, scores, log.warning)
        source = _source(text, ratings)
        known = read_source(engine_for(settings), experiment_id)
        if known and known["made_of"] == source and _are_there(settings, experiment_id, known["files"]):
            return None
        tables = {**statistics_of(text), **agreement_tables(text, ratings)}
        texts = {name: csv_text(table) for name, table in tables.items()}
        for name, table_text in texts.items():
            _write(statistics_file(settings, experiment_id, name), table_text)
        for name in (known["files"] if known else {}).keys() - texts.keys():
            # It was made of ratings that are all gone.
            statistics_file(settings, experiment_id, name).unlink(missing_ok=True)
        _store(settings, experiment_id, source, tables, texts)
    return tables


def store_statistics(settings: Settings, experiment_id: str, rows: ExperimentRows | None = None) -> None:
    """Compute an experiment's statistics and put them into the results database; no table is written.

    Args:
        settings: The deployment's settings.
        experiment_id: Whose statistics.
        rows: What ``refresh_rows`` returned, where that was called already.
    """
    from daydreaming.analysis.export import csv_text

    scores = score_table(settings, experiment_id, rows or refresh_rows(settings, experiment_id))
    text, ratings = csv_text(scores), ratings_of(settings, scores, log.warning)
    tables = {**statistics_of(text), **agreement_tables(text, ratings)}
    texts = {name: csv_text(table) for name, table in tables.items()}
    _store(settings, experiment_id, _source(text, ratings), tables, texts)


def statistics_of(scores_text: str) -> dict[str, pd.DataFrame]:
    """Every table of ``ANALYSES``, made of what ``parsed_scores.csv`` holds."""
    from daydreaming.analysis.score_file import scores_of_csv
    from daydreaming.analysis.tables import ANALYSES

    scores = scores_of_csv(scores_text)
    return {name: make(scores) for name, make in ANALYSES.items()}


def write_errors(settings: Settings, experiment_id: str) -> int:
    """Write ``errors.csv``, one row per failed call, and the ledger beside it; returns how many failed."""
    with table_turn(settings, experiment_id):
        text, count = errors_text(settings, experiment_id)
        _write(errors_file(settings, experiment_id), text)
        write_calls(settings, experiment_id)
    return count


def errors_file(settings: Settings, experiment_id: str) -> Path:
    """Where ``errors.csv`` of an experiment is."""
    return DataRoot(settings.data_root).reporting(experiment_id) / "errors.csv"


def errors_text(settings: Settings, experiment_id: str) -> tuple[str, int]:
    """What ``errors.csv`` is to hold, and how many failed calls that are."""
    from daydreaming.analysis.export import rows_csv

    failures = [
        {**row, "time": row["occurred_at"].isoformat()}
        for row in read_failures(engine_for(settings), experiment_id)
        if is_failed_call(row)
    ]
    rows = [[row[column] for column in _ERROR_COLUMNS] for row in failures]
    return rows_csv(_ERROR_COLUMNS, rows), len(failures)


def write_all_tables(settings: Settings, experiment_id: str) -> None:
    """Every table anew from files and rows; statistics only where the scores have changed."""
    write_experiment_tables(settings, experiment_id)
    write_cross_experiment(settings)


def write_experiment_tables(settings: Settings, experiment_id: str) -> bool:
    """The same without those over all experiments; returns whether the report has changed."""
    with table_turn(settings, experiment_id):
        write_summaries(settings, experiment_id, write_scores(settings, experiment_id))
        write_errors(settings, experiment_id)
        return write_report(settings, experiment_id)


def _source(scores_text: str, ratings: Sequence[RatingRecord]) -> dict[str, str]:
    made_of = {"scores": _sha256(scores_text), "code": code_digest()}
    return {**made_of, "ratings": ratings_digest(ratings)} if ratings else made_of


def _are_there(settings: Settings, experiment_id: str, files: Mapping[str, str]) -> bool:
    """Whether the tables are still as they were written: a person may have edited or deleted one."""
    return all(
        file_sha256(statistics_file(settings, experiment_id, name)) == digest
        for name, digest in files.items()
    )


def _store(
    settings: Settings,
    experiment_id: str,
    made_of: Mapping[str, Any],
    tables: Mapping[str, pd.DataFrame],
    texts: Mapping[str, str],
) -> None:
    from daydreaming.analysis.export import frame_rows

    source = {"made_of": made_of, "files": {name: _sha256(text) for name, text in texts.items()}}
    rows = {name: frame_rows(table) for name, table in tables.items()}
    replace_statistics(engine_for(settings), experiment_id, rows, source)


def _write(path: Path, text: str) -> None:
    # It can be made again, so nobody waits for the disk.
    write_whole(path, text, durable=False)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
