"""How far the judges of one essay are apart. PURE."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import fmean, stdev


def sd_over_judges(scores: Iterable[tuple[str, float]]) -> float | None:
    """Standard deviation (n − 1) over judges of each one's mean.

    Where every judge has scored on every rubric, differences between rubrics are not in it.

    Args:
        scores: Judge and score of each scored verdict, all on one scale.

    Returns:
        On the same scale; None below two judges.
    """
    by_judge: dict[str, list[float]] = {}
    for judge, score in scores:
        by_judge.setdefault(judge, []).append(score)
    means = [fmean(of_judge) for of_judge in by_judge.values()]
    return stdev(means) if len(means) > 1 else None
