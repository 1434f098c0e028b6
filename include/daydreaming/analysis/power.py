"""How small a difference this design can find."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from daydreaming.analysis.comparisons import FACTORS, SIGNIFICANCE, valued_scores
from daydreaming.analysis.frames import Kind, typed_frame
from daydreaming.analysis.scales import DECIMALS

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt
    import pandas as pd

    Floats = npt.NDArray[np.float64]

POWER: Final = 0.8
SCALE: Final = 10.0
"""No two scores on 0–10 differ by more points."""
NODES: Final = 200
"""Points of the numerical integral."""

TOLERANCE: Final = 1e-10
COMBINATION_CLUSTERS: Final = ("generation_template", "generation_model")

KINDS: Final[Mapping[str, Kind]] = {
    "factor": "text",
    "levels": "integer",
    "cluster": "text",
    "n_clusters": "integer",
    "sd_of_differences": "number",
    "detectable_effect_size": "number",
    "detectable_difference": "number",
    "left_out": "integer",
    "why": "text",
}


def detectable_effects(scores: pd.DataFrame, *, power: float = POWER) -> pd.DataFrame:
    """The smallest true difference between two levels of each factor that a paired test would likely find.

    Two levels are compared by their differences within clusters, one mean difference per cluster, as in
    ``paired_comparisons``. Clusters are combinations; for combinations themselves, pairs of template and
    generator. The test is the paired t-test, two-sided at 5 %, of one comparison: corrected for many, less
    is found.

    Args:
        scores: One row per planned evaluation, as ``parsed_scores`` returns.
        power: Chance of finding a difference of that size.

    Returns:
        One row per factor (the four of ``paired_comparisons``, then ``combo_id``): ``levels``; ``cluster``
        and ``n_clusters`` (median over pairs of levels that share 2 or more); ``sd_of_differences`` between
        two levels over clusters (root mean square over pairs), ``detectable_effect_size`` in such SDs and
        ``detectable_difference`` in points on 0–10; ``left_out`` (unscored rows); ``why`` there is none, or
        none that could be: a difference above ``SCALE`` is a number of the formula alone.

    Source: J. Cohen (1988), Statistical Power Analysis for the Behavioral Sciences, § 2.5; the noncentral t,
    as an integral over the sample SD.
    """
    frame = valued_scores(scores)
    if frame.empty:
        return typed_frame([], KINDS)
    rows = [_row(frame, factor, power) for factor in (*FACTORS, "combo_id")]
    return typed_frame(rows, KINDS).round(DECIMALS)


def _row(frame: pd.DataFrame, factor: str, power: float) -> dict[str, Any]:
    means = _cluster_means(frame, factor)
    row: dict[str, Any] = {
        "factor": factor,
        "levels": means.shape[1],
        "cluster": "template x generator" if factor == "combo_id" else "combination",
        "left_out": int(frame["value"].isna().sum()),
    }
    variances, shared = _differences(means.to_numpy(float))
    if not len(variances):
        few = {0: "no score", 1: "1 level"}.get(means.shape[1], "no two levels share 2 clusters")
        return row | {"n_clusters": 0, "why": f"{few}: nothing to compare"}
    clusters = int(np.median(shared))
    sd = float(np.sqrt(variances.mean()))
    effect_size = _detectable(clusters, power)
    why = "" if sd > 0 else "the differences do not vary"
    if effect_size * sd > SCALE:
        why = f"more than the scale has: cannot be found with {clusters} clusters"
    return row | {
        "n_clusters": clusters,
        "sd_of_differences": sd,
        "detectable_effect_size": effect_size,
        "detectable_difference": effect_size * sd,
        "why": why,
    }


def _cluster_means(frame: pd.DataFrame, factor: str) -> pd.DataFrame:
    """Mean by cluster (rows) and level (columns), over blocks in which all else is equal."""
    clusters = ["combo_id"] if factor != "combo_id" else list(COMBINATION_CLUSTERS)
    held = [other for other in FACTORS if other != factor and other not in clusters]
    blocks = frame.groupby([*clusters, *held, factor])["value"].mean().unstack(factor)
    # Blocks that miss a level would compare other blocks with it; where all do, they are all there is.
    complete = blocks.dropna()
    used = complete if complete.groupby(level=clusters).ngroups >= 2 else blocks
    return used.groupby(level=clusters).mean().dropna(axis="columns", how="all")


def _differences(table: Floats) -> tuple[Floats, npt.NDArray[np.intp]]:
    """Variance (n − 1) of the differences of each two columns, and n, for pairs that share 2 rows."""
    there = ~np.isnan(table)
    centred = np.where(there, table - np.nanmean(table) if there.any() else 0.0, 0.0)
    shared = there.T.astype(float) @ there
    sums = centred.T @ there
    squares = (centred**2).T @ there
    sum_of_differences = sums - sums.T
    square_of_differences = squares + squares.T - 2 * centred.T @ centred
    first, second = np.triu_indices(table.shape[1], k=1)
    pairs = shared[first, second] >= 2
    first, second = first[pairs], second[pairs]
    n = shared[first, second]
    spread = square_of_differences[first, second] - sum_of_differences[first, second] ** 2 / n
    return np.maximum(spread, 0.0).round(DECIMALS) / (n - 1), n.astype(np.intp)


def _detectable(clusters: int, power: float) -> float:
    """The effect size d_z that a two-sided t-test of so many differences finds with this probability.

    Searched by halves: the power rises with the effect.
    """
    from scipy.special import ndtr, stdtrit

    df = clusters - 1
    sds, weights = _sds(df)
    critical = stdtrit(df, 1 - SIGNIFICANCE / 2) * sds

    def power_of(effect_size: float) -> float:
        """Given the SD, t passes its critical value as a normal variable does."""
        shift = effect_size * math.sqrt(clusters)
        return float((weights * (ndtr(shift - critical) + ndtr(-shift - critical))).sum())

    low, high = 0.0, 1.0
    while power_of(high) < power:
        low, high = high, 2 * high
    while high - low > TOLERANCE * high:
        middle = (low + high) / 2
        low, high = (middle, high) if power_of(middle) < power else (low, middle)
    return high


def _sds(df: int) -> tuple[Floats, Floats]:
    """Points and weights to integrate over the distribution of the sample SD, in units of the true one.

    Written out: to load statsmodels or scipy.stats takes longer than all tables of an experiment. And
    their noncentral t has no value for 2 clusters, that of ``scipy.special`` too few digits.
    """
    spread = 1 / math.sqrt(2 * df)
    low, high = max(0.0, 1 - 10 * spread), 1 + 12 * spread + 10 / df
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    sds = low + (high - low) * (nodes + 1) / 2
    log_density = (
        math.log(2)
        + df / 2 * math.log(df / 2)
        - math.lgamma(df / 2)
        + (df - 1) * np.log(sds)
        - df * sds**2 / 2
    )
    return sds, weights * np.exp(log_density) * (high - low) / 2
