"""How `daydreaming import-legacy` looks. Independent of typer."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from daydreaming.pipeline.import_legacy import import_legacy
from daydreaming.pipeline.import_report import ImportReport
from daydreaming.settings import Settings

#: A terminal shows no more; JSON holds all.
MOST_SHOWN = 40


def run_import_legacy(
    settings: Settings, folder: Path, experiment_id: str, dry_run: bool, as_json: bool, out: TextIO
) -> bool:
    """Import a folder of the original and print the report.

    Args:
        settings: The deployment's settings.
        folder: The original's data folder.
        experiment_id: The experiment that it becomes.
        dry_run: Write nothing but the report.
        as_json: One JSON object instead of text.
        out: Where the report goes.

    Returns:
        Whether everything was placed or is there.

    Raises:
        InputError: Nothing of the original is in the folder, or an argument is wrong.
    """
    report = import_legacy(
        settings, folder, experiment_id=experiment_id, dry_run=dry_run, now=datetime.now(UTC)
    )
    out.write((json.dumps(report.to_json(), indent=2) if as_json else report_text(report)) + "\n")
    return report.is_complete


def report_text(report: ImportReport) -> str:
    """The report for a terminal: counts, what was decided, and what was not placed."""
    return "\n".join(_lines(report))


def _lines(report: ImportReport) -> Iterator[str]:
    if report.dry_run:
        yield f"Nothing was written: this is what an import into experiment {report.experiment_id} would do."
    else:
        yield f"Imported into experiment {report.experiment_id}."
    placed = "would be placed" if report.dry_run else "placed"
    yield from _aligned(
        [
            ("kind", placed, "already there", "not placed"),
            *((c.kind, str(c.placed), str(c.already_there), str(c.not_placed)) for c in report.counts),
        ]
    )
    if report.models:
        yield "\nModels whose ID is another with us:"
        yield from (f"  {_printable(m.legacy)} -> {m.ours} ({m.why})" for m in report.models)
    if report.parsers:
        yield "\nHow answers are read:"
        yield from (f"  {p.stage} {p.template_id}: {p.parser} ({p.why})" for p in report.parsers)
    if report.notes:
        yield ""
        yield from report.notes
    if report.unplaced:
        yield f"\nNot placed ({len(report.unplaced)}):"
        yield from (f"  {_printable(u.file)}: {_printable(u.reason)}" for u in report.unplaced[:MOST_SHOWN])
        if len(report.unplaced) > MOST_SHOWN:
            yield f"  … and {len(report.unplaced) - MOST_SHOWN} more: --json lists all."


def _aligned(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = (
            cell.rjust(width) if i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join(cells)


def _printable(text: str) -> str:
    """One line that any UTF-8 stream takes: file names may hold line ends and undecodable bytes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8").replace("\r", "\\r").replace("\n", "\\n")
