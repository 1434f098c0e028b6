"""How `daydreaming verify` looks. Independent of typer."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from rich.console import Console

from daydreaming.pipeline.verify import Progress as Shown
from daydreaming.pipeline.verify import Silent, verify
from daydreaming.pipeline.verify_findings import Finding, Kind, Report
from daydreaming.settings import Settings

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

#: Of one kind a terminal shows no more; JSON holds all.
MOST_SHOWN = 20


def run_verify(
    settings: Settings, experiment_ids: Sequence[str], as_json: bool, out: TextIO, console: Console
) -> bool:
    """Verify experiments and print what was found.

    Args:
        settings: The deployment's settings.
        experiment_ids: Which experiments; all where none is named.
        as_json: One JSON object instead of text.
        out: Where the findings go.
        console: Where the progress goes, if it is a terminal.

    Returns:
        Whether nothing is wrong.

    Raises:
        InputError: No experiment of such an ID was started.
    """
    with _progress(console) as progress:
        report = verify(settings, experiment_ids, progress)
    out.write((json.dumps(report.to_json(), indent=2) if as_json else report_text(report)) + "\n")
    return report.is_clean


def report_text(report: Report) -> str:
    """The findings by kind, errors first, and what was checked."""
    return "\n".join(_lines(report))


def _lines(report: Report) -> Iterator[str]:
    for kind in Kind:
        findings = [finding for finding in report.findings if finding.kind == kind]
        if not findings:
            continue
        note = "" if findings[0].is_error else ", information"
        yield f"{kind} ({len(findings)}{note})"
        yield from (f"  {_line(finding)}" for finding in findings[:MOST_SHOWN])
        if len(findings) > MOST_SHOWN:
            yield f"  … and {len(findings) - MOST_SHOWN} more: --json lists all."
    errors = sum(finding.is_error for finding in report.findings)
    counted = ", ".join(
        f"{count} {what.removesuffix('s') if count == 1 else what}" for what, count in report.checked.items()
    )
    yield f"Checked {counted}: " + (f"{errors} wrong." if errors else "nothing is wrong.")


def _line(finding: Finding) -> str:
    of = f"[{finding.experiment_id}] " if finding.experiment_id else ""
    text = f"{of}{finding.subject}: {finding.detail}"
    # File names and verdicts are text by strangers.
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


@contextmanager
def _progress(console: Console) -> Iterator[Shown]:
    if not console.is_terminal:
        yield Silent()
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        yield _Bar(progress)


class _Bar:
    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task: TaskID | None = None

    def start(self, what: str, total: int) -> None:
        if self._task is not None:
            self._progress.remove_task(self._task)
        self._task = self._progress.add_task(what, total=total)

    def advance(self) -> None:
        if self._task is not None:
            self._progress.advance(self._task)
