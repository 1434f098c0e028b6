"""How `daydreaming rebuild` looks. Independent of typer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from daydreaming.pipeline.rebuild import Rebuilt, rebuild_database
from daydreaming.pipeline.rebuild_progress import LineProgress, Progress
from daydreaming.settings import Settings

_STEP_WIDTH = 40


def run_rebuild(settings: Settings, as_json: bool, console: Console, out: TextIO) -> None:
    """Rebuild the results database and print what it holds.

    Args:
        settings: The deployment's settings.
        as_json: One JSON object instead of text.
        console: Where the progress goes.
        out: Where the outcome goes.

    Raises:
        StoreError: It cannot be rebuilt now; nothing is changed.
    """
    with _progress(console) as progress:
        rebuilt = rebuild_database(settings, progress)
    out.write((json.dumps(rebuilt_json(rebuilt)) if as_json else rebuilt_text(rebuilt)) + "\n")


def rebuilt_json(rebuilt: Rebuilt) -> dict[str, object]:
    """Rows by table, and the notes."""
    return {"rows": dict(rebuilt.rows), "notes": list(rebuilt.notes)}


def rebuilt_text(rebuilt: Rebuilt) -> str:
    """The same for a person."""
    width = max(map(len, rebuilt.rows), default=0)
    lines = [f"  {table.ljust(width)}  {count:>9,}" for table, count in rebuilt.rows.items()]
    return "\n".join(["The results database was rebuilt from the files. Rows:", *lines, *rebuilt.notes])


@contextmanager
def _progress(console: Console) -> Iterator[Progress]:
    if not console.is_terminal:
        yield LineProgress(lambda line: console.print(line, highlight=False, markup=False, soft_wrap=True))
        return
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=40), MofNCompleteColumn())
    with Bars(*columns, TimeElapsedColumn(), console=console) as bars:
        yield _BarProgress(bars)


class _BarProgress:
    """One bar per step."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._task = bars.add_task("", total=0, visible=False)

    def begin(self, step: str, total: int) -> None:
        """Add the bar of a step."""
        self._task = self._bars.add_task(step[:_STEP_WIDTH].ljust(_STEP_WIDTH), total=total)

    def advance(self) -> None:
        """Move it."""
        self._bars.advance(self._task)
