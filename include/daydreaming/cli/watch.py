"""`daydreaming watch`: follow an experiment that was started elsewhere, from the results database alone."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from rich.console import Console

from daydreaming.cli.plain_text import plain
from daydreaming.cli.progress import Display, open_display, say, write_json
from daydreaming.cli.progress_text import change_key, money_text, progress_json
from daydreaming.cli.status import nothing_run_text
from daydreaming.cli.typed import as_typed, typed_command
from daydreaming.pipeline.experiments import choose_experiments
from daydreaming.pipeline.ledger_export import failures_file
from daydreaming.pipeline.progress import Progress, ProgressReader
from daydreaming.pipeline.run_failure import failures_of_experiment
from daydreaming.settings import Settings

POLL_S = 2.0
#: An experiment that stands still for this long gets a remark.
_STILL = timedelta(minutes=5)


def run_watch(settings: Settings, experiment_id: str | None, console: Console, *, as_json: bool) -> bool:
    """Show an experiment until nothing in it is waiting.

    Args:
        settings: The deployment's settings.
        experiment_id: None for the newest that is not complete.
        console: Where everything is printed.
        as_json: One JSON object per line instead: each change, and the result.

    Returns:
        False where calls failed, or none may be sent.

    Raises:
        InputError: No experiment of this ID was started.
    """
    chosen = choose_experiments(settings, experiment_id)
    if experiment_id is None:
        unfinished = _newest_unfinished(settings, chosen)
        if unfinished is None:
            _say_nothing_waits(settings, console, len(chosen), as_json)
            return True
        experiment_id = unfinished
    if not as_json:
        say(console, f"Experiment {experiment_id}")
    with open_display(console, as_json=as_json) as display:
        progress = _watch(ProgressReader(settings, experiment_id), display, _Stillness(console, as_json))
    succeeded = not progress.total("failed") and not progress.refusals
    if as_json:
        end = progress_json(progress, datetime.now(UTC))
        write_json(console, {"event": "result", "succeeded": succeeded, **end})
    else:
        for line in _end_lines(settings, progress):
            say(console, line)
    return succeeded


def _newest_unfinished(settings: Settings, oldest_first: list[str]) -> str | None:
    now = datetime.now(UTC)
    for name in reversed(oldest_first):
        if not ProgressReader(settings, name).read(now).is_over:
            return name
    return None


def _watch(reader: ProgressReader, display: Display, stillness: _Stillness) -> Progress:
    while True:
        now = datetime.now(UTC)
        progress = reader.read(now)
        display.update(progress, now)
        if progress.is_over:
            return progress
        stillness.remark(progress, now)
        time.sleep(POLL_S)


@dataclass
class _Stillness:
    """Says once that an experiment stands still: it may wait for a person, or Airflow may be down."""

    console: Console
    as_json: bool
    _key: Any = None
    _since: datetime | None = None
    _is_said: bool = False

    def remark(self, progress: Progress, now: datetime) -> None:
        """Look at it as it is at ``now``."""
        key = [change_key(model) for model in progress.models]
        if key != self._key or progress.total("running"):
            self._key, self._since, self._is_said = key, now, False
        if self._is_said or self._since is None or now - self._since < _STILL:
            return
        self._is_said = True
        if self.as_json:
            write_json(self.console, {"event": "still", "since": self._since.isoformat(timespec="seconds")})
            return
        minutes = int(_STILL.total_seconds() // 60)
        say(
            self.console,
            f"Nothing has changed for {minutes} minutes and no call is running: Airflow may be down, the run "
            "may wait for a person's approval or for a daily limit. Ctrl-C stops watching.",
        )


def _end_lines(settings: Settings, progress: Progress) -> list[str]:
    answered, planned = progress.total("answered"), progress.total("planned")
    lines = [as_typed(plain(refusal)) for refusal in progress.refusals]
    if progress.is_dry:
        lines.append("Dry run: nothing is sent.")
    elif planned:
        spent = money_text(progress.money)
        lines.append(f"{answered:,} of {planned:,} calls are answered; {spent} US dollars spent.")
    if (held := progress.total("held")) and not progress.is_dry:
        lines.append(f"{held:,} calls are not to be sent.")
    if blocked := progress.total("blocked"):
        lines.append(f"{blocked:,} evaluations are not possible: no essay was found in the answer.")
    if failed := progress.total("failed"):
        every = failures_file(settings, str(progress.experiment_id))
        lines.append(
            f"{failed:,} calls failed. Read why below, and of each attempt in {every}; clear the run with "
            "'only failed' to call them again."
        )
        reasons = failures_of_experiment(settings, str(progress.experiment_id), datetime.now(UTC))
        lines += [as_typed(plain(line)) for reason in reasons for line in reason.lines()]
    if answered:
        lines.append(f"Read the essays with: {typed_command()} essays {progress.experiment_id}")
    return lines


def _say_nothing_waits(settings: Settings, console: Console, experiments: int, as_json: bool) -> None:
    if as_json:
        write_json(console, {"event": "result", "succeeded": True, "experiment_id": None})
    elif experiments:
        where = "the one experiment" if experiments == 1 else f"any of {experiments:,} experiments"
        say(console, f"Nothing is waiting in {where}.")
    else:
        say(console, nothing_run_text(settings))
