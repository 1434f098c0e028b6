"""Show progress: a live table on a terminal, a line per change on a pipe, or JSON lines."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Protocol

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from daydreaming.cli.progress_text import (
    HEADS,
    change_key,
    line_text,
    progress_json,
    row_text,
    total_text,
)
from daydreaming.cli.rest import AirflowClient
from daydreaming.pipeline.estimate_text import duration_text
from daydreaming.pipeline.progress import Progress, ProgressReader
from daydreaming.settings import Settings

POLL_S = 1.0
_ENDED = ("success", "failed")


class Display(Protocol):
    """Something that shows how far a plan is."""

    def update(self, progress: Progress, now: datetime) -> None:
        """Show it as it is at ``now``."""


def follow(
    client: AirflowClient,
    settings: Settings,
    run_id: str,
    display: Display,
    tell_approval: Callable[[], None],
) -> str:
    """Show the run until it has ended.

    Args:
        client: Of the Airflow that runs it.
        settings: The deployment's settings.
        run_id: The run.
        display: Where it is shown.
        tell_approval: Called once, where the run waits for a person's approval.

    Returns:
        The state in which it ended.
    """
    reader, is_told = ProgressReader(settings, run_id=run_id), False
    while True:
        # The state first: what is counted after the end is complete.
        state, now = client.run_state(run_id), datetime.now(UTC)
        progress = reader.read(now)
        display.update(progress, now)
        if state in _ENDED:
            return state
        if not is_told and progress.may_ask and client.asks_person(run_id):
            is_told = True
            tell_approval()
        time.sleep(POLL_S)


@contextmanager
def open_display(console: Console, *, as_json: bool = False) -> Iterator[Display]:
    """The display that suits where the output goes."""
    if as_json:
        yield _JsonLines(console)
    elif console.is_terminal:
        table = _LiveTable()
        with Live(console=console, auto_refresh=False) as live:
            table.live = live
            yield table
    else:
        yield _Lines(console)


def say(console: Console, text: str) -> None:
    """A line of text, of which nothing is read as markup or broken."""
    console.print(text, highlight=False, soft_wrap=True, markup=False)


def write_json(console: Console, value: dict[str, Any]) -> None:
    """One object on a line of its own, at once: who reads may wait for it."""
    console.file.write(json.dumps(value) + "\n")
    console.file.flush()


class _LiveTable:
    live: Live

    def __init__(self) -> None:
        self._began: datetime | None = None

    def update(self, progress: Progress, now: datetime) -> None:
        self._began = self._began or now
        self.live.update(progress_table(progress, (now - self._began).total_seconds()), refresh=True)


def progress_table(progress: Progress, elapsed_s: float) -> Table:
    """A row per stage and model, and one for all; nothing in it is read as markup."""
    caption = f"{duration_text(elapsed_s)} watched"
    if not progress.models:
        caption = f"The plan is not written yet; {caption}"
    table = Table(box=None, caption=Text(caption), caption_justify="left", pad_edge=False)
    for name in ("stage", "model"):
        table.add_column(name, no_wrap=True)
    for name in HEADS:
        table.add_column(name, justify="right", no_wrap=True)
    for model in progress.models:
        answered, failed, *others = map(Text, row_text(model))
        if model.failed:
            failed.stylize("red")
        if model.answered == model.planned:
            answered.stylize("green")
        table.add_row(Text(model.stage), Text(model.model), answered, failed, *others)
    if len(progress.models) > 1:
        table.add_row(Text("all"), Text(""), *map(Text, total_text(progress)), style="bold")
    return table


class _Lines:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._shown: set[tuple[object, ...]] = set()

    def update(self, progress: Progress, now: datetime) -> None:  # noqa: ARG002 - the other displays need it
        keys = {change_key(model): model for model in progress.models}
        for key, model in keys.items():
            if key not in self._shown:
                say(self._console, line_text(model))
        self._shown = set(keys)


class _JsonLines:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._shown: list[tuple[object, ...]] = []

    def update(self, progress: Progress, now: datetime) -> None:
        keys = [change_key(model) for model in progress.models]
        if keys and keys != self._shown:
            write_json(self._console, {"event": "progress", **progress_json(progress, now)})
            self._shown = keys
