"""How `daydreaming status` looks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TextIO

from daydreaming.cli.plain_text import plain
from daydreaming.cli.progress_text import eta_text, model_json, money_text, rate_text
from daydreaming.cli.terminal import terminal_width
from daydreaming.cli.typed import as_typed
from daydreaming.pipeline.experiments import choose_experiments
from daydreaming.pipeline.progress import ModelProgress, ProgressReader
from daydreaming.pipeline.run_failure import FailureReason, failures_of_experiment
from daydreaming.pipeline.status import StageStatus, experiment_status
from daydreaming.settings import Settings

_COLUMNS = ("experiment_id", "stage", "model", "planned", "answered", "failed", "waiting")
_LIVE_COLUMNS = ("running", "per min", "time left", "spent $")
_NARROW_COLUMNS = ("  stage", "model", "answered", "failed", "waiting", "time left", "spent $")
#: Shown where they are not 0 everywhere.
_RARE_COLUMNS = {"not possible": "blocked", "not to be sent": "held"}


@dataclass(frozen=True)
class StatusRow:
    """Calls of one experiment, stage and model: counted by their files, and how fast they come."""

    counts: StageStatus
    live: ModelProgress

    @property
    def waiting(self) -> int:
        """Still to be answered; without those that cannot be, or may not be sent."""
        return max(0, self.counts.waiting - self.live.blocked - self.live.held)


@dataclass(frozen=True)
class Status:
    """Where one experiment stands.

    Attributes:
        rows: By stage and model; none before it is planned.
        refusals: Why its latest run sends nothing.
        failures: Why calls were given up; asked for one experiment alone.
    """

    experiment_id: str
    rows: Sequence[StatusRow]
    refusals: Sequence[str] = ()
    failures: Sequence[FailureReason] = ()


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
    found: list[Status] = []
    for name in choose_experiments(settings, experiment_id):
        progress = ProgressReader(settings, name).read(now)
        live: dict[tuple[str, str], ModelProgress] = {(m.stage, m.model): m for m in progress.models}
        rows = [StatusRow(row, live[row.stage, row.model]) for row in counts if row.experiment_id == name]
        failures = failures_of_experiment(settings, name, now) if experiment_id and rows else []
        found.append(Status(name, rows, progress.refusals, failures))
    text = status_text(found, terminal_width(out)) if found else nothing_run_text(settings)
    out.write((status_json(found) if as_json else text) + "\n")


def nothing_run_text(settings: Settings) -> str:
    """That there is no experiment, and where it was looked for if that place is not there."""
    text = "No experiment has been run yet."
    if settings.data_root.exists():
        return text
    return f"{text} The data root {settings.data_root} is not there yet (DAYDREAMING_DATA_ROOT)."


def status_json(found: Sequence[Status]) -> str:
    """A JSON list: one object per experiment, stage and model; one without these where nothing is planned."""
    return json.dumps([one for status in found for one in _objects(status)], indent=2)


def status_text(found: Sequence[Status], width: int | None = None) -> str:
    """An aligned table, and below it why nothing more is sent.

    Args:
        found: Experiments.
        width: Of the terminal, for which a wide table is made narrower; None for no such limit.
    """
    rows = [row for status in found for row in status.rows]
    lines = _wide(rows)
    if width is not None and any(len(line) > width for line in lines):
        lines = [
            line for status in found if status.rows for line in (status.experiment_id, *_narrow(status.rows))
        ]
    return "\n".join([*lines, *(line for status in found for line in _remarks(status))])


def _wide(rows: Sequence[StatusRow]) -> list[str]:
    if not rows:
        return []
    rare = _rare(rows)
    head = (*_COLUMNS, *rare, *_LIVE_COLUMNS)
    return _aligned([head, *(_cells(row, rare) for row in rows)], texts=3)


def _narrow(rows: Sequence[StatusRow]) -> list[str]:
    rare = _rare(rows)
    cells = [
        (
            f"  {row.counts.stage}",
            row.counts.model,
            f"{row.counts.answered}/{row.counts.planned}",
            str(row.counts.failed),
            str(row.waiting),
            eta_text(row.live.eta_s) if row.waiting else "",
            money_text(row.live.money),
            *(str(getattr(row.live, rare[name])) for name in rare),
        )
        for row in rows
    ]
    return _aligned([(*_NARROW_COLUMNS, *rare), *cells], texts=2)


def _rare(rows: Sequence[StatusRow]) -> dict[str, str]:
    return {
        name: count for name, count in _RARE_COLUMNS.items() if any(getattr(row.live, count) for row in rows)
    }


def _aligned(cells: Sequence[Sequence[str]], *, texts: int) -> list[str]:
    widths = [max(len(line[i]) for line in cells) for i in range(len(cells[0]))]
    return [
        "  ".join(
            text.ljust(width) if i < texts else text.rjust(width)
            for i, (text, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in cells
    ]


def _remarks(status: Status) -> list[str]:
    refusals = (line for text in status.refusals for line in as_typed(plain(text)).splitlines())
    lines = [f"{status.experiment_id}: {line}" for line in refusals]
    if not status.rows and not status.refusals:
        lines.append(f"{status.experiment_id}: nothing is planned yet.")
    lines += [as_typed(plain(line)) for reason in status.failures for line in reason.lines()]
    return lines


def _counted(row: StatusRow) -> Mapping[str, Any]:
    return {**{name: getattr(row.counts, name) for name in _COLUMNS}, "waiting": row.waiting}


def _cells(row: StatusRow, rare: Mapping[str, str]) -> tuple[str, ...]:
    live = row.live
    return (
        *map(str, _counted(row).values()),
        *(str(getattr(live, count)) for count in rare.values()),
        str(live.running),
        rate_text(live.per_minute) if row.waiting else "",
        eta_text(live.eta_s) if row.waiting else "",
        money_text(live.money),
    )


def _objects(status: Status) -> list[dict[str, Any]]:
    refusal = "\n".join(status.refusals) or None
    if not status.rows:
        empty = dict.fromkeys(("stage", "model"))
        zero = dict.fromkeys(("planned", "answered", "failed", "waiting"), 0)
        return [{"experiment_id": status.experiment_id, **empty, **zero, "refusal": refusal}]
    return [{**_object(row), "refusal": refusal} for row in status.rows]


def _object(row: StatusRow) -> dict[str, Any]:
    counted = _counted(row)
    return {**counted, **{name: value for name, value in model_json(row.live).items() if name not in counted}}
