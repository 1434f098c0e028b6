"""How far the judges can be trusted: Krippendorff's alpha and intraclass correlations.

Both say how much of the differences between scores is differences between essays: 1 where the judges agree in
all, 0 where their scores tell no more than chance, below 0 where they contradict each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from daydreaming.analysis.frames import Kind, typed_frame
from daydreaming.analysis.scales import DECIMALS, with_shared_scale

Level = Literal["ordinal", "interval"]
Floats = npt.NDArray[np.float64]

LEVELS: Final[tuple[Level, ...]] = ("ordinal", "interval")
ALPHA: Final = "krippendorff_alpha"
COVERAGE: Final = (0.025, 0.975)
"""Ends of the interval: the middle 95 % of the resamples."""
MIN_DEFINED: Final = 0.95
"""Share of the resamples that must have an alpha, or there is no interval."""
NEGLIGIBLE: Final = 1e-12
"""A mean square below this share of the widest squared deviation is the noise of binary fractions."""

KINDS: Final[Mapping[str, Kind]] = {
    "evaluation_template": "text",
    "statistic": "text",
    "level": "text",
    "value": "number",
    "ci_low": "number",
    "ci_high": "number",
    "essays": "integer",
    "judges": "integer",
    "left_out": "integer",
    "why": "text",
}


@dataclass(frozen=True)
class ICC:
    """Intraclass correlations of a table of ratings; None where undefined.

    Attributes:
        absolute_1: ICC(A,1): one rater's scores, where a strict and a lenient rater disagree.
        consistency_1: ICC(C,1): the same, where only the order and the distances count.
        absolute_k: ICC(A,k): the mean of all raters.
        consistency_k: ICC(C,k): the mean of all raters, where only order and distances count.
        rows: Complete rows, which are what was used.
        raters: Columns.
        left_out: Rows in which a rating is missing.
        why: Why all four are None; '' otherwise.
    """

    absolute_1: float | None
    consistency_1: float | None
    absolute_k: float | None
    consistency_k: float | None
    rows: int
    raters: int
    left_out: int
    why: str = ""

    def by_name(self) -> dict[str, float | None]:
        """The four by their names in McGraw & Wong."""
        return {
            "ICC(A,1)": self.absolute_1,
            "ICC(C,1)": self.consistency_1,
            "ICC(A,k)": self.absolute_k,
            "ICC(C,k)": self.consistency_k,
        }


def krippendorff_alpha(ratings: npt.ArrayLike, level: Level) -> float | None:
    """Agreement of any number of raters, beyond chance, with ratings missing anywhere.

    Args:
        ratings: Units × raters, NaN where missing. A unit with fewer than 2 ratings pairs with nothing and is
            left out.
        level: ``ordinal`` takes ranks alone; ``interval`` takes distances.

    Returns:
        ``1 − observed / expected disagreement``, at most 1; None where no unit has 2 ratings or all the
        ratings that pair are equal.

    Source: Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability", sections D and E. The sums over
        the coincidence matrix are taken per unit: both metrics are squared distances between positions
        (values, or for ``ordinal`` mid-ranks), so a unit of m ratings adds ``2 m / (m − 1)`` times its sum of
        squares to the observed, and n ratings in all ``2 n`` times theirs to the expected disagreement.
    """
    pairable = _Pairable.of(_table(ratings))
    return pairable.alpha(level, np.ones(pairable.units))


def icc(ratings: npt.ArrayLike) -> ICC:
    """Intraclass correlations from the mean squares of rows, columns and error.

    Args:
        ratings: Units × raters, NaN where missing; rows with a missing rating are left out and counted.

    Source: McGraw & Wong (1996), "Forming inferences about some intraclass correlation coefficients",
        Psychological Methods 1(1), table 4. The first two of Shrout & Fleiss (1979) are ICC(A,1) = ICC(2,1)
        and ICC(C,1) = ICC(3,1).
    """
    table = _table(ratings)
    complete = table[~np.isnan(table).any(axis=1)]
    rows, raters, left_out = len(complete), table.shape[1], len(table) - len(complete)
    why = _why_no_icc(complete)
    if why:
        return ICC(None, None, None, None, rows, raters, left_out, why)
    between, judges, error = _mean_squares(complete)
    signal = between - error
    single = between + (raters - 1) * error
    bias = (judges - error) / rows
    return ICC(
        absolute_1=_ratio(signal, single + raters * bias),
        consistency_1=_ratio(signal, single),
        absolute_k=_ratio(signal, between + bias),
        consistency_k=_ratio(signal, between),
        rows=rows,
        raters=raters,
        left_out=left_out,
    )


def judge_reliability(scores: pd.DataFrame, *, resamples: int = 1000, seed: int = 0) -> pd.DataFrame:
    """Agreement among the judges, by rubric.

    A judge's replicates on one essay are averaged first, so the unit is an essay and the raters are judges.
    Judges without any score by the rubric are left out.

    Args:
        scores: One row per planned evaluation, as ``parsed_scores`` returns.
        resamples: Bootstrap resamples of essays; 0 for no intervals.
        seed: Of the resampling. Each rubric starts from it, so its interval depends on no other rubric.

    Returns:
        Per rubric, sorted, six rows. Columns:

        - ``evaluation_template``; ``statistic``: ``krippendorff_alpha`` or ``ICC(A,1)``, ``ICC(C,1)``,
          ``ICC(A,k)``, ``ICC(C,k)``; ``level``: ``ordinal`` or ``interval``.
        - ``value``: NaN where undefined. ``ci_low``, ``ci_high``: 95 % percentile bootstrap over essays, of
          alpha only.
        - ``essays``: used (alpha: at least 2 judges scored them; ICC: all judges did); ``judges``;
          ``left_out``: the other planned essays.
        - ``why``: why there is no value or no interval; '' where nothing is missing.
    """
    frame = with_shared_scale(scores, ["evaluation_template"])
    keys = ["evaluation_template", "generation_task_id", "evaluation_model"]
    means = frame.groupby(keys)["value"].mean().round(DECIMALS)
    rows: list[dict[str, Any]] = []
    for rubric, cells in means.groupby("evaluation_template"):
        table = cells.droplevel("evaluation_template").unstack("evaluation_model").sort_index()
        ratings = table.dropna(axis="columns", how="all").to_numpy("float64")
        found = (*_alpha_rows(ratings, resamples, seed), *_icc_rows(ratings))
        rows += [{"evaluation_template": rubric, **row} for row in found]
    return typed_frame(rows, KINDS).round(DECIMALS)


@dataclass(frozen=True)
class _Pairable:
    """Ratings of units with at least 2, one element per rating.

    Attributes:
        unit: Position of the unit of each rating.
        code: Position of each rating's value in ``values``.
        values: Distinct ratings, ascending.
        sizes: Ratings of each unit.
    """

    unit: npt.NDArray[np.intp]
    code: npt.NDArray[np.intp]
    values: Floats
    sizes: Floats

    @property
    def units(self) -> int:
        return len(self.sizes)

    @classmethod
    def of(cls, table: Floats) -> _Pairable:
        there = ~np.isnan(table)
        paired = there.sum(axis=1) >= 2
        table, there = table[paired], there[paired]
        values, code = np.unique(table[there], return_inverse=True)
        return cls(np.nonzero(there)[0], code, values, there.sum(axis=1).astype("float64"))

    def alpha(self, level: Level, weights: Floats) -> float | None:
        """Alpha where each unit stands ``weights`` times in the table."""
        weight = weights[self.unit]
        counts = np.bincount(self.code, weight, minlength=len(self.values))
        if np.count_nonzero(counts) < 2:
            return None
        total = counts.sum()
        positions = self.values if level == "interval" else np.cumsum(counts) - counts / 2
        positions = positions - (counts @ positions) / total
        expected = 2 * total * (counts @ positions**2) / (total * (total - 1))
        placed = positions[self.code]
        apart = placed - (np.bincount(self.unit, placed) / self.sizes)[self.unit]
        squares = np.bincount(self.unit, apart**2)
        observed = 2 * (weights @ (squares * self.sizes / (self.sizes - 1))) / total
        return float(1 - observed / expected)

    def resampled(self, level: Level, resamples: int, seed: int) -> Iterator[float | None]:
        """Alphas of tables of as many units, drawn with replacement."""
        generator = np.random.default_rng(seed)
        for _ in range(resamples):
            drawn = generator.integers(self.units, size=self.units)
            yield self.alpha(level, np.bincount(drawn, minlength=self.units).astype("float64"))


def _alpha_rows(ratings: Floats, resamples: int, seed: int) -> Iterator[dict[str, Any]]:
    pairable = _Pairable.of(ratings)
    judges = ratings.shape[1]
    for level in LEVELS:
        value = pairable.alpha(level, np.ones(pairable.units))
        low, high, why = None, None, ""
        if value is None:
            why = _why_no_alpha(pairable, judges)
        elif resamples:
            low, high, why = _interval(pairable, level, resamples, seed)
        yield {
            "statistic": ALPHA,
            "level": level,
            "value": value,
            "ci_low": low,
            "ci_high": high,
            "essays": pairable.units,
            "judges": judges,
            "left_out": len(ratings) - pairable.units,
            "why": why,
        }


def _icc_rows(ratings: Floats) -> Iterator[dict[str, Any]]:
    found = icc(ratings)
    for name, value in found.by_name().items():
        undefined = "the essays differ too little beside the error" if value is None else ""
        yield {
            "statistic": name,
            "level": "interval",
            "value": value,
            "ci_low": None,
            "ci_high": None,
            "essays": found.rows,
            "judges": found.raters,
            "left_out": found.left_out,
            "why": found.why or undefined or "intervals are made for alpha only",
        }


def _interval(
    pairable: _Pairable, level: Level, resamples: int, seed: int
) -> tuple[float | None, float | None, str]:
    if pairable.units < 2:
        return None, None, "no interval: only one essay has 2 judges"
    defined = [alpha for alpha in pairable.resampled(level, resamples, seed) if alpha is not None]
    if len(defined) < MIN_DEFINED * resamples:
        missing = resamples - len(defined)
        return None, None, f"no interval: {missing} of {resamples} resamples have no variation"
    low, high = np.quantile(defined, COVERAGE)
    return float(low), float(high), ""


def _why_no_alpha(pairable: _Pairable, judges: int) -> str:
    if judges < 2:
        return _too_few_judges(judges)
    if not pairable.units:
        return "no essay is scored by 2 judges"
    return "no variation: all scores are equal"


def _why_no_icc(complete: Floats) -> str:
    rows, raters = complete.shape
    if raters < 2:
        return _too_few_judges(raters)
    if rows < 2:
        return f"{rows or 'no'} essay{'' if rows else 's'} scored by all {raters} judges: at least 2 needed"
    if complete.min() == complete.max():
        return "no variation: all scores are equal"
    return ""


def _too_few_judges(judges: int) -> str:
    return "only one judge" if judges else "no scores"


def _mean_squares(complete: Floats) -> tuple[float, float, float]:
    """Mean squares of rows, columns and error of a two-way table without replicates."""
    rows, raters = complete.shape
    apart = complete - complete.mean()
    by_row, by_rater = apart.mean(axis=1), apart.mean(axis=0)
    rest = apart - by_row[:, None] - by_rater[None, :]
    squares = (
        raters * (by_row @ by_row) / (rows - 1),
        rows * (by_rater @ by_rater) / (raters - 1),
        float((rest**2).sum()) / ((rows - 1) * (raters - 1)),
    )
    noise = NEGLIGIBLE * float(np.abs(apart).max()) ** 2
    between, judges, error = (0.0 if square <= noise else float(square) for square in squares)
    return between, judges, error


def _ratio(signal: float, whole: float) -> float | None:
    return signal / whole if whole > 0 else None


def _table(ratings: npt.ArrayLike) -> Floats:
    table = np.asarray(ratings, dtype="float64")
    if table.ndim != 2:
        raise ValueError(f"ratings must be a table of units × raters; got {table.ndim} dimensions.")
    if np.isinf(table).any():
        raise ValueError("ratings must be finite, or NaN where missing; got an infinite one.")
    return table
