"""How `daydreaming status` looks."""

from __future__ import annotations

import json
from collections.abc import Sequence

from daydreaming.pipeline.status import StageStatus

_COLUMNS = ("experiment_id", "stage", "model", "planned", "answered", "failed", "waiting")


def status_json(rows: Sequence[StageStatus]) -> str:
    """A JSON list: one object per experiment, stage and model."""
    return json.dumps([{name: getattr(row, name) for name in _COLUMNS} for row in rows], indent=2)


def status_text(rows: Sequence[StageStatus]) -> str:
    """An aligned table."""
    if not rows:
        return "No experiment has been run yet."
    cells = [_COLUMNS, *(tuple(str(getattr(row, name)) for name in _COLUMNS) for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(_COLUMNS))]
    return "\n".join(
        "  ".join(
            text.ljust(width) if i < 3 else text.rjust(width)
            for i, (text, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in cells
    )
