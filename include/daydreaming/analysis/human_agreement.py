"""Do judges see what people see? Scores of judges beside ratings that people gave the same essays."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from daydreaming.analysis.comparisons import told_interval
from daydreaming.analysis.frames import Kind, typed_frame
from daydreaming.analysis.scales import DECIMALS, score_0_10

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pandas as pd

CONFIDENCE: Final = 0.95
NORMAL_QUANTILE: Final = 1.96
"""Standard deviations on either side of the mean that hold 95 % of normal differences."""

RATING_KINDS: Final[Mapping[str, Kind]] = {
    "generation_task_id": "text",
    "evaluation_template": "text",
    "rater": "text",
    "score": "number",
    "score_min": "number",
    "score_max": "number",
}
"""Columns of a table of ratings: one row for each person, essay and rubric."""

KINDS: Final[Mapping[str, Kind]] = {
    "evaluation_template": "text",
    "evaluation_model": "text",
    "essays": "integer",
    "raters": "integer",
    "left_out": "integer",
    "judge_mean": "number",
    "human_mean": "number",
    "difference": "number",
    "ci_low": "number",
    "ci_high": "number",
    "sd_difference": "number",
    "limit_low": "number",
    "limit_high": "number",
    "icc_a1": "number",
    "krippendorff_alpha": "number",
    "why": "text",
}


def human_agreement(scores: pd.DataFrame, ratings: pd.DataFrame) -> pd.DataFrame:
    """Agreement of each judge with people, by rubric. All scores are put on 0–10.

    The unit is an essay. A judge's replicates on one essay are averaged first, and so are the ratings of
    several people; both sides of a pair are thus one number.

    Args:
        scores: One row per planned evaluation; of what ``parsed_scores`` returns these columns are read:
            ``generation_task_id, evaluation_template, evaluation_model, score, score_min, score_max``.
        ratings: Columns of ``RATING_KINDS``; a person's rating of an essay on a rubric stands in one row.

    Returns:
        For each rubric that people rated on, sorted, a row for the mean of the judges (``evaluation_model``
        '') and one for each judge. Columns:

        - ``essays``: with a score and a rating, the base of all that follows; ``raters``: people who rated
          them; ``left_out``: rated essays that the judge was to score and that have no score of it.
        - ``judge_mean``, ``human_mean``, ``difference`` (judge − people) with its 95 % t interval ``ci_low``
          to ``ci_high``.
        - ``sd_difference`` (n − 1) and the limits of agreement ``limit_low``, ``limit_high``: the mean
          difference ∓ 1.96 SD, between which 95 % of the differences lie if they are normal.
        - ``icc_a1``: ICC(A,1) of judge and people as two raters; ``krippendorff_alpha``: of the same two,
          ``interval`` level. 1 is entire agreement, 0 none beyond chance.
        - ``why``: why something is missing.

    Source: J. M. Bland, D. G. Altman (1986), Statistical methods for assessing agreement between two methods
        of clinical measurement, The Lancet 327(8476), 307–310. The coefficients: see ``reliability``.
    """
    people = ratings.assign(value=score_0_10(ratings))
    verdicts = scores.assign(value=score_0_10(scores))
    rows: list[dict[str, Any]] = []
    for rubric, rated in people.groupby("evaluation_template"):
        humans = rated.groupby("generation_task_id")["value"].mean()
        of_rubric = verdicts[verdicts["evaluation_template"] == rubric]
        judged = of_rubric[of_rubric["generation_task_id"].isin(humans.index)]
        if judged.empty:
            continue
        cells = judged.groupby(["generation_task_id", "evaluation_model"])["value"]
        table = cells.mean().unstack("evaluation_model").sort_index()
        planned = cells.size().unstack("evaluation_model").notna()
        sides = {"": (table.mean(axis="columns"), table.index)}
        sides |= {str(judge): (table[judge], planned.index[planned[judge]]) for judge in table.columns}
        for judge, (values, wanted) in sides.items():
            pairs = values.to_frame("judge").join(humans.rename("human")).dropna()
            raters = rated.loc[rated["generation_task_id"].isin(pairs.index), "rater"].nunique()
            counts = {"essays": len(pairs), "raters": raters, "left_out": len(wanted) - len(pairs)}
            names = {"evaluation_template": rubric, "evaluation_model": judge}
            rows.append({**names, **counts, **_agreement(pairs)})
    return typed_frame(rows, KINDS).round(DECIMALS)


def _agreement(pairs: pd.DataFrame) -> dict[str, Any]:
    """Of a table of essays with the columns ``judge`` and ``human``."""
    from daydreaming.analysis.reliability import icc, krippendorff_alpha

    if pairs.empty:
        return {"why": "no score of a rated essay"}
    differences = pairs["judge"] - pairs["human"]
    mean = float(differences.mean())
    found: dict[str, Any] = {
        "judge_mean": float(pairs["judge"].mean()),
        "human_mean": float(pairs["human"].mean()),
        "difference": mean,
    }
    if len(pairs) < 2:
        return {**found, "why": "one essay: no spread, interval or coefficient"}
    sd = float(differences.std())
    half = _t_quantile(len(pairs) - 1) * sd / math.sqrt(len(pairs))
    low, high, why = told_interval(mean - half, mean + half, len(pairs))
    limits = (mean - NORMAL_QUANTILE * sd, mean + NORMAL_QUANTILE * sd) if sd else (None, None)
    correlations = icc(pairs.to_numpy("float64"))
    return {
        **found,
        "ci_low": low,
        "ci_high": high,
        "sd_difference": sd,
        "limit_low": limits[0],
        "limit_high": limits[1],
        "icc_a1": correlations.absolute_1,
        "krippendorff_alpha": krippendorff_alpha(pairs.to_numpy("float64"), "interval"),
        "why": "; ".join(
            filter(None, [why, *_missing_coefficients(correlations.why, correlations.absolute_1)])
        ),
    }


def _missing_coefficients(why: str, value: float | None) -> Iterator[str]:
    if why:
        yield why
    elif value is None:
        yield "the essays differ too little beside the error"


def _t_quantile(freedom: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1 + CONFIDENCE) / 2))
