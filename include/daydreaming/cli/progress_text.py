"""Progress as text and as JSON: what a line, a table's row and an object say."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from daydreaming.llm.price import to_usd, usd_text
from daydreaming.pipeline.estimate_text import duration_text
from daydreaming.pipeline.progress import ModelProgress, Progress
from daydreaming.store.progress_queries import Money

UNKNOWN = "–"
#: Heads of a table's columns, beside stage and model.
HEADS = ("answered", "failed", "running", "per min", "time left", "spent $")


def row_text(model: ModelProgress) -> tuple[str, ...]:
    """The cells of one stage and model, as ``HEADS`` has them."""
    return (
        f"{model.answered:,}/{model.planned:,}",
        f"{model.failed:,}",
        f"{model.running:,}",
        rate_text(model.per_minute),
        eta_text(model.eta_s),
        money_text(model.money),
    )


def total_text(progress: Progress) -> tuple[str, ...]:
    """The same for all stages and models; a rate over several models would say nothing."""
    return (
        f"{progress.total('answered'):,}/{progress.total('planned'):,}",
        f"{progress.total('failed'):,}",
        f"{progress.total('running'):,}",
        "",
        eta_text(progress.eta_s),
        money_text(progress.money),
    )


def line_text(model: ModelProgress) -> str:
    """One stage and model in a line."""
    parts = [
        f"{model.stage} {model.model} {model.answered:,}/{model.planned:,}",
        f"{model.failed:,} failed",
        *([f"{model.blocked:,} not possible"] if model.blocked else []),
        *([f"{model.held:,} not to be sent"] if model.held else []),
        *([f"{model.running:,} running"] if model.running else []),
        *([f"{rate_text(model.per_minute)} per min"] if model.per_minute else []),
        *([f"{eta_text(model.eta_s)} left"] if model.unanswered and model.eta_s else []),
        f"{money_text(model.money)} US dollars",
    ]
    return ", ".join(parts)


def rate_text(per_minute: float | None) -> str:
    """Answers per minute."""
    return UNKNOWN if per_minute is None else f"{per_minute:,.1f}"


def eta_text(eta_s: float | None) -> str:
    """Time left; nothing where all is done."""
    if eta_s is None:
        return UNKNOWN
    return duration_text(eta_s) if eta_s else ""


def money_text(money: Money) -> str:
    """US dollars; with a plus where some attempts' price is not known."""
    return usd_text(money.spent_nanousd) + ("+" if money.unpriced else "")


def change_key(model: ModelProgress) -> tuple[object, ...]:
    """What has to change for a line to be written."""
    return (model.stage, model.model, model.planned, model.answered, model.failed, model.blocked, model.held)


def progress_json(progress: Progress, now: datetime) -> dict[str, Any]:
    """Everything that is known, as an object."""
    return {
        "experiment_id": progress.experiment_id,
        "at": now.astimezone(UTC).isoformat(timespec="seconds"),
        **{name: progress.total(count) for name, count in _COUNTS.items()},
        "eta_s": _seconds(progress.eta_s),
        **_money_json(progress.money),
        "models": [model_json(model) for model in progress.models],
    }


def model_json(model: ModelProgress) -> dict[str, Any]:
    """One stage and model as an object."""
    return {
        "stage": model.stage,
        "model": model.model,
        **{name: getattr(model, count) for name, count in _COUNTS.items()},
        "per_minute": None if model.per_minute is None else round(model.per_minute, 2),
        "eta_s": _seconds(model.eta_s),
        **_money_json(model.money),
    }


#: Who reads an object asks of ``waiting`` what is still to come: what runs is part of it.
_COUNTS = {
    "planned": "planned",
    "answered": "answered",
    "failed": "failed",
    "waiting": "unanswered",
    "running": "running",
    "blocked": "blocked",
    "held": "held",
}


def _seconds(eta_s: float | None) -> int | None:
    return None if eta_s is None else round(eta_s)


def _money_json(money: Money) -> dict[str, Any]:
    return {
        "spent_usd": to_usd(money.spent_nanousd),
        "reserved_usd": to_usd(money.reserved_nanousd),
        "unpriced": money.unpriced,
    }
