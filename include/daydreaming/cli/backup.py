"""How `daydreaming backup` and `daydreaming restore` look. Independent of typer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console

from daydreaming.cli.steps import shown_steps
from daydreaming.pipeline.backup import back_up
from daydreaming.pipeline.restore import check_backup, restore
from daydreaming.settings import Settings
from daydreaming.store.backup_manifest import Manifest


def run_backup(settings: Settings, path: Path, as_json: bool, console: Console, out: TextIO) -> None:
    """Make a backup and print what is in it.

    Args:
        settings: The deployment's settings.
        path: The file to make.
        as_json: One JSON object instead of text.
        console: Where the progress goes.
        out: Where the outcome goes.

    Raises:
        InputError: The file cannot lie there.
        StoreError: It cannot be made; none is left.
    """
    with shown_steps(console) as progress:
        made = back_up(settings, path, progress)
    first = f"The backup is {made.path} ({made.size_bytes:,} bytes)."
    _write(first, made.manifest, {"file": str(made.path), "file_bytes": made.size_bytes}, as_json, out)


def run_restore(
    settings: Settings, path: Path, check: bool, as_json: bool, console: Console, out: TextIO
) -> None:
    """Restore a backup, or only read and compare it, and print what is in it.

    Args:
        settings: The deployment's settings.
        path: The backup.
        check: Restore nothing.
        as_json: One JSON object instead of text.
        console: Where the progress goes.
        out: Where the outcome goes.

    Raises:
        InputError: There is something already where it would be restored.
        StoreError: It cannot be used; nothing is changed.
    """
    with shown_steps(console) as progress:
        manifest = check_backup(path, progress) if check else restore(settings, path, progress)
    first = f"{path} is whole." if check else f"{path} was restored into {settings.data_root}."
    _write(first, manifest, {"file": str(path), "restored": not check}, as_json, out)


def _write(first: str, manifest: Manifest, given: dict[str, Any], as_json: bool, out: TextIO) -> None:
    if as_json:
        out.write(json.dumps({**given, **manifest_json(manifest)}) + "\n")
    else:
        out.write("\n".join([first, *_lines(manifest)]) + "\n")


def manifest_json(manifest: Manifest) -> dict[str, Any]:
    """What a backup says of itself, but for what only a restore needs."""
    return {
        "version": manifest.version,
        "schema": manifest.schema,
        "created_at": manifest.created_at,
        "files": manifest.files,
        "data_bytes": manifest.size_bytes,
        "responses": dict(manifest.responses),
        "answers_without_row": manifest.answers_without_row(),
        "rows": dict(manifest.rows),
    }


def _lines(manifest: Manifest) -> Iterator[str]:
    yield f"Made {manifest.created_at} by daydreaming {manifest.version}, schema {manifest.schema}."
    answers = ", ".join(f"{count:,} of {stage}s" for stage, count in manifest.responses.items())
    yield f"{manifest.files:,} files, {manifest.size_bytes:,} bytes; answers: {answers}. Rows:"
    width = max(map(len, manifest.rows), default=0)
    yield from (f"  {table.ljust(width)}  {count:>9,}" for table, count in manifest.rows.items())
    late = manifest.answers_without_row()
    if late:
        yield (
            f"{late:,} answers have no row: they came while the backup was made, or nobody planned them. "
            "After a restore, the next run of their experiment, or `daydreaming rebuild`, gives them theirs."
        )
