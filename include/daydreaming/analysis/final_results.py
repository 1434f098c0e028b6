"""``final_results.csv``: the scores by each factor, by pairs of factors, and overall."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from daydreaming.analysis.scales import STATISTICS, group_values, with_shared_scale

if TYPE_CHECKING:
    from collections.abc import Mapping

ANALYSES: Final[Mapping[str, tuple[str, ...]]] = {
    "by_generation_template": ("generation_template",),
    "by_generation_model": ("generation_model",),
    "by_evaluation_model": ("evaluation_model",),
    "by_evaluation_template": ("evaluation_template",),
    "by_combination": ("combo_id",),
    "by_template_and_model": ("generation_template", "generation_model"),
    "by_generator_and_judge": ("generation_model", "evaluation_model"),
    "overall": (),
}
FACTORS: Final = (
    "combo_id",
    "generation_template",
    "generation_model",
    "evaluation_template",
    "evaluation_model",
)
SHARES: Final = ("perfect_scores", "perfect_percentage", "scores_ge_8", "scores_le_3")
COLUMNS: Final = ("analysis", *FACTORS, *STATISTICS, *SHARES, "scale", "mean_0_10")

HIGH_SCORE: Final = 8.0
LOW_SCORE: Final = 3.0


def final_results(scores: pd.DataFrame) -> pd.DataFrame:
    """Summarise the scores in eight ways, one below the other.

    Args:
        scores: One row per planned evaluation, as ``parsed_scores`` returns.

    Returns:
        One row per analysis and group, in the order of ``ANALYSES``, then of the factors. No rows for no
        scores. Columns:

        - ``analysis`` (a key of ``ANALYSES``) and the five factors, '' where not grouped by.
        - ``planned``, ``count``, ``unscored``: evaluations planned, scored, and not scored.
        - ``mean``, ``sd`` (n − 1; empty below 2 scores), ``min``, ``max``: of the scored ones.
        - ``perfect_scores``: scores equal to the highest of their own scale; ``perfect_percentage``: their
          share of ``count``, 0–100.
        - ``scores_ge_8``, ``scores_le_3``: scores of at least 8, of at most 3, each put on 0–10.
        - ``scale``: of ``mean``, ``sd``, ``min``, ``max``. A group whose rows share one scale keeps it
          (``0-10``, ``0-9``, …); any other is put on 0–10 by a straight line (``0-10 (rescaled)``).
        - ``mean_0_10``: the mean with every score on 0–10, so that groups on different scales compare.
    """
    tables = [_summarise(scores, analysis, keys) for analysis, keys in ANALYSES.items()]
    return pd.concat(tables, ignore_index=True)


def _summarise(scores: pd.DataFrame, analysis: str, keys: tuple[str, ...]) -> pd.DataFrame:
    frame = _with_marks(with_shared_scale(scores, keys)).assign(analysis=analysis)
    groups = ["analysis", *keys]
    shares = frame.groupby(groups, dropna=False)[["perfect_scores", "scores_ge_8", "scores_le_3"]].sum()
    table = group_values(frame, groups).join(shares)
    # No score, no share: 0 of 0 is NaN, not 0.
    table["perfect_percentage"] = 100 * table["perfect_scores"] / table["count"]
    return _complete(table.reset_index())


def _with_marks(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(
        perfect_scores=is_perfect(frame).astype("int64"),
        scores_ge_8=(frame["score_0_10"] >= HIGH_SCORE).astype("int64"),
        scores_le_3=(frame["score_0_10"] <= LOW_SCORE).astype("int64"),
    )


def is_perfect(scores: pd.DataFrame) -> pd.Series[Any]:
    """Whether each score is the highest of its own scale; False when unscored."""
    return scores["score"] == scores["score_max"]


def _complete(table: pd.DataFrame) -> pd.DataFrame:
    for factor in ("analysis", *FACTORS):
        if factor not in table:
            table[factor] = ""
        table[factor] = table[factor].astype("str")
    return table[list(COLUMNS)]
