"""Can the judges be trusted one by one? Habits of each judge, and rankings with their effect taken out."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from daydreaming.analysis.bias import Bias, Effect, judge_bias, related_scores
from daydreaming.analysis.bootstrap import ratio_interval
from daydreaming.analysis.comparisons import told_interval
from daydreaming.analysis.frames import Kind, typed_frame
from daydreaming.analysis.scales import DECIMALS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pandas as pd

RANKED: Final = ("generation_template", "generation_model")
CHARS_PER_UNIT: Final = 1000
"""Slopes on length are per so many characters."""
LEAST_FREEDOM: Final = 2
"""Essays beyond one per generator that a slope needs: with one, it passes through all of them."""
NONE: Final = float("nan")

AUDIT_KINDS: Final[Mapping[str, Kind]] = {
    "evaluation_model": "text",
    "statistic": "text",
    "value": "number",
    "ci_low": "number",
    "ci_high": "number",
    "n": "integer",
    "essays": "integer",
    "left_out": "integer",
    "why": "text",
}
RANKING_KINDS: Final[Mapping[str, Kind]] = {
    "factor": "text",
    "level": "text",
    "mean": "number",
    "rank": "integer",
    "adjusted_mean": "number",
    "adjusted_rank": "integer",
    "rank_change": "integer",
    "n_scores": "integer",
    "left_out": "integer",
    "why": "text",
}


def judge_audit(scores: pd.DataFrame, *, resamples: int = 1000, seed: int = 0) -> pd.DataFrame:
    """What each judge does beside judging. All scores are on 0–10; intervals draw whole essays again.

    Args:
        scores: One row per planned evaluation, as ``parsed_scores`` returns.
        resamples: Bootstrap samples of essays; 0 for no intervals.
        seed: Of the random numbers; each statistic starts from it.

    Returns:
        For each judge, sorted, one row per ``statistic``; before them two rows for all judges together
        (``evaluation_model`` ''). ``value`` with ``ci_low`` and ``ci_high`` (95 %), ``n`` rows and ``essays``
        used, ``left_out`` (its unscored rows; for ``parse_failures`` those without an answer), ``why``
        something is missing. Statistics:

        - ``leniency``: points above the mean of all judges on the same essays and rubrics (sum 0).
        - ``self_preference``: points that it adds to essays of the generator that it is itself, beyond its
          leniency and what the other judges give; ``family_preference``: to essays of other models of
          the same maker. See ``bias``.
        - ``length_slope``: points per 1,000 characters of essay, among essays of one generator by one rubric.
        - ``retest_sd``: standard deviation of its scores when it reads the same essay by the same rubric
          again; ``retest_reliability``: one less the share of that variance in the variance of its scores by
          one rubric: 1 where it repeats itself.
        - ``at_minimum``, ``at_maximum``: share of its scores at the ends of the scale.
        - ``parse_failures``: share of its answers in which no score could be read.
    """
    if scores.empty:
        return typed_frame([], AUDIT_KINDS)
    frame = related_scores(scores)
    extra = ["score", "score_min", "score_max", "essay_chars", "evaluation_response_path"]
    frame = frame.join(scores[extra])
    bias = judge_bias(frame, resamples=resamples, seed=seed)
    unscored = int(frame["value"].isna().sum())
    rows = [{"evaluation_model": "", "left_out": unscored, **row} for row in _preferences(bias, "", frame)]
    has_paths = bool((frame["evaluation_response_path"] != "").any())
    for judge, of_judge in frame.groupby("evaluation_model"):
        scored = of_judge[of_judge["value"].notna()]
        statistics = (
            _effect_row("leniency", bias.effects["leniency", str(judge)]),
            *_preferences(bias, str(judge), of_judge),
            _length_slope(scored, resamples, seed),
            *_retest(scored, resamples, seed),
            *_saturation(scored, resamples, seed),
        )
        left_out = len(of_judge) - len(scored)
        rows += [{"evaluation_model": judge, "left_out": left_out, **row} for row in statistics]
        failures = _parse_failures(of_judge, has_paths, resamples, seed)
        rows.append({"evaluation_model": judge, "left_out": len(of_judge) - failures["n"], **failures})
    return typed_frame(rows, AUDIT_KINDS).round(DECIMALS)


def adjusted_ranking(scores: pd.DataFrame) -> pd.DataFrame:
    """Generation templates and generators by mean score, as it is and with the judges' bias taken out.

    From each score goes what its judge adds by leniency, self-preference and family preference, as far as the
    data tell them (``bias``). Leniency moves a rank only where not all judges scored the same.

    Args:
        scores: One row per planned evaluation, as ``parsed_scores`` returns.

    Returns:
        One row per level, by factor and ``rank``: ``mean`` and ``adjusted_mean`` on 0–10, both ranks (1 is
        best, equal means share the better), ``rank_change`` (places gained by the adjustment),
        ``n_scores``, ``left_out`` (unscored), ``why`` something is not taken out.
    """
    if scores.empty:
        return typed_frame([], RANKING_KINDS)
    frame = related_scores(scores)
    bias = judge_bias(frame, resamples=0)
    frame = frame.assign(adjusted=frame["value"] - bias.added)
    why = _not_taken_out(bias)
    rows = [row for factor in RANKED for row in _ranked(frame, factor, why)]
    return typed_frame(rows, RANKING_KINDS)


def _ranked(frame: pd.DataFrame, factor: str, why: str) -> Iterator[dict[str, Any]]:
    table = frame.groupby(factor).agg(
        mean=("value", "mean"),
        adjusted_mean=("adjusted", "mean"),
        n_scores=("value", "count"),
        planned=("value", "size"),
    )
    means = table[["mean", "adjusted_mean"]].round(DECIMALS)
    table[["mean", "adjusted_mean"]] = means
    table[["rank", "adjusted_rank"]] = means.rank(ascending=False, method="min")
    table["rank_change"] = table["rank"] - table["adjusted_rank"]
    table["left_out"] = table["planned"] - table["n_scores"]
    table = table.rename_axis("level").reset_index().sort_values(["rank", "level"])
    for row in table.to_dict("records"):
        reason = why if row["n_scores"] else "no score"
        yield {"factor": factor, "why": reason, **{str(name): value for name, value in row.items()}}


def _effect_row(statistic: str, effect: Effect) -> dict[str, Any]:
    return {
        "statistic": statistic,
        "value": effect.value,
        "ci_low": effect.low,
        "ci_high": effect.high,
        "n": effect.scores,
        "essays": effect.essays,
        "why": effect.why,
    }


def _preferences(bias: Bias, judge: str, rows: pd.DataFrame) -> Iterator[dict[str, Any]]:
    own = _effect_row("self_preference", bias.effects["own", judge])
    kin = _effect_row("family_preference", bias.effects["kin", judge])
    if not rows["own"].any():
        own["why"] = "is no generator here" if judge else "no judge is a generator here"
    if not rows["family_known"].any():
        kin["why"] = "family not known (vendor/ in the model's name)"
    elif not rows["kin"].any():
        kin["why"] = "no essay of another model of its family"
    yield own
    yield kin


def _length_slope(scored: pd.DataFrame, resamples: int, seed: int) -> dict[str, Any]:
    rows = scored[scored["essay_chars"].notna()]
    if rows.empty:
        return _missing("length_slope", 0, "no length of essays in the table" if len(scored) else "no score")
    length = rows["essay_chars"].astype(float) / CHARS_PER_UNIT
    groups = [rows["generation_model"], rows["evaluation_template"]]
    x = length - length.groupby(groups).transform("mean")
    y = rows["value"] - rows["value"].groupby(groups).transform("mean")
    if (x.abs() < 1 / CHARS_PER_UNIT**2).all():
        return _missing("length_slope", len(rows), "the essays of a generator are all of one length")
    essays, generators = rows["essay"].nunique(), rows["generation_model"].nunique()
    if essays - generators < LEAST_FREEDOM:
        return _missing("length_slope", len(rows), f"too few essays for a slope: {essays}")
    return _ratio("length_slope", x * y, x * x, rows, resamples, seed)


def _retest(scored: pd.DataFrame, resamples: int, seed: int) -> Iterator[dict[str, Any]]:
    cells = scored.groupby(["essay", "evaluation_template"])["value"]
    rows = scored[cells.transform("size") >= 2]
    if rows.empty:
        why = "no essay was judged twice by one rubric" if len(scored) else "no score"
        yield _missing("retest_sd", 0, why)
        yield _missing("retest_reliability", 0, why)
        return
    cells = rows.groupby(["essay", "evaluation_template"])["value"]
    squares = (rows["value"] - cells.transform("mean")) ** 2
    freedom = 1 - 1 / cells.transform("size")
    found = _ratio("retest_sd", squares, freedom, rows, resamples, seed)
    within = float(found["value"])
    yield found | {key: math.sqrt(found[key]) for key in ("value", "ci_low", "ci_high")}
    by_rubric = rows.groupby("evaluation_template")["value"]
    among = float(((rows["value"] - by_rubric.transform("mean")) ** 2).sum())
    whole = among / max(len(rows) - by_rubric.ngroups, 1)
    if whole <= 0:
        yield _missing("retest_reliability", len(rows), "all its scores are equal")
    else:
        made = {"value": 1 - within / whole, "essays": rows["essay"].nunique(), "why": "no interval is made"}
        yield _missing("retest_reliability", len(rows), "") | made


def _saturation(scored: pd.DataFrame, resamples: int, seed: int) -> Iterator[dict[str, Any]]:
    for statistic, bound in (("at_minimum", "score_min"), ("at_maximum", "score_max")):
        if scored.empty:
            yield _missing(statistic, 0, "no score")
        else:
            hits = (scored["score"] == scored[bound]).astype(float)
            yield _ratio(statistic, hits, hits * 0 + 1, scored, resamples, seed)


def _parse_failures(of_judge: pd.DataFrame, has_paths: bool, resamples: int, seed: int) -> dict[str, Any]:
    answered = of_judge[of_judge["evaluation_response_path"] != ""] if has_paths else of_judge
    if answered.empty:
        return _missing("parse_failures", 0, "no answer")
    failed = answered["value"].isna().astype(float)
    row = _ratio("parse_failures", failed, failed * 0 + 1, answered, resamples, seed)
    if not has_paths:
        row["why"] = "; ".join(filter(None, [row["why"], "no paths of answers: every unscored row counts"]))
    return row


def _ratio(
    statistic: str,
    parts: pd.Series[Any],
    wholes: pd.Series[Any],
    rows: pd.DataFrame,
    resamples: int,
    seed: int,
) -> dict[str, Any]:
    """A ratio of two sums with its interval; nothing in ``wholes`` is below 0."""
    by_essay = parts.to_frame("part").assign(whole=wholes).groupby(rows["essay"]).sum()
    by_essay = by_essay[by_essay["whole"] > 0]
    value = float(by_essay["part"].sum() / by_essay["whole"].sum())
    low, high, why = NONE, NONE, "no interval: 1 essay" if resamples else ""
    if resamples and len(by_essay) >= 2:
        part, whole = by_essay["part"].to_numpy(float), by_essay["whole"].to_numpy(float)
        low, high, why = told_interval(*ratio_interval(part, whole, resamples, seed), len(by_essay))
    effect = Effect(value, low, high, len(rows), rows["essay"].nunique(), why)
    return _effect_row(statistic, effect)


def _missing(statistic: str, n: int, why: str) -> dict[str, Any]:
    return _effect_row(statistic, Effect(NONE, NONE, NONE, n, 0, why))


def _not_taken_out(bias: Bias) -> str:
    names = {"leniency": "leniency", "own": "self-preference", "kin": "family preference"}
    untold = {kind for (kind, judge), e in bias.effects.items() if judge and e.scores and math.isnan(e.value)}
    told = [name for kind, name in names.items() if kind in untold]
    return f"cannot be told, so not taken out: {', '.join(told)}" if told else ""
