"""Which is better? Levels of each factor with intervals, compared in pairs, with corrected p-values.

Scores of one combination depend on each other, so the combination is the unit of every interval and test,
never the score row. All scores are put on 0–10 first: rubrics with different ranges are never averaged as
they are. An empty cell of a table is a number that the data cannot give, and ``why`` says so.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import pandas as pd

from daydreaming.analysis.bootstrap import chunks, ratio_interval
from daydreaming.analysis.frames import Kind, typed_frame
from daydreaming.analysis.scales import DECIMALS, score_0_10
from daydreaming.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

FACTORS: Final = ("generation_template", "generation_model", "evaluation_template", "evaluation_model")
EVALUATION_FACTORS: Final = ("evaluation_template", "evaluation_model")
ESSAY_COLUMNS: Final = ("combo_id", "generation_template", "generation_model", "generation_replicate")
"""What names an essay in a table without ``generation_task_id``."""

SIGNIFICANCE: Final = 0.05
FEW_CLUSTERS: Final = 10
"""Below so many clusters a percentile bootstrap interval is known to be too narrow, and ``why`` says so."""

TIE: Final = 1e-9
"""Statistics closer than this are equal: differences are rounded to ``DECIMALS`` places."""

LEVEL_KINDS: Final[Mapping[str, Kind]] = {
    "factor": "text",
    "level": "text",
    "mean": "number",
    "ci_low": "number",
    "ci_high": "number",
    "n_scores": "integer",
    "n_clusters": "integer",
    "left_out": "integer",
    "why": "text",
}
PAIR_KINDS: Final[Mapping[str, Kind]] = {
    "factor": "text",
    "level_a": "text",
    "level_b": "text",
    "difference": "number",
    "effect_size": "number",
    "n_blocks": "integer",
    "n_combinations": "integer",
    "left_out": "integer",
    "p_permutation": "number",
    "p_holm": "number",
    "p_bh": "number",
    "why": "text",
}
FRIEDMAN_KINDS: Final[Mapping[str, Kind]] = {
    "factor": "text",
    "levels": "integer",
    "blocks": "integer",
    "left_out": "integer",
    "chi_square": "number",
    "p_permutation": "number",
    "kendalls_w": "number",
    "why": "text",
}


def factor_levels(scores: pd.DataFrame, *, resamples: int = 2000, seed: int = 0) -> pd.DataFrame:
    """Mean of each level of each factor, with a 95 % interval that respects the dependence of scores.

    The interval is the percentile interval of a cluster bootstrap: whole clusters are drawn with
    replacement, with all their scores. Clusters are combinations; for ``combo_id`` itself, essays.

    Args:
        scores: One row per planned evaluation, as ``parsed_scores`` returns.
        resamples: Bootstrap samples of each level.
        seed: Of the random numbers; each level starts from it, so no level changes another's interval.

    Returns:
        One row per level, sorted by factor (``FACTORS``, then ``combo_id``) and level: ``factor, level,
        mean`` (of all scores, on 0–10), ``ci_low, ci_high`` (empty below 2 clusters), ``n_scores``,
        ``n_clusters`` (that have a score), ``left_out`` (unscored rows), ``why``.

    Raises:
        InputError: ``resamples`` is below 1.

    Source: A. C. Cameron, J. B. Gelbach, D. L. Miller (2008), Bootstrap-based improvements for inference
    with clustered errors, Review of Economics and Statistics 90(3), 414–427 (the pairs cluster bootstrap).
    """
    _check_positive("resamples", resamples)
    frame = valued_scores(scores)
    rows: list[dict[str, Any]] = []
    for factor in (*FACTORS, "combo_id"):
        cluster, noun = ("essay", "essay") if factor == "combo_id" else ("combo_id", "combination")
        clusters = frame.groupby([factor, cluster])["value"].agg(["sum", "count", "size"])
        for level, sums in clusters.groupby(level=0):
            rows.append({"factor": factor, "level": level, **_level_row(sums, noun, resamples, seed)})
    return typed_frame(rows, LEVEL_KINDS)


def paired_comparisons(scores: pd.DataFrame, *, permutations: int = 5000, seed: int = 0) -> pd.DataFrame:
    """Compare each two levels of a factor where all else is equal: difference, effect size and test.

    A block is a combination with the other three factors held equal (for rubrics and judges also the same
    essay); replicates within it are averaged. The differences of a combination's blocks are averaged, and
    these means, one per combination, are what is described and tested.

    Args:
        scores: One row per planned evaluation, as ``parsed_scores`` returns.
        permutations: Sign flips to draw; all 2ⁿ are enumerated where they are no more than this.
        seed: Of the random numbers; each pair starts from it.

    Returns:
        One row per pair of levels, sorted by factor and levels:

        - ``difference``: mean of ``level_a − level_b``, in points on 0–10.
        - ``effect_size``: Cohen's d_z, mean by SD (n − 1) of the differences; empty where the SD is 0.
        - ``n_blocks``, ``n_combinations``; ``left_out``: rows of the two levels in no block (unscored, or
          without a partner).
        - ``p_permutation``: two-sided, by flipping signs; exact, or (hits + 1) / (draws + 1).
        - ``p_holm``, ``p_bh``: adjusted over the tested pairs of the factor.
        - Tests are empty below 2 combinations; ``why`` tells the reason and the smallest p that is possible.

    Raises:
        InputError: ``permutations`` is below 1.

    Source: R. A. Fisher (1935), The Design of Experiments, § 21 (sign flips); B. Phipson, G. K. Smyth
    (2010), Permutation p-values should never be zero, SAGMB 9(1), 39; J. Cohen (1988), Statistical Power
    Analysis, § 2.3.5 (d_z); S. Holm (1979), A simple sequentially rejective multiple test procedure, Scand.
    J. Statistics 6(2), 65–70; Y. Benjamini, Y. Hochberg (1995), Controlling the false discovery rate, JRSS B
    57(1), 289–300.
    """
    _check_positive("permutations", permutations)
    frame = valued_scores(scores)
    tables = [_factor_pairs(frame, factor, permutations, seed) for factor in FACTORS]
    return typed_frame([row for table in tables for row in table], PAIR_KINDS)


def friedman(scores: pd.DataFrame, *, permutations: int = 5000, seed: int = 0) -> pd.DataFrame:
    """Do the levels of a factor differ at all? Friedman's rank test over combinations.

    Each combination ranks the levels by their means over its complete blocks, those of
    ``paired_comparisons`` where every level has a score. Where fewer than 2 combinations have one, the
    level with the fewest scored blocks is left out until they do, and ``why`` names it.

    Args:
        scores: One row per planned evaluation, as ``parsed_scores`` returns.
        permutations: Draws of the permutation test, which shuffles the ranks within each combination.
        seed: Of the random numbers; each factor starts from it.

    Returns:
        One row per factor with 3 levels or more: ``factor, levels, blocks`` (combinations that ranked),
        ``left_out`` (rows in no complete block), ``chi_square`` (corrected for ties), ``p_permutation``
        ((hits + 1) / (draws + 1)), ``kendalls_w`` (0 no agreement on the order, 1 all the same), ``why``.

    Raises:
        InputError: ``permutations`` is below 1.

    Source: M. Friedman (1937), The use of ranks to avoid the assumption of normality implicit in the
    analysis of variance, JASA 32(200), 675–701; ties and W: W. J. Conover (1999), Practical Nonparametric
    Statistics, § 5.8.
    """
    _check_positive("permutations", permutations)
    frame = valued_scores(scores)
    rows = [
        _friedman_row(frame, factor, permutations, seed) for factor in FACTORS if frame[factor].nunique() >= 3
    ]
    return typed_frame(rows, FRIEDMAN_KINDS)


def _check_positive(name: str, value: int) -> None:
    if value < 1:
        raise InputError(f"{name} must be at least 1; got {value}. Leave it out for the default.")


def valued_scores(scores: pd.DataFrame) -> pd.DataFrame:
    """Factors, ``value`` (the score on 0–10, NaN when unscored) and ``essay``, one row per evaluation."""
    frame = scores[["combo_id", *FACTORS]].assign(value=score_0_10(scores))
    if "generation_task_id" in scores:
        return frame.assign(essay=scores["generation_task_id"])
    named = [column for column in ESSAY_COLUMNS if column in scores]
    return frame.assign(essay=scores.groupby(named, dropna=False).ngroup())


def _level_row(clusters: pd.DataFrame, noun: str, resamples: int, seed: int) -> dict[str, Any]:
    scored = clusters[clusters["count"] > 0]
    n_scores, n_clusters = int(scored["count"].sum()), len(scored)
    left_out = int(clusters["size"].sum()) - n_scores
    row: dict[str, Any] = {"n_scores": n_scores, "n_clusters": n_clusters, "left_out": left_out}
    why = []
    if n_scores:
        row["mean"] = round(float(scored["sum"].sum()) / n_scores, DECIMALS)
    if n_clusters >= 2:
        interval = ratio_interval(
            scored["sum"].to_numpy(float), scored["count"].to_numpy(float), resamples, seed
        )
        row["ci_low"], row["ci_high"] = interval
    if n_scores == 0:
        why.append("no row is scored: no mean")
    elif n_clusters < 2:
        why.append(f"1 {noun}: an interval needs 2")
    elif n_clusters < FEW_CLUSTERS:
        why.append(rough_interval(n_clusters, noun))
    if left_out:
        why.append(f"{_count(left_out, 'row')} unscored, left out")
    return {**row, "why": "; ".join(why)}


def rough_interval(n_clusters: int, noun: str) -> str:
    """What is to be said of an interval from fewer than ``FEW_CLUSTERS`` clusters."""
    return f"only {_count(n_clusters, noun)}: the interval is rough, likely too narrow"


def told_interval(low: float, high: float, n_essays: int) -> tuple[float, float, str]:
    """An interval over essays as far as it says something, and why it does not say more.

    Essays that are all alike give one without width, which would pass for certainty: it is left empty.
    """
    if low == high:
        return float("nan"), float("nan"), f"no interval: the {_count(n_essays, 'essay')} are all alike in it"
    return low, high, rough_interval(n_essays, "essay") if n_essays < FEW_CLUSTERS else ""


def _cells(frame: pd.DataFrame, factor: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Mean score and number of scored rows by block (rows; combination first) and level (columns)."""
    held = [other for other in FACTORS if other != factor]
    if factor in EVALUATION_FACTORS:
        held.append("essay")  # replicates of an essay differ: judges are compared on the same text
    groups = frame.groupby(["combo_id", *held, factor])["value"]
    means = groups.mean().round(DECIMALS).unstack(factor)
    return means, groups.count().unstack(factor, fill_value=0)


def _factor_pairs(frame: pd.DataFrame, factor: str, permutations: int, seed: int) -> list[dict[str, Any]]:
    means, counts = _cells(frame, factor)
    planned = frame[factor].value_counts()
    rows = []
    for pair in combinations(means.columns, 2):
        row = _pair_row(means[list(pair)], counts[list(pair)], planned[list(pair)], permutations, seed)
        rows.append({"factor": factor, "level_a": pair[0], "level_b": pair[1], **row})
    p = [row.get("p_permutation", float("nan")) for row in rows]
    for row, by_holm, by_bh in zip(rows, _adjusted(p, "holm"), _adjusted(p, "bh"), strict=True):
        row["p_holm"], row["p_bh"] = round(float(by_holm), DECIMALS), round(float(by_bh), DECIMALS)
    return rows


def _adjusted(p: Sequence[float], method: Literal["holm", "bh"]) -> Floats:
    """P-values corrected for being many; NaN (not tested) stays NaN and is not counted.

    Written out: to load statsmodels for it takes longer than all the tables of an experiment.
    """
    values = np.array(p, dtype=float)
    tested = np.flatnonzero(~np.isnan(values))
    order = tested[np.argsort(values[tested], kind="stable")]
    rising, n = values[order], order.size
    if method == "holm":
        corrected = np.maximum.accumulate(rising * np.arange(n, 0, -1))
    else:
        corrected = np.minimum.accumulate((rising * n / np.arange(1, n + 1))[::-1])[::-1]
    values[order] = np.minimum(corrected, 1.0)
    return values


def _pair_row(
    means: pd.DataFrame, counts: pd.DataFrame, planned: pd.Series[Any], permutations: int, seed: int
) -> dict[str, Any]:
    both = means.notna().all(axis=1)
    by_block = means.loc[both].iloc[:, 0] - means.loc[both].iloc[:, 1]
    differences = by_block.groupby(level="combo_id").mean().round(DECIMALS).to_numpy(float)
    used, scored, total = int(counts[both].sum().sum()), int(counts.sum().sum()), int(planned.sum())
    n = differences.size
    row: dict[str, Any] = {"n_blocks": int(both.sum()), "n_combinations": n, "left_out": total - used}
    why = []
    if n:
        row["difference"] = round(float(differences.mean()), DECIMALS)
    if n >= 2:
        row["p_permutation"] = _sign_flip_p(differences, permutations, seed)
        row["effect_size"] = _effect_size(differences)
        why += _limits(n, row["effect_size"] is None)
    elif n == 1:
        why.append("1 combination: a test needs 2")
    else:
        why.append("no block has scores of both levels: not compared")
    if total - used:
        why.append(_left_out(total - scored, scored - used, "partner"))
    return {**row, "why": "; ".join(why)}


def _limits(n: int, constant: bool) -> list[str]:
    why = []
    if constant:
        why.append("the differences do not vary: no effect size")
    smallest = 2.0 ** (1 - n)
    if smallest > SIGNIFICANCE:
        why.append(f"with {_count(n, 'combination')} p cannot be below {smallest:g}")
    return why


def _effect_size(differences: Floats) -> float | None:
    sd = float(differences.std(ddof=1))
    return round(float(differences.mean()) / sd, DECIMALS) if sd > TIE else None


def _sign_flip_p(differences: Floats, permutations: int, seed: int) -> float:
    n = differences.size
    exact = n < 63 and 2**n <= permutations
    total = 2**n if exact else permutations
    rng = np.random.default_rng(seed)
    least = abs(differences.sum()) - n * TIE
    hits = 0
    for part in chunks(total, n):
        if exact:
            flipped = (np.arange(part.start, part.stop)[:, None] >> np.arange(n)) & 1
        else:
            flipped = rng.integers(2, size=(part.stop - part.start, n))
        # The sum with signs is the whole sum less twice what was flipped.
        hits += int((np.abs(differences.sum() - 2 * (flipped @ differences)) >= least).sum())
    return hits / total if exact else round((hits + 1) / (total + 1), DECIMALS)


def _friedman_row(frame: pd.DataFrame, factor: str, permutations: int, seed: int) -> dict[str, Any]:
    means, counts = _cells(frame, factor)
    kept = _comparable_levels(means)
    dropped = [level for level in means.columns if level not in kept]
    complete = means[kept].dropna()
    by_combination = complete.groupby(level="combo_id").mean().round(DECIMALS)
    used, scored = int(counts.loc[complete.index, kept].sum().sum()), int(counts.sum().sum())
    k, n = len(kept), len(by_combination)
    row: dict[str, Any] = {"factor": factor, "levels": k, "blocks": n, "left_out": len(frame) - used}
    why = [f"left out for want of complete blocks: {', '.join(map(str, dropped))}"] if dropped else []
    if n < 2 or k < 3:
        why.append("a test needs 3 levels that 2 combinations have complete: not tested")
    else:
        ranks = by_combination.rank(axis=1).to_numpy(float)
        tested = _friedman_test(ranks, permutations, seed)
        row |= tested
        why += [] if tested else ["every combination ranks all levels equal: not tested"]
    if len(frame) - used:
        why.append(_left_out(len(frame) - scored, scored - used, "complete block"))
    return {**row, "why": "; ".join(why)}


def _comparable_levels(means: pd.DataFrame) -> list[Any]:
    by_level = means.notna().sum()
    kept: list[Any] = list(means.columns)
    while len(kept) > 2 and means[kept].dropna().index.get_level_values("combo_id").nunique() < 2:
        kept.remove(by_level[kept].idxmin())
    return kept if len(kept) > 2 else list(means.columns)


def _friedman_test(ranks: Floats, permutations: int, seed: int) -> dict[str, float]:
    n, k = ranks.shape
    spread = float(((ranks - (k + 1) / 2) ** 2).sum())
    if spread < TIE:
        return {}
    expected = n * (k + 1) / 2
    observed = float(((ranks.sum(axis=0) - expected) ** 2).sum())
    chi_square = (k - 1) * observed / spread
    rng = np.random.default_rng(seed)
    hits = 0
    for part in chunks(permutations, n * k):
        shuffled = rng.permuted(np.broadcast_to(ranks, (part.stop - part.start, n, k)), axis=2)
        # Shuffling within combinations leaves the spread as it is: the rank sums alone decide.
        statistics = ((shuffled.sum(axis=1) - expected) ** 2).sum(axis=1)
        hits += int((statistics >= observed - TIE).sum())
    return {
        "chi_square": round(chi_square, DECIMALS),
        "p_permutation": round((hits + 1) / (permutations + 1), DECIMALS),
        "kendalls_w": round(chi_square / (n * (k - 1)), DECIMALS),
    }


def _left_out(unscored: int, alone: int, missing: str) -> str:
    parts = [f"{_count(unscored, 'row')} unscored"] if unscored else []
    parts += [f"{_count(alone, 'score')} without a {missing}"] if alone else []
    return f"{', '.join(parts)}, left out"


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
