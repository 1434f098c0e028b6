"""How `daydreaming rebuild` looks. Independent of typer."""

from __future__ import annotations

import json
from typing import TextIO

from rich.console import Console

from daydreaming.cli.steps import shown_steps
from daydreaming.pipeline.rebuild import Rebuilt, rebuild_database
from daydreaming.settings import Settings


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
    with shown_steps(console) as progress:
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
