"""How numbers and times are written on the pages. PURE."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal, localcontext

from markupsafe import Markup

from daydreaming.charts.labels import with_code
from daydreaming.pipeline.estimate_text import duration_text
from daydreaming.pipeline.shown_texts import visible

__all__ = ["count", "day_time", "marked_code", "percent", "score", "seconds", "usd", "visible"]

#: Where a value is missing: a dash that a screen reader skips beside the column's name.
NONE = "–"
#: Digits after the point past which there is only what sums of binary numbers leave.
_DECIMALS = 9
_COMMAND = re.compile(r"`[^`\n]+`")
_PLACEHOLDER = re.compile(r"\b(?:EXPERIMENT_)?ID\b")
#: Below this, tenths of a second are shown.
_EXACT_S = 10


def count(value: int | None) -> str:
    """``12,345``."""
    return NONE if value is None else f"{value:,}"


def score(value: float | None) -> str:
    """Two digits after the point, and none where they are zeros: ``7``, ``7.25``."""
    if value is None or math.isnan(value):
        return NONE
    return _half_up(value, 2).rstrip("0").rstrip(".")


def percent(value: float | None) -> str:
    """A share of 1 as ``42 %``."""
    return NONE if value is None or math.isnan(value) else f"{_half_up(100 * value, 0)} %"


def usd(value: float | None) -> str:
    """``$0.0042`` below ten cents, ``$12.30`` above."""
    if value is None:
        return NONE
    return f"${value:.4f}" if 0 < abs(value) < 0.1 else f"${value:,.2f}"


def seconds(value: float | None) -> str:
    """``3.2 s``, ``42 s``, ``3 min 20 s``, ``2 h 5 min``; from 10 s on as all durations are told."""
    if value is None or math.isnan(value):
        return NONE
    return f"{value:.1f} s" if value < _EXACT_S else duration_text(value)


def day_time(value: datetime | None) -> str:
    """``2026-01-31 14:05`` in UTC."""
    return NONE if value is None else value.astimezone(UTC).strftime("%Y-%m-%d %H:%M")


def marked_code(text: str, experiment_id: str = "") -> Markup:
    """A message with its commands, between backticks, as ``<code>``.

    Args:
        text: Of anybody: it is escaped.
        experiment_id: Put in place of ``EXPERIMENT_ID`` and ``ID`` in commands; '' leaves them.
    """
    if experiment_id:
        text = _COMMAND.sub(lambda found: _PLACEHOLDER.sub(lambda _: experiment_id, found[0]), text)
    return with_code(text)


def _half_up(value: float, digits: int) -> str:
    """So many digits after the point; equal values look equal, and halves go up, whatever their noise."""
    with localcontext(rounding=ROUND_HALF_UP):
        # z: what rounds to zero has no sign.
        return f"{Decimal(str(round(value, _DECIMALS))):z.{digits}f}"
