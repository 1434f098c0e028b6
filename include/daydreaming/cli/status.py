"""How `daydreaming status` looks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TextIO

from daydreaming.cli.progress_text import eta_text, model_json, money_text, rate_text
from daydreaming.pipeline.progress import ModelProgress, ProgressReader
from daydreaming.pipeline.status import StageStatus, experiment_status
from daydreaming.settings import Settings

_COLUMNS = ("experiment_id", "stage", "model", "planned", "answered", "failed", "waiting")
_LIVE_COLUMNS = ("running", "per min", "time left", "spent $")


@dataclass(frozen=True)
class StatusRow:
    """Calls of one experiment, stage and model: counted by their files, and how fast they come."""

    counts: StageStatus
    live: ModelProgress

    @property
    def waiting(self) -> int:
        """Still to be answered; without those that cannot be, or may not be sent."""
        return max(0, self.counts.waiting - self.live.blocked - self.live.held)


def run_status(settings: Settings, experiment_id: str | None, as_json: bool, out: TextIO) -> None:
    """Print where experiments stand.

    Args:
        settings: The deployment's settings.
        experiment_id: None for all.
        as_json: A JSON list instead of text.
        out: Where the text goes.

    Raises:
        InputError: No experiment of this ID was started.
    """
    counts, now = experiment_status(settings, experiment_id), datetime.now(UTC)
    live: dict[tuple[str, str, str], ModelProgress] = {
        (name, model.stage, model.model): model
        for name in dict.fromkeys(row.experiment_id for row in counts)
        for model in ProgressReader(settings, name).read(now).models
    }
    rows = [StatusRow(row, live[row.experiment_id, row.stage, row.model]) for row in counts]
    out.write((status_json(rows) if as_json else status_text(rows)) + "\n")


def status_json(rows: Sequence[StatusRow]) -> str:
    """A JSON list: one object per experiment, stage and model."""
    return json.dumps([_object(row) for row in rows], indent=2)


def status_text(rows: Sequence[StatusRow]) -> str:
    """An aligned table."""
    if not rows:
        return "No experiment has been run yet."
    cells = [(*_COLUMNS, *_LIVE_COLUMNS), *(_cells(row) for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(cells[0]))]
    return "\n".join(
        "  ".join(
            text.ljust(width) if i < 3 else text.rjust(width)
            for i, (text, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in cells
    )


def _counted(row: StatusRow) -> Mapping[str, Any]:
    return {**{name: getattr(row.counts, name) for name in _COLUMNS}, "waiting": row.waiting}


def _cells(row: StatusRow) -> tuple[str, ...]:
    live = row.live
    return (
        *map(str, _counted(row).values()),
        str(live.running),
        rate_text(live.per_minute) if row.waiting else "",
        eta_text(live.eta_s) if row.waiting else "",
        money_text(live.money),
    )


def _object(row: StatusRow) -> dict[str, Any]:
    counted = _counted(row)
    return {**counted, **{name: value for name, value in model_json(row.live).items() if name not in counted}}
