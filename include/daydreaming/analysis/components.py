"""Where the variance of scores comes from: components of a crossed design with random effects.

The model: a score is the general mean plus one random effect for each part in ``PARTS`` plus a residual. The
estimator is REML (restricted maximum likelihood), which takes designs with missing cells as they are. The
equations of the analysis of variance come first: they say what the design can tell apart, give REML a start,
and stand in for it where it would take too long.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
import numpy.typing as npt

from daydreaming.analysis.reml import fit_reml

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]

_ESSAY: Final = ("combo_id", "generation_template", "generation_model", "essay")
PARTS: Final[Mapping[str, tuple[str, ...]]] = {
    "combination": ("combo_id",),
    "generation template": ("generation_template",),
    "generator": ("generation_model",),
    "combination x template x generator": ("combo_id", "generation_template", "generation_model"),
    "essay": _ESSAY,
    "judge": ("evaluation_model",),
    "rubric": ("evaluation_template",),
    "judge x rubric": ("evaluation_model", "evaluation_template"),
    "essay x judge": (*_ESSAY, "evaluation_model"),
    "essay x rubric": (*_ESSAY, "evaluation_template"),
    "essay x judge x rubric": (*_ESSAY, "evaluation_model", "evaluation_template"),
}
"""Columns whose values together name a level of each part."""
RESIDUAL: Final = "residual"

_GIVEN_UP_FIRST: Final = (
    "essay x judge x rubric",
    "essay x judge",
    "essay x rubric",
    "judge x rubric",
    "combination x template x generator",
    "combination",
    "generator",
    "generation template",
    "rubric",
    "judge",
    "essay",
)
"""Of parts that a design cannot tell apart, the first of these is given up and counts in the others."""

NEGLIGIBLE: Final = 1e-6
"""Share of the whole variance below which a component is 0: the optimiser stops about there."""
LEAST_START: Final = 0.01
"""Share of the whole variance at which the residual starts, where moments put it lower."""
LEAST_RESIDUAL: Final = 1e-4
"""Share of the whole variance below which a residual is none: moments then take the place of REML."""
SINGULAR: Final = 1e-9
"""Share of the largest singular value below which one is 0."""


@dataclass(frozen=True)
class Components:
    """Variance components of one table of scores.

    Attributes:
        variance: By part and ``RESIDUAL``: the component, at least 0; NaN where the design cannot tell.
        levels: By part: how many levels there are; of the residual the scores.
        unconstrained: What the analysis of variance gives, which may be below 0; NaN as above.
        counted_in: By part that cannot be told apart: the parts that hold its variance; empty where it has
            one level, so that nobody holds it.
        method: ``REML``, ``ANOVA``, or '' where nothing could be estimated.
    """

    variance: Mapping[str, float]
    levels: Mapping[str, int]
    unconstrained: Mapping[str, float]
    counted_in: Mapping[str, tuple[str, ...]]
    method: Literal["REML", "ANOVA", ""]

    @property
    def total(self) -> float:
        """Sum of the components: the variance of one score."""
        return float(np.nansum(list(self.variance.values())))


def variance_components(frame: pd.DataFrame) -> Components:
    """Estimate the components.

    Args:
        frame: One row per score: the columns that ``PARTS`` names, and ``value``; none missing.

    Source: REML: H. D. Patterson, R. Thompson (1971), Recovery of inter-block information when block sizes
    are unequal, Biometrika 58(3), 545–554. Analysis of variance: C. R. Henderson (1953), Estimation of
    variance and covariance components, Biometrics 9(2), 226–252, method 1; in generalizability theory
    R. L. Brennan (2001), Generalizability Theory, ch. 7 ("analogous ANOVA").
    """
    values = frame["value"].to_numpy(float)
    parts = {name: level_codes(frame, columns) for name, columns in PARTS.items()}
    levels = {name: int(codes.max(initial=-1)) + 1 for name, codes in parts.items()}
    levels[RESIDUAL] = len(values)
    if len(values) < 2:
        nothing = dict.fromkeys([*PARTS, RESIDUAL], float("nan"))
        return Components(nothing, levels, nothing, {}, "")
    coefficients, moments = moment_equations(list(parts.values()), values)
    kept, counted_in = _separable(coefficients)
    index = [i for i, name in enumerate([*PARTS, RESIDUAL]) if name in kept]
    solution = np.linalg.solve(coefficients[np.ix_(index, index)], moments[index])
    unconstrained = dict(zip(kept, solution.tolist(), strict=True))
    whole = float(values.var())
    fitted = None
    if abs(unconstrained[RESIDUAL]) > NEGLIGIBLE * whole:
        start = unconstrained | {RESIDUAL: max(unconstrained[RESIDUAL], LEAST_START * whole)}
        fitted = fit_reml(parts, kept[:-1], values, start)
        # Scores without noise have no most likely components: the better they fit, the likelier, endlessly.
        if fitted and fitted[RESIDUAL] < LEAST_RESIDUAL * whole:
            fitted = None
    found = fitted or unconstrained
    variance = {name: v if v > NEGLIGIBLE * whole else 0.0 for name, v in found.items()}
    missing = dict.fromkeys([*PARTS, RESIDUAL], float("nan"))
    return Components(
        missing | variance, levels, missing | unconstrained, counted_in, "REML" if fitted else "ANOVA"
    )


def level_codes(frame: pd.DataFrame, columns: Sequence[str]) -> Codes:
    """The level of each row, from 0, where the columns together name a level."""
    return frame.groupby(list(columns), sort=False).ngroup().to_numpy().astype(np.intp)


def moment_equations(parts: Sequence[Codes], values: Floats) -> tuple[Floats, Floats]:
    """Expected and observed sums of squares of each partition of the rows, those of the mean taken off.

    The uncorrected sum of squares of a partition expects each component times a number that follows from how
    many rows two partitions share.

    Args:
        parts: The level of each row, by partition; single rows are added as the last one.
        values: Scores.

    Returns:
        Coefficients (partitions × components) and observed sums.
    """
    rows = np.arange(len(values))
    partitions = [np.zeros(len(values), np.intp), *parts, rows]
    sizes = [np.bincount(codes) for codes in partitions]
    observed = np.array(
        [(np.bincount(p, values) ** 2 / n).sum() for p, n in zip(partitions, sizes, strict=True)]
    )
    expected = np.empty((len(partitions), len(partitions)))
    for i, (outer, size) in enumerate(zip(partitions, sizes, strict=True)):
        for j, inner in enumerate(partitions):
            shared, counts = np.unique(outer * len(values) + inner, return_counts=True)
            expected[i, j] = (counts**2 / size[shared // len(values)]).sum()
    return (expected - expected[0])[1:, 1:], (observed - observed[0])[1:]


def _separable(coefficients: Floats) -> tuple[list[str], dict[str, tuple[str, ...]]]:
    """Parts that the design can tell apart, the residual last; where the variance of the others counts."""
    names = [*PARTS, RESIDUAL]
    norms = np.linalg.norm(coefficients, axis=0)
    scaled = coefficients / np.where(norms > SINGULAR * norms.max(), norms, np.inf)
    kept = list(names)
    for name in _GIVEN_UP_FIRST:
        columns = scaled[:, [names.index(k) for k in kept]]
        _, singular, rotation = np.linalg.svd(columns)
        null = rotation[singular < SINGULAR * singular[0]]
        if (null[:, kept.index(name)] ** 2).sum() > SINGULAR:
            kept.remove(name)
    held = scaled[:, [names.index(k) for k in kept]]
    counted_in = {}
    for name in names:
        if name not in kept:
            share = np.linalg.lstsq(held, scaled[:, names.index(name)])[0]
            counted_in[name] = tuple(k for k, s in zip(kept, share, strict=True) if abs(s) > NEGLIGIBLE)
    return kept, counted_in
