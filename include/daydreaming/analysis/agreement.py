"""Do the judges agree? Spread of the verdicts on one essay by one rubric."""

from __future__ import annotations

from typing import Any, Final

import pandas as pd

from daydreaming.analysis.scales import DECIMALS, group_values, with_shared_scale
from daydreaming.analysis.scores import GENERATION_COLUMNS, generations

AGREEMENT_CLASSES: Final = (("high", 1.0), ("moderate", 2.0), ("low", 3.0), ("poor", float("inf")))
"""Class and the widest range, in points on 0–10, that still belongs to it."""

COLUMNS: Final = (
    *GENERATION_COLUMNS,
    "evaluation_template",
    "planned",
    "count",
    "judges",
    "mean",
    "sd",
    "min",
    "max",
    "median",
    "range",
    "coefficient_of_variation",
    "scale",
    "range_0_10",
    "agreement",
)


def evaluator_agreement(scores: pd.DataFrame) -> pd.DataFrame:
    """Describe the scores that each essay got by each rubric, over judges and evaluation replicates.

    Args:
        scores: One row per planned evaluation, as ``parsed_scores`` returns.

    Returns:
        One row per generation and evaluation template, sorted by both. Columns:

        - ``combo_id, generation_template, generation_model, generation_replicate, generation_task_id,
          evaluation_template``.
        - ``planned``, ``count`` (scored), ``judges`` (that gave a score).
        - ``mean, sd`` (n − 1), ``min, max, median, range`` on ``scale``, the rubric's own.
        - ``coefficient_of_variation``: ``sd / mean``; empty where the mean is not above 0.
        - ``range_0_10``: the range with the scores on 0–10; ``agreement``: its class in
          ``AGREEMENT_CLASSES``: high ≤ 1, moderate ≤ 2, low ≤ 3, else poor.
        - What compares scores (sd, range, agreement, …) is empty below 2 scores.
    """
    keys = ["generation_task_id", "evaluation_template"]
    frame = with_shared_scale(scores, keys)
    table = group_values(frame, keys).join(_spread(frame, keys))
    compared = table["count"] >= 2
    table["range"] = (table["max"] - table["min"]).where(compared).round(DECIMALS)
    table["range_0_10"] = table["range_0_10"].where(compared).round(DECIMALS)
    table["coefficient_of_variation"] = (table["sd"] / table["mean"].where(table["mean"] > 0)).round(DECIMALS)
    table["agreement"] = classify(table["range_0_10"], AGREEMENT_CLASSES)
    return _with_factors(table.reset_index(), scores)


def classify(values: pd.Series[Any], classes: tuple[tuple[str, float], ...]) -> pd.Series[Any]:
    """The first class whose upper bound (inclusive) holds each value; '' for a missing value."""
    names = pd.Series("", index=values.index, dtype="str")
    for name, upper in reversed(classes):
        names = names.mask(values <= upper, name)
    return names


def _spread(frame: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    groups = frame.groupby(keys)
    scored = frame.loc[frame["value"].notna(), [*keys, "evaluation_model"]].drop_duplicates()
    judges = scored.groupby(keys).size()
    spread = groups.agg(median=("value", "median"), low=("score_0_10", "min"), high=("score_0_10", "max"))
    return pd.DataFrame(
        {
            "median": spread["median"].round(DECIMALS),
            "range_0_10": spread["high"] - spread["low"],
            "judges": judges.reindex(spread.index, fill_value=0),
        }
    )


def _with_factors(table: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    joined = generations(scores).merge(table, on="generation_task_id", how="left")
    order = [*GENERATION_COLUMNS, "evaluation_template"]
    return joined.sort_values(order, ignore_index=True)[list(COLUMNS)]
