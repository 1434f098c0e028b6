"""Scores of several rubrics on one scale, and the statistics of groups of them.

A mean over scores on different scales says nothing. So scores of one group stay on their own scale where
all rows of the group (scored or not) share it, and are put on 0–10 by a straight line where they do not.
The column ``scale`` says which: ``0-10``, ``0-9``, …, or ``0-10 (rescaled)``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Sequence

RESCALED: Final = "0-10 (rescaled)"
COMMON_MAX: Final = 10.0
DECIMALS: Final = 9
"""Statistics are rounded here: the noise of binary sums ends, and no row order shows in a result."""

STATISTICS: Final = ("planned", "count", "unscored", "mean", "sd", "min", "max")


def score_0_10(scores: pd.DataFrame) -> pd.Series[Any]:
    """Each score on 0–10: ``10 · (score − score_min) / (score_max − score_min)``, NaN when unscored."""
    span = scores["score_max"] - scores["score_min"]
    rescaled = (COMMON_MAX * (scores["score"] - scores["score_min"]) / span).round(DECIMALS)
    already = (scores["score_min"] == 0) & (scores["score_max"] == COMMON_MAX)
    return rescaled.mask(already, scores["score"])


def with_shared_scale(scores: pd.DataFrame, keys: Sequence[str] = ()) -> pd.DataFrame:
    """Add ``value`` and ``scale``: the score on the scale that its group shares, and that scale's name.

    Args:
        scores: As ``parsed_scores`` returns.
        keys: Columns that make the groups; none for one group of all rows.
    """
    frame = scores.assign(score_0_10=score_0_10(scores))
    mixed = pd.Series(False, index=frame.index)
    for bound in ("score_min", "score_max"):
        if frame[bound].nunique() > 1:  # one scale in all is the usual case, and needs no groups
            mixed |= _differs_within(frame, bound, keys)
    frame["value"] = frame["score"].mask(mixed, frame["score_0_10"])
    frame["scale"] = _scale_names(frame).mask(mixed, RESCALED)
    return frame


def group_statistics(scores: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Count and describe the scores of each group; unscored rows are counted and in no statistic.

    Args:
        scores: As ``parsed_scores`` returns.
        keys: Columns that make the groups, at least one.

    Returns:
        Index ``keys``, sorted; columns ``planned, count, unscored`` (rows; scored; not scored), ``mean``,
        ``sd`` (n − 1; empty below 2 scores), ``min``, ``max``, ``scale``, and ``mean_0_10``, the mean with
        every score on 0–10.
    """
    return group_values(with_shared_scale(scores, keys), keys)


def group_values(frame: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """As ``group_statistics``, of a frame that ``with_shared_scale`` made."""
    groups = frame.groupby(list(keys), dropna=False)
    statistics = groups.agg(
        planned=("value", "size"),
        count=("value", "count"),
        mean=("value", "mean"),
        sd=("value", "std"),
        min=("value", "min"),
        max=("value", "max"),
        scale=("scale", "first"),
        mean_0_10=("score_0_10", "mean"),
    )
    statistics["unscored"] = statistics["planned"] - statistics["count"]
    columns = [*STATISTICS, "scale", "mean_0_10"]
    return statistics[columns].round({"mean": DECIMALS, "sd": DECIMALS, "mean_0_10": DECIMALS})


def _differs_within(frame: pd.DataFrame, column: str, keys: Sequence[str]) -> pd.Series[Any]:
    if not keys:
        return pd.Series(True, index=frame.index)
    values = frame.groupby(list(keys), dropna=False, sort=False)[column]
    return values.transform("min") != values.transform("max")


def _scale_names(frame: pd.DataFrame) -> pd.Series[Any]:
    scales = frame[["score_min", "score_max"]].drop_duplicates()
    names = {
        (low, high): f"{low:g}-{high:g}"
        for low, high in zip(scales["score_min"], scales["score_max"], strict=True)
    }
    if len(names) == 1:
        return pd.Series(next(iter(names.values())), index=frame.index, dtype="str")
    pairs = pd.MultiIndex.from_frame(frame[["score_min", "score_max"]])
    return pd.Series(pairs.map(names), index=frame.index, dtype="str")
