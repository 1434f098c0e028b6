"""Which essays are shown in full: the best, and those that the judges see most differently."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from daydreaming.report.source import Rows

SHOWN: Final = 5
"""Essays of each kind."""


def best_essays(spread: Rows, shown: int = SHOWN) -> list[tuple[Mapping[str, Any], float]]:
    """The essays with the highest mean of their scores, and that mean.

    An essay that has fewer than half of its planned scores comes after all others: one kind judge alone
    would put it first.

    Args:
        spread: Rows of ``comprehensive_variance_analysis``.
        shown: How many at most.
    """
    scored = [(row, row["mean"]) for row in spread if row["mean"] is not None]
    return sorted(scored, key=_by_mean)[:shown]


def disputed_essays(spread: Rows, shown: int = SHOWN) -> list[tuple[Mapping[str, Any], float]]:
    """The essays whose judges' means lie farthest apart, and the standard deviation (n − 1) of these means.

    Args:
        spread: Rows of ``comprehensive_variance_analysis``.
        shown: How many at most; fewer where there is only one judge, or the others all agree.
    """
    differing = [(row, math.sqrt(row["evaluation_model_variance"])) for row in spread if _is_disputed(row)]
    return sorted(differing, key=lambda found: (-found[1], found[0]["generation_task_id"]))[:shown]


def extremes(shares: Sequence[tuple[str, float | None]]) -> list[str]:
    """The names of the highest and the lowest share; one or none where there are no two."""
    known = sorted(
        ((share, name) for name, share in shares if share is not None), key=lambda f: (-f[0], f[1])
    )
    return [name for _, name in ([known[0], known[-1]] if len(known) > 1 else known)]


def _by_mean(found: tuple[Mapping[str, Any], float]) -> tuple[bool, float, str]:
    row, mean = found
    return 2 * row["count"] < row["planned"], -mean, row["generation_task_id"]


def _is_disputed(row: Mapping[str, Any]) -> bool:
    variance = row["evaluation_model_variance"]
    return variance is not None and variance > 0
