"""Check the report: byte for byte against the one that the tables and texts give now."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from itertools import zip_longest
from typing import TYPE_CHECKING

from daydreaming.pipeline.refresh import ExperimentRows
from daydreaming.pipeline.report import ReportTables, made_with, report_file, report_text
from daydreaming.pipeline.verify_findings import Finding, Kind
from daydreaming.report.render import made_with_of
from daydreaming.settings import Settings
from daydreaming.store.files import DataRoot

if TYPE_CHECKING:
    import pandas as pd

_SHOWN_CHARS = 80


def check_report(
    settings: Settings,
    experiment_id: str,
    rows: ExperimentRows,
    scores: str,
    statistics: Mapping[str, pd.DataFrame],
) -> Finding | None:
    """What is wrong with ``report.html``, or None.

    With which versions its tables were calculated nobody can derive again: the report's word is taken.

    Args:
        settings: The deployment's settings.
        experiment_id: Whose report.
        rows: Derived from the files.
        scores: What ``parsed_scores.csv`` must hold.
        statistics: The tables that are made of it; with people's ratings, where there are any.
    """
    from daydreaming.analysis.export import csv_text, frame_rows

    path = report_file(settings, experiment_id)
    subject = DataRoot(settings.data_root).relative(path)
    if not path.exists():
        # Tables of before there were reports are none the worse for it.
        detail = "not written since there are reports, or deleted; make it: daydreaming report {}"
        return Finding(Kind.REPORT_MISSING, subject, detail.format(experiment_id), experiment_id)
    found = path.read_text(encoding="utf-8", errors="replace")
    hashes = {
        name: hashlib.sha256(csv_text(table).encode()).hexdigest() for name, table in statistics.items()
    }
    tables = ReportTables(
        scores,
        {name: frame_rows(table) for name, table in statistics.items()},
        hashes,
        {stage: list(of_stage.values()) for stage, of_stage in rows.rows.items()},
        made_with_of(found) or made_with(),
    )
    wanted = report_text(settings, experiment_id, tables)
    if path.read_bytes() == wanted.encode():
        return None
    return Finding(Kind.TABLE_DIFFERS, subject, first_line_difference(found, wanted), experiment_id)


def first_line_difference(found: str, wanted: str) -> str:
    """In which line two texts differ first, and how. PURE."""
    lines = zip_longest(found.splitlines(), wanted.splitlines(), fillvalue="")
    for number, (old, new) in enumerate(lines, start=1):
        if old != new:
            start = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), 0)
            start = max(0, start - _SHOWN_CHARS // 4)
            shown, must = (line[start : start + _SHOWN_CHARS] for line in (old, new))
            return f"line {number}: {shown!r}; must be {must!r}"
    return "the same lines, ended otherwise"
