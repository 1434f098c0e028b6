"""What people are told of a run that has ended, and of a night that is not over: short plain texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from daydreaming.errors import BudgetError, MissingResponseError
from daydreaming.llm.price import to_usd, usd_text
from daydreaming.pipeline.budgets import read_caps
from daydreaming.pipeline.estimate_text import duration_text
from daydreaming.pipeline.experiments import has_results
from daydreaming.pipeline.nightly import nightly_triggers
from daydreaming.pipeline.progress import Progress, ProgressReader
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.notice_queries import RunFailure, open_failures
from daydreaming.store.plans import RunRecord, runs_of_plan

State = Literal["success", "failed"]

_ERRORS = 3
_ERROR_CHARS = 300
_CLEAR = "Read why in the log of a failed instance, mend it, then clear the run with 'only failed'."


@dataclass(frozen=True)
class Notice:
    """A message.

    Attributes:
        subject: One line.
        lines: The rest, a paragraph each; nothing in it is markup of any kind.
    """

    subject: str
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """All lines."""
        return "\n".join(self.lines)


@dataclass(frozen=True)
class EndedRun:
    """A run that has ended, as Airflow tells it.

    Attributes:
        failed_task: The task that failed last; '' where that is not known.
        conf: What it was started with.
        began_at: When it began, or began again after it was cleared; None where that is not known.
        url: Where Airflow shows it; '' where that is not known.
    """

    run_id: str
    state: State
    failed_task: str = ""
    conf: Mapping[str, Any] | None = None
    began_at: datetime | None = None
    url: str = ""


def is_quiet(settings: Settings, run: EndedRun) -> bool:
    """Whether nobody is told: a shard, whose parent is, and a dry run that has succeeded."""
    family = _family(settings, run.run_id)
    if not family:
        return False
    return family[0].is_shard_of_another or (run.state == "success" and bool(family[0].params["dry_run"]))


def run_notice(settings: Settings, run: EndedRun, now: datetime) -> Notice:
    """Tell that a run succeeded or failed, with counts, money, the first errors and what to do."""
    family = _family(settings, run.run_id)
    name = _name(family, run)
    verb = "succeeded" if run.state == "success" else "failed"
    lines = [f"Experiment {name}, run {_line(run.run_id)}: {verb}."]
    if not family:
        lines.append("It failed before its inputs were frozen: nothing was planned or sent.")
        lines.append("Read the log of the first task that failed, mend what it names, and start a new run.")
        return Notice(f"daydreaming: {name} {verb}", (*lines, *_links(run)))
    progress = ProgressReader(settings, run_id=run.run_id).read(now)
    failures = open_failures(engine_for(settings), [one.run_id for one in family])
    lines += [*_stage_lines(progress), _money_line(settings, family[0], progress, now)]
    lines += [*progress.refusals, *_error_lines(failures)]
    if failures or (run.state == "failed" and not progress.refusals):
        lines.append(_CLEAR)
    if progress.total("answered"):
        lines.append(f"Read the essays with: daydreaming essays {name}")
    return Notice(f"daydreaming: {name} {verb}", (*lines, *_links(run)))


def budget_notice(settings: Settings, run: EndedRun, now: datetime) -> Notice | None:
    """Tell that a cap kept calls of a run from being sent; None where none did since it began."""
    family = _family(settings, run.run_id)
    if not family:
        return None
    refused = [
        failure
        for failure in open_failures(engine_for(settings), [one.run_id for one in family], BudgetError)
        if run.began_at is None or failure.occurred_at >= run.began_at
    ]
    if not refused:
        return None
    name = _name(family, run)
    progress = ProgressReader(settings, run_id=run.run_id).read(now)
    reasons = Counter(_line(failure.message) for failure in refused)
    what = f"{len(refused):,} calls were not sent, for they may have passed a cap"
    return Notice(
        f"daydreaming: a budget stopped calls of {name}",
        (
            f"Experiment {name}, run {_line(run.run_id)}: {what}.",
            _money_line(settings, family[0], progress, now),
            *(f"- {_cut(reason)}" for reason, _ in reasons.most_common(_ERRORS)),
            "Calls that were sent are stored and are not paid for again.",
            *_links(run),
        ),
    )


def night_notice(settings: Settings, due: datetime, now: datetime, url: str = "") -> Notice:
    """Tell which experiments of a night are not over at its deadline."""
    triggers, problems = nightly_triggers(settings, due)
    found = [_night_run(settings, one, now) for one in triggers]
    late = [(name, progress) for name, progress in found if progress is None or not progress.is_over]
    if late:
        what = f"{len(late)} of {len(found)} experiments are not over"
        lines = [f"- {name}: {_late_text(progress)}" for name, progress in late]
        lines.append(f"Follow one with: daydreaming watch {late[0][0]}")
    else:
        what = "it is not over"
        lines = [
            f"All calls of {len(found)} experiments have ended, but the runs have not: see their last tasks."
        ]
    return _of_night(due, now, what, [*lines, *map(_line, problems)], url)


def unknown_night_notice(due: datetime, now: datetime, error: Exception, url: str = "") -> Notice:
    """Tell that a night is not over at its deadline where nothing more can be found out."""
    return _of_night(due, now, "it is not over", [_unknown_line(error)], url)


def _of_night(due: datetime, now: datetime, what: str, lines: Sequence[str], url: str) -> Notice:
    due, since = due.astimezone(UTC), duration_text(max(0.0, (now - due).total_seconds()))
    head = f"The nightly run that was due at {due:%Y-%m-%d %H:%M} UTC is not over after {since}."
    subject = f"daydreaming: night of {due.date().isoformat()}: {what}"
    return Notice(subject, (head, *lines, *([url] if url else [])))


def unknown_notice(run: EndedRun, error: Exception) -> Notice:
    """Tell that a run has ended where the results database cannot say more."""
    verb = "succeeded" if run.state == "success" else "failed"
    name = _name((), run)
    head = f"Experiment {name}, run {_line(run.run_id)}: {verb}."
    return Notice(f"daydreaming: {name} {verb}", (head, _unknown_line(error), *_links(run)))


def _unknown_line(error: Exception) -> str:
    why = _cut(_line(str(getattr(error, "orig", None) or error)))
    return f"Nothing more is known, for the results or inputs cannot be read: {why}"


def _night_run(settings: Settings, trigger: Mapping[str, Any], now: datetime) -> tuple[str, Progress | None]:
    """Experiment and progress of a run; None where it has not begun, or failed before it had a plan."""
    run_id, conf = str(trigger["trigger_run_id"]), trigger["conf"]
    family = _family(settings, run_id)
    if not family:
        return str(conf.get("experiment_id") or conf["experiment"]), None
    return family[0].experiment_id, ProgressReader(settings, run_id=run_id).read(now)


def _family(settings: Settings, run_id: str) -> list[RunRecord]:
    return runs_of_plan(engine_for(settings), run_id) if has_results(settings) else []


def _name(family: Sequence[RunRecord], run: EndedRun) -> str:
    if family:
        return family[0].experiment_id
    conf = run.conf or {}
    return _line(str(conf.get("experiment_id") or conf.get("experiment") or "unknown"))


def _stage_lines(progress: Progress) -> list[str]:
    lines = []
    for stage in ("generation", "evaluation"):
        models = [model for model in progress.models if model.stage == stage]
        if not models:
            continue
        counts = {
            name: sum(int(getattr(model, name)) for model in models)
            for name in ("planned", "answered", "failed", "unanswered", "blocked")
        }
        line = (
            f"{stage.capitalize()}s: {counts['answered']:,} of {counts['planned']:,} answered, "
            f"{counts['failed']:,} failed, {counts['unanswered']:,} waiting"
        )
        if counts["blocked"]:
            line += f", {counts['blocked']:,} not possible (no essay found)"
        lines.append(f"{line}.")
    return lines


def _money_line(settings: Settings, run: RunRecord, progress: Progress, now: datetime) -> str:
    line = f"Spent by this run: {usd_text(progress.money.spent_nanousd)} US dollars"
    if progress.money.unpriced:
        line += f" and what {progress.money.unpriced:,} calls without a known price cost"
    caps = [
        f"{cap.name}: {usd_text(cap.used_nanousd)} of {to_usd(cap.nanousd):,.4f} are gone"
        for cap in read_caps(settings, run.experiment_id, now)
    ]
    return "; ".join([line, *caps]) + "."


def _error_lines(failures: Sequence[RunFailure]) -> list[str]:
    # What waits for a generation fails because of it: its own failure says why.
    causes = [one for one in failures if one.error_class != MissingResponseError.__name__] or list(failures)
    kinds: dict[tuple[str, str, str, str], int] = {}
    for one in causes:
        key = (one.stage, one.model, one.error_class, _line(one.message))
        kinds[key] = kinds.get(key, 0) + 1
    lines = [
        f"- {count:,} × {stage} by {model}: {error_class}: {_cut(message)}"
        for (stage, model, error_class, message), count in list(kinds.items())[:_ERRORS]
    ]
    if len(kinds) > _ERRORS:
        lines.append(f"- and {len(kinds) - _ERRORS:,} other kinds of failure: see failures.csv")
    return ["First errors:", *lines] if lines else []


def _links(run: EndedRun) -> list[str]:
    task = f"The task that failed last: {_line(run.failed_task)}." if run.failed_task else ""
    return [line for line in (task, run.url) if line]


def _late_text(progress: Progress | None) -> str:
    if progress is None:
        return "has not begun, or failed at once"
    text = (
        f"{progress.total('answered'):,} of {progress.total('planned'):,} calls answered, "
        f"{progress.total('failed'):,} failed, {progress.total('unanswered'):,} waiting"
    )
    return f"{text}, about {duration_text(progress.eta_s)} left" if progress.eta_s else text


def _cut(line: str) -> str:
    return line if len(line) <= _ERROR_CHARS else f"{line[: _ERROR_CHARS - 1]}…"


def _line(text: str) -> str:
    """One line of printable characters: providers' messages may hold anything."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
