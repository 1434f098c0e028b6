"""What the report takes from ``parsed_scores``: counts, distributions, the scores of single essays."""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from typing import TYPE_CHECKING

from daydreaming.report.source import EssayScore

if TYPE_CHECKING:
    import pandas as pd

#: What a judge wrote instead of a score, as the parsers quote it.
_QUOTED = re.compile(r"""got (['"]).*\1""", re.DOTALL)


def distributions(scores: pd.DataFrame) -> dict[str, list[float]]:
    """Scores on 0–10 by judge; NaN for an evaluation without a score."""
    from daydreaming.analysis.scales import score_0_10

    values = score_0_10(scores)
    groups = values.groupby(scores["evaluation_model"])
    return {str(judge): [float(value) for value in group] for judge, group in groups}


def unscored_reasons(scores: pd.DataFrame) -> list[tuple[str, int]]:
    """Why evaluations have no score, the most frequent reason first; without IDs and what a judge wrote."""
    missing = scores.loc[scores["score"].isna(), ["error", "generation_task_id", "evaluation_task_id"]]
    counts: dict[str, int] = {}
    for error, generation_id, evaluation_id in missing.itertuples(index=False):
        # The longer one first: it begins with the other.
        reason = _QUOTED.sub("got …", str(error).replace(evaluation_id, "…").replace(generation_id, "…"))
        counts[reason] = counts.get(reason, 0) + 1
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def readings(scores: pd.DataFrame) -> dict[str, str]:
    """How the verdicts by each rubric are read: parser and scale."""
    columns = ["evaluation_template", "parser", "score_min", "score_max"]
    found: dict[str, list[str]] = {}
    for rubric, parser, low, high in (
        scores[columns].drop_duplicates().sort_values(columns).itertuples(index=False)
    ):
        found.setdefault(str(rubric), []).append(f"{parser} on {low:g}–{high:g}")
    return {rubric: " and ".join(texts) for rubric, texts in found.items()}


def essay_scores(scores: pd.DataFrame, generation_ids: Collection[str]) -> dict[str, list[EssayScore]]:
    """Every planned score of some essays, by ``generation_task_id``, ordered by judge and rubric."""
    mine = scores.loc[scores["generation_task_id"].isin(list(generation_ids))]
    order = ["evaluation_model", "evaluation_template", "evaluation_replicate"]
    found: dict[str, list[EssayScore]] = {name: [] for name in generation_ids}
    for row in mine.sort_values(order).to_dict("records"):
        found[row["generation_task_id"]].append(
            EssayScore(
                row["evaluation_task_id"],
                row["evaluation_model"],
                row["evaluation_template"],
                int(row["evaluation_replicate"]),
                None if math.isnan(row["score"]) else float(row["score"]),
                float(row["score_min"]),
                float(row["score_max"]),
                row["error"],
            )
        )
    return found
