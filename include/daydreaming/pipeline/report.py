"""``report.html``: one file on an experiment, made of its tables, its ledger and its texts."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from daydreaming.errors import StoreError
from daydreaming.pipeline.human_agreement import TABLE as AGREEMENT
from daydreaming.pipeline.question import read_question, settle_question
from daydreaming.pipeline.report_answers import AnswerRows, stored_answers, sum_answers
from daydreaming.pipeline.report_costs import costs_of
from daydreaming.pipeline.report_essays import shown_essays
from daydreaming.pipeline.report_failures import call_counts, failure_groups
from daydreaming.pipeline.report_origin import design_of, origin_of, time_text
from daydreaming.pipeline.report_scores import distributions, unscored_reasons
from daydreaming.pipeline.table_turns import table_turn
from daydreaming.report.render import report_html
from daydreaming.report.source import Rows, Source, table_file
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.files import DataRoot, write_whole
from daydreaming.store.plans import read_run
from daydreaming.store.statistics import read_source, read_statistics

_CALCULATE = ("numpy", "pandas", "scipy")


@dataclass(frozen=True)
class ReportTables:
    """What a report is made of, and what a check of it derives from the files instead.

    Attributes:
        scores: Text of ``parsed_scores.csv``.
        statistics: Rows of the tables that are made of it, by name; with that of people's ratings, if any.
        hashes: SHA-256 of the CSV files of these tables, by name.
        answers: Rows of the answers that serve the experiment.
        made_with: Versions of what the tables were calculated with.
    """

    scores: str
    statistics: Mapping[str, Rows]
    hashes: Mapping[str, str]
    answers: AnswerRows
    made_with: str


def report_file(settings: Settings, experiment_id: str) -> Path:
    """Where ``report.html`` of an experiment is."""
    return DataRoot(settings.data_root).summary(experiment_id) / "report.html"


def update_report(settings: Settings, run_id: str) -> Path:
    """Write the report of a run's experiment; returns where it is."""
    experiment_id = read_run(engine_for(settings), run_id).experiment_id
    write_report(settings, experiment_id)
    return report_file(settings, experiment_id)


def write_report(settings: Settings, experiment_id: str) -> bool:
    """Write ``report.html`` from the tables as they are.

    Returns:
        Whether it has changed: else the file is left alone.

    Raises:
        StoreError: ``parsed_scores.csv`` is missing, or a text cannot be read.
    """
    path = report_file(settings, experiment_id)
    with table_turn(settings, experiment_id):
        settle_question(settings, experiment_id)
        tables = _stored_tables(settings, experiment_id)
        text = report_text(settings, experiment_id, tables)
        if path.exists() and path.read_bytes() == text.encode():
            return False
        # It can be made again, so nobody waits for the disk.
        write_whole(path, text, durable=False)
    return True


def report_text(settings: Settings, experiment_id: str, tables: ReportTables) -> str:
    """What ``report.html`` is to hold; reads only.

    Args:
        settings: The deployment's settings.
        experiment_id: Whose report.
        tables: What it is made of, beside plan, ledger and texts.

    Raises:
        StoreError: A table or text cannot be read.
    """
    from daydreaming.analysis.score_file import scores_of_csv

    scores = scores_of_csv(tables.scores)
    answers = sum_answers(tables.answers)
    best, disputed = shown_essays(DataRoot(settings.data_root), scores, tables.statistics)
    source = Source(
        experiment_id=experiment_id,
        question=read_question(settings, experiment_id),
        first_call_at=time_text(answers.first_call_at),
        last_answer_at=time_text(answers.last_answer_at),
        design=design_of(settings, experiment_id, scores, answers.runs),
        tables=tables.statistics,
        distributions=distributions(scores),
        unscored=unscored_reasons(scores),
        costs=costs_of(settings, experiment_id),
        calls=call_counts(settings, experiment_id, tables.answers),
        failures=failure_groups(settings, experiment_id),
        best=best,
        disputed=disputed,
        origin=origin_of(settings, experiment_id, answers, _hashes(experiment_id, tables), tables.made_with),
    )
    return report_html(source)


def made_with() -> str:
    """Versions of what calculates the statistics here and now."""
    packages = (f"{name} {version(name)}" for name in _CALCULATE)
    return ", ".join((f"Python {platform.python_version()}", *packages))


def _stored_tables(settings: Settings, experiment_id: str) -> ReportTables:
    from daydreaming.analysis.tables import ANALYSES

    path = DataRoot(settings.data_root).parsing(experiment_id) / "parsed_scores.csv"
    try:
        scores = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise StoreError(
            f"{path}: missing, and the report is made of it. Clear parse_scores of the experiment's last run."
        ) from error
    engine = engine_for(settings)
    names = (*ANALYSES, AGREEMENT)
    rows = {name: read_statistics(engine, experiment_id, name) for name in names}
    source = read_source(engine, experiment_id)
    files = source["files"] if source else {}
    hashes = {name: files[name] for name in names if name in files}
    return ReportTables(scores, rows, hashes, stored_answers(settings, experiment_id), made_with())


def _hashes(experiment_id: str, tables: ReportTables) -> dict[str, str]:
    hashes = {"parsed_scores": hashlib.sha256(tables.scores.encode()).hexdigest(), **tables.hashes}
    return {table_file(experiment_id, name): digest for name, digest in hashes.items()}
