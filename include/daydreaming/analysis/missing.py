"""Which cells of the design have no score, and how far the missing ones could turn a ranking round."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from daydreaming.analysis.comparisons import FACTORS, valued_scores
from daydreaming.analysis.frames import Kind, typed_frame
from daydreaming.analysis.scales import COMMON_MAX, DECIMALS

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

ALL_FACTORS: Final = (*FACTORS, "combo_id")

KINDS: Final[Mapping[str, Kind]] = {
    "factor": "text",
    "level": "text",
    "cells": "integer",
    "not_planned": "integer",
    "planned": "integer",
    "unscored": "integer",
    "mean": "number",
    "mean_worst": "number",
    "mean_best": "number",
    "rank": "integer",
    "rank_best": "integer",
    "rank_worst": "integer",
    "why": "text",
}


def missing_cells(scores: pd.DataFrame) -> pd.DataFrame:
    """Count what is missing of each level, and bound its rank without any assumption on why it is missing.

    The best case of a level gives all that it misses 10 points on 0–10, and all that the other levels of the
    factor miss 0; the worst case the reverse. No true score can put the level outside this range. A cell of
    the complete cross that was never planned counts as one missing row.

    Args:
        scores: One row per planned evaluation, as ``parsed_scores`` returns.

    Returns:
        One row per level of each factor (``FACTORS``, then ``combo_id``), by ``rank``:

        - ``cells``: combinations of levels of the other factors; ``not_planned`` of these; ``planned``
          evaluations (replicates count); ``unscored`` of these.
        - ``mean`` of the scores; ``mean_worst`` and ``mean_best`` with everything missing at 0 or 10.
        - ``rank``: by ``mean``, 1 is best, equal means share the better; ``rank_best``, ``rank_worst``.
        - ``why``: what makes a range, or that there is no mean.

    Source: C. F. Manski (2003), Partial Identification of Probability Distributions, § 1.2 (worst-case
    bounds).
    """
    frame = valued_scores(scores)
    rows: list[dict[str, Any]] = []
    for factor in ALL_FACTORS:
        others = [other for other in ALL_FACTORS if other != factor]
        cells = math.prod(frame[other].nunique() for other in others)
        planned_cells = frame.drop_duplicates([factor, *others]).groupby(factor).size()
        table = frame.groupby(factor)["value"].agg(["sum", "count", "size"])
        table["not_planned"] = cells - planned_cells
        rows += [{"factor": factor, "cells": cells, **row} for row in _ranked(table)]
    return typed_frame(rows, KINDS)


def _ranked(table: pd.DataFrame) -> list[dict[str, Any]]:
    missing = table["size"] - table["count"] + table["not_planned"]
    rows = table["size"] + table["not_planned"]
    ranked = table.assign(
        mean=(table["sum"] / table["count"].where(table["count"] > 0)).round(DECIMALS),
        mean_worst=(table["sum"] / rows).round(DECIMALS),
        mean_best=((table["sum"] + COMMON_MAX * missing) / rows).round(DECIMALS),
    )
    worst, best = ranked["mean_worst"].to_numpy(), ranked["mean_best"].to_numpy()
    ranked["rank"] = ranked["mean"].rank(ascending=False, method="min")
    ranked["rank_best"] = 1 + (worst[None, :] > best[:, None]).sum(axis=1)
    above = best[None, :] > worst[:, None]
    np.fill_diagonal(above, False)
    ranked["rank_worst"] = 1 + above.sum(axis=1)
    ranked["unscored"] = table["size"] - table["count"]
    ranked["why"] = [_why(*row) for row in ranked[["count", "unscored", "not_planned"]].to_numpy().tolist()]
    ranked = ranked.rename(columns={"size": "planned"}).rename_axis("level").reset_index()
    records = ranked.sort_values(["rank", "level"]).to_dict("records")
    return [{str(name): value for name, value in record.items()} for record in records]


def _why(scored: int, unscored: int, not_planned: int) -> str:
    parts = [] if scored else ["no score: no mean"]
    parts += [f"{unscored} unscored"] if unscored else []
    parts += [f"{not_planned} cell{'' if not_planned == 1 else 's'} not planned"] if not_planned else []
    return "; ".join(parts)
