"""The steps of a long work, as they go: bars on a terminal, lines elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from daydreaming.pipeline.rebuild_progress import LineProgress, Progress

_STEP_WIDTH = 40


@contextmanager
def shown_steps(console: Console) -> Iterator[Progress]:
    """Show steps on a console while the block runs."""
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
