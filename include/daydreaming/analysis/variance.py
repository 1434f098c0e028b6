"""Where the spread of an essay's scores comes from: the rubrics, the judges, or both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from daydreaming.analysis.agreement import classify
from daydreaming.analysis.scales import DECIMALS, group_values, with_shared_scale
from daydreaming.analysis.scores import GENERATION_COLUMNS, generations

if TYPE_CHECKING:
    import pandas as pd

STABILITY_CLASSES: Final = (("stable", 1.0), ("moderate", 2.0), ("unstable", float("inf")))
"""Class and the largest standard deviation, in points on 0–10, that still belongs to it."""

COLUMNS: Final = (
    *GENERATION_COLUMNS,
    "planned",
    "count",
    "mean",
    "variance",
    "sd",
    "min",
    "max",
    "range",
    "evaluation_templates",
    "evaluation_template_variance",
    "evaluation_models",
    "evaluation_model_variance",
    "scale",
    "sd_0_10",
    "stability",
)


def comprehensive_variance(scores: pd.DataFrame) -> pd.DataFrame:
    """Describe all scores of each generation, and how far its rubrics and its judges lie apart.

    Args:
        scores: One row per planned evaluation, as ``parsed_scores`` returns.

    Returns:
        One row per generation, sorted by ``GENERATION_COLUMNS``, which come first. Then:

        - ``planned``, ``count`` (scored), ``mean``, ``variance`` and ``sd`` (n − 1), ``min``, ``max``,
          ``range``: over all its scores.
        - ``evaluation_template_variance``: variance (n − 1) of the means by rubric, with
          ``evaluation_templates``, the number of rubrics that have a score.
        - ``evaluation_model_variance``: the same of the means by judge, with ``evaluation_models``.
        - ``scale``: of all of these, the same in every row: what all rubrics share, else
          ``0-10 (rescaled)``.
        - ``sd_0_10``: ``sd`` with the scores on 0–10; ``stability``: its class in
          ``STABILITY_CLASSES``: stable ≤ 1, moderate ≤ 2, else unstable.
        - A spread of fewer than 2 values is empty, not 0.
    """
    key = "generation_task_id"
    frame = with_shared_scale(scores)
    table = group_values(frame, [key])
    table["variance"] = frame.groupby(key)["value"].var().round(DECIMALS)
    table["range"] = (table["max"] - table["min"]).where(table["sd"].notna()).round(DECIMALS)
    table["sd_0_10"] = frame.groupby(key)["score_0_10"].std().round(DECIMALS)
    table["stability"] = classify(table["sd_0_10"], STABILITY_CLASSES)
    for factor in ("evaluation_template", "evaluation_model"):
        means = _means_by(frame, factor)
        table[f"{factor}s"] = means.count()
        table[f"{factor}_variance"] = means.var().round(DECIMALS)
    return generations(scores).join(table, on=key)[list(COLUMNS)]


def _means_by(frame: pd.DataFrame, factor: str) -> Any:
    means = frame.groupby(["generation_task_id", factor])["value"].mean()
    return means.groupby("generation_task_id")
