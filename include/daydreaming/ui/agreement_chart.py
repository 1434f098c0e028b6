"""How far the judges agree, as a drawing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from markupsafe import Markup

from daydreaming.charts.intervals import IntervalRow, Reference, dot_intervals
from daydreaming.charts.widths import both_widths

_ALPHA: Final = "krippendorff_alpha"
#: From here on alpha is usually called reliable; see docs/statistics.md.
_RELIABLE: Final = Reference(0.8, "reliable")
_MOST: Final = 40


def agreement_chart(reliability: Sequence[Mapping[str, Any]]) -> Markup | None:
    """Alpha of each rubric, ordinal and interval, with its interval; None where there is none.

    Args:
        reliability: Rows of ``judge_reliability``.
    """
    rows = [
        IntervalRow(
            f"{row['evaluation_template']} ({row['level']})",
            row["value"],
            row["ci_low"],
            row["ci_high"],
            row["essays"],
        )
        for row in reliability
        if row["statistic"] == _ALPHA and row["value"] is not None
    ]
    if not rows:
        return None
    unit = "alpha: 1 for judges who agree entirely, 0 for chance"
    title = "Agreement of the judges by rubric"
    return both_widths(
        dot_intervals, rows[:_MOST], title=title, unit=unit, reference=_RELIABLE, n_label="essays"
    )
