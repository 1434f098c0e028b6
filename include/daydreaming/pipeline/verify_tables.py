"""Check the tables: each file, byte for byte, against the table that is derived now."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daydreaming.design.cells import Evaluation, Generation
from daydreaming.errors import StoreError
from daydreaming.pipeline.cross_tables import cross_experiment_tables
from daydreaming.pipeline.human_agreement import TABLE as AGREEMENT
from daydreaming.pipeline.human_agreement import agreement_tables, ratings_of
from daydreaming.pipeline.ledger_export import (
    CALL_COLUMNS,
    FAILURE_COLUMNS,
    calls_file,
    calls_table,
    failures_file,
    failures_table,
    known_failures,
    read_calls_file,
)
from daydreaming.pipeline.query_files import TABLE_SUFFIXES
from daydreaming.pipeline.query_tables import written_tables
from daydreaming.pipeline.refresh import ExperimentRows
from daydreaming.pipeline.score_table import score_table
from daydreaming.pipeline.tables import (
    errors_file,
    errors_text,
    scores_file,
    statistics_file,
    statistics_of,
)
from daydreaming.pipeline.verify_findings import Finding, Kind
from daydreaming.pipeline.verify_outdated import written_before
from daydreaming.pipeline.verify_report import check_report
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.files import DataRoot, file_sha256
from daydreaming.store.ledger import read_calls
from daydreaming.store.plans import combinations_of_experiment
from daydreaming.store.results import read_failures
from daydreaming.store.statistics import read_statistics
from daydreaming.store.task_tables import COMBINATION_COLUMNS, RELATIONSHIP_COLUMNS

if TYPE_CHECKING:
    import pandas as pd


def check_tables(settings: Settings, experiment_id: str, rows: ExperimentRows) -> Iterator[Finding | None]:
    """Check every table of an experiment.

    Args:
        settings: The deployment's settings.
        experiment_id: Whose tables.
        rows: Derived from the files.

    Yields:
        For each table what is wrong with it, or None.
    """
    from daydreaming.analysis.export import csv_text

    if rows.calls["generation"] or rows.calls["evaluation"]:  # else no plan was written
        yield from _check_plan(settings, experiment_id, rows)
    scores = score_table(settings, experiment_id, rows)
    text = csv_text(scores)
    written = written_before(settings, experiment_id, text)
    yield from map(written.judge, _check_scores(settings, experiment_id, rows, scores, text))


def _check_scores(
    settings: Settings, experiment_id: str, rows: ExperimentRows, scores: pd.DataFrame, text: str
) -> Iterator[Finding | None]:
    from daydreaming.analysis.export import csv_text, frame_rows

    yield _compare(settings, scores_file(settings, experiment_id), text.encode(), experiment_id)
    statistics = statistics_of(text)
    for name, table in statistics.items():
        file = statistics_file(settings, experiment_id, name)
        yield _compare(settings, file, csv_text(table).encode(), experiment_id)
        yield _compare_stored(settings, experiment_id, name, frame_rows(table))
    agreement = agreement_tables(text, ratings_of(settings, scores))
    yield from _check_agreement(settings, experiment_id, agreement)
    errors, _ = errors_text(settings, experiment_id)
    yield _compare(settings, errors_file(settings, experiment_id), errors.encode(), experiment_id)
    yield from _check_ledger(settings, experiment_id)
    yield check_report(settings, experiment_id, rows, text, {**statistics, **agreement})


def check_cross_tables(settings: Settings) -> Iterator[Finding | None]:
    """Check the tables over all experiments; nothing where none was written yet.

    Those of ``daydream_cross_experiment`` were made with a filter that is not kept: they are held against
    what was noted of them when they were written.
    """
    folder = DataRoot(settings.data_root).cross_experiment()
    if not folder.exists():
        return
    for name, frame in cross_experiment_tables(settings).items():
        for suffix in TABLE_SUFFIXES:
            yield _compare(settings, folder / f"{name}{suffix}", _table_bytes(frame, suffix))
    for path, written in written_tables(settings).items():
        yield _compare_digest(settings, path, written)


def _compare_digest(settings: Settings, path: Path, written: str) -> Finding | None:
    found = file_sha256(path)
    if found == written:
        return None
    detail = "is missing" if found is None else "is not as daydream_cross_experiment wrote it"
    return Finding(Kind.TABLE_DIFFERS, DataRoot(settings.data_root).relative(path), detail)


def _check_agreement(
    settings: Settings, experiment_id: str, tables: Mapping[str, pd.DataFrame]
) -> Iterator[Finding | None]:
    from daydreaming.analysis.export import csv_text, frame_rows

    file = statistics_file(settings, experiment_id, AGREEMENT)
    for name, table in tables.items():
        yield _compare(settings, file, csv_text(table).encode(), experiment_id)
        yield _compare_stored(settings, experiment_id, name, frame_rows(table))
    if not tables and file.exists():
        subject = DataRoot(settings.data_root).relative(file)
        yield Finding(Kind.TABLE_DIFFERS, subject, "nobody has rated; must not be there", experiment_id)


def _table_bytes(frame: pd.DataFrame, suffix: str) -> bytes:
    if suffix == ".parquet":
        from daydreaming.analysis.parquet import parquet_bytes

        return parquet_bytes(frame)
    from daydreaming.analysis.export import csv_text

    return csv_text(frame).encode()


def _check_plan(settings: Settings, experiment_id: str, rows: ExperimentRows) -> Iterator[Finding | None]:
    folder = DataRoot(settings.data_root).tasks(experiment_id)
    combinations = combinations_of_experiment(engine_for(settings), experiment_id)
    tables: dict[str, tuple[Sequence[str], Iterator[Sequence[object]]]] = {
        "concept_combinations_combinations": (
            COMBINATION_COLUMNS,
            ((c.combo_id, c.description_level, c.k_max, len(c.concept_ids)) for c in combinations),
        ),
        "concept_combinations_relationships": (
            RELATIONSHIP_COLUMNS,
            ((c.combo_id, concept, i) for c in combinations for i, concept in enumerate(c.concept_ids)),
        ),
        "generation_tasks": (
            Generation._fields,
            (call.cell.as_generation() for call in rows.calls["generation"].values()),
        ),
        "evaluation_tasks": (
            Evaluation._fields,
            (call.cell.as_evaluation() for call in rows.calls["evaluation"].values()),
        ),
    }
    for name, (columns, records) in tables.items():
        yield _compare(settings, folder / f"{name}.csv", _csv_bytes(columns, records), experiment_id)


def _check_ledger(settings: Settings, experiment_id: str) -> Iterator[Finding | None]:
    """The exports of the ledger hold all that the database has, as it has it; they may hold more."""
    try:
        yield from _compare_ledger(settings, experiment_id)
    except StoreError as error:
        subject = f"07_reporting/{experiment_id}"
        yield Finding(Kind.UNREADABLE, subject, str(error), experiment_id)


def _compare_ledger(settings: Settings, experiment_id: str) -> Iterator[Finding | None]:
    engine = engine_for(settings)
    path = calls_file(settings, experiment_id)
    calls = {row["call_id"]: row for row in read_calls_file(path)} if path.exists() else {}
    calls |= {row["call_id"]: row for row in read_calls(engine, experiment_id)}
    ordered = sorted(calls.values(), key=lambda row: (row["reserved_at"], row["call_id"]))
    yield _compare(settings, path, _csv_bytes(CALL_COLUMNS, calls_table(ordered)), experiment_id)
    failures = known_failures(settings, experiment_id, read_failures(engine, experiment_id))
    wanted = _csv_bytes(FAILURE_COLUMNS, failures_table(failures))
    yield _compare(settings, failures_file(settings, experiment_id), wanted, experiment_id)


def _csv_bytes(columns: Sequence[str], records: Iterable[Sequence[object]]) -> bytes:
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(records)
    return buffer.getvalue().encode()


def _compare(settings: Settings, path: Path, wanted: bytes, experiment_id: str = "") -> Finding | None:
    found = path.read_bytes() if path.exists() else None
    if found == wanted:
        return None
    detail = "is missing" if found is None else first_difference(found, wanted)
    subject = DataRoot(settings.data_root).relative(path)
    return Finding(Kind.TABLE_DIFFERS, subject, detail, experiment_id)


def _compare_stored(
    settings: Settings, experiment_id: str, name: str, wanted: Sequence[dict[str, Any]]
) -> Finding | None:
    found = read_statistics(engine_for(settings), experiment_id, name)
    if found == list(wanted):
        return None
    subject = f"database: statistics/{experiment_id}/{name}"
    for position, (old, new) in enumerate(zip(found, wanted, strict=False)):
        for column in new:
            if old.get(column) != new[column]:
                detail = f"row {position}, {column}: {old.get(column)!r}; must be {new[column]!r}"
                return Finding(Kind.STATISTICS_DIFFER, subject, detail, experiment_id)
    detail = f"{len(found)} rows; must be {len(wanted)}"
    return Finding(Kind.STATISTICS_DIFFER, subject, detail, experiment_id)


def first_difference(found: bytes, wanted: bytes) -> str:
    """Where two CSV texts differ first: row (as a spreadsheet counts, the header is 1) and column. PURE."""
    try:
        texts = found.decode(), wanted.decode()
        old, new = (list(csv.reader(io.StringIO(text, newline=""))) for text in texts)
    except (UnicodeDecodeError, csv.Error):
        return f"{len(found)} bytes; must be {len(wanted)} others"
    for number, (before, after) in enumerate(zip_longest(old, new), start=1):
        if before is None or after is None:
            return f"{len(old) - 1} rows; must be {len(new) - 1}"
        if before != after:
            return f"row {number}, {_cell_difference(before, after, new[0] if new else [])}"
    return "the same cells, quoted or ended otherwise"


def _cell_difference(found: Sequence[str], wanted: Sequence[str], header: Sequence[str]) -> str:
    for position, (old, new) in enumerate(zip_longest(found, wanted)):
        if old != new:
            name = header[position] if position < len(header) else f"cell {position + 1}"
            return f"{name}: {_shown(old)}; must be {_shown(new)}"
    return "cells"


def _shown(text: str | None) -> str:
    if text is None:
        return "no cell"
    return repr(text if len(text) <= 80 else f"{text[:79]}…")
