"""Show a run's progress: bars on a terminal, a line per change on a pipe."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from daydreaming.cli.rest import AirflowClient
from daydreaming.pipeline.completeness import Completeness, count_given_up, count_run
from daydreaming.settings import Settings

POLL_S = 1.0
_ENDED = ("success", "failed")


class Display(Protocol):
    """Something that shows how far a run is."""

    def update(self, counts: Completeness, failed: tuple[int, int]) -> None:
        """Show the counts; ``failed`` are calls by stage that were given up."""


def follow(client: AirflowClient, settings: Settings, run_id: str, console: Console) -> str:
    """Show the run until it has ended; returns its state."""
    with _display(console) as display:
        while True:
            state = client.run_state(run_id)
            display.update(count_run(settings, run_id), count_given_up(settings, run_id))
            if state in _ENDED:
                return state
            time.sleep(POLL_S)


@contextmanager
def _display(console: Console) -> Iterator[Display]:
    if not console.is_terminal:
        yield _Lines(console)
        return
    progress = Progress(
        TextColumn("{task.description:12}"),
        BarColumn(bar_width=40),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
        console=console,
    )
    with progress:
        yield _Bars(progress)


class _Bars:
    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks = [
            progress.add_task(name, total=None, note="") for name in ("generations", "evaluations")
        ]

    def update(self, counts: Completeness, failed: tuple[int, int]) -> None:
        for task, stage, wrong in zip(
            self._tasks, (counts.generation, counts.evaluation), failed, strict=True
        ):
            note = f"[red]{wrong} failed[/red]" if wrong else ""
            self._progress.update(task, total=stage.planned or None, completed=stage.answered, note=note)


class _Lines:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._last = ""

    def update(self, counts: Completeness, failed: tuple[int, int]) -> None:
        line = (
            f"generations {counts.generation.answered}/{counts.generation.planned}, {failed[0]} failed; "
            f"evaluations {counts.evaluation.answered}/{counts.evaluation.planned}, {failed[1]} failed"
        )
        if line != self._last and counts.planned:
            self._console.print(line, highlight=False, soft_wrap=True)
            self._last = line
