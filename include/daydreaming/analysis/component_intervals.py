"""Intervals of variance components, by simulating what else the design could have given.

Drawing combinations or essays again would leave judges, rubrics, templates and generators as they are, and
make their components look certain, although they have the fewest levels. Here every effect is drawn anew.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from daydreaming.analysis.bootstrap import CONFIDENCE, chunks
from daydreaming.analysis.components import PARTS, RESIDUAL, Codes, Components, Floats, level_codes

if TYPE_CHECKING:
    import pandas as pd
    from scipy.sparse import csr_array
    from scipy.sparse.linalg import SuperLU

DRAWS: Final = 400
LEAST_WEIGHT: Final = 1e-3
"""Share of the whole variance that a component has at least in the weights of the statistics."""
LEAST_NOISE: Final = 1e-2
"""The same for the residual."""


def component_intervals(
    frame: pd.DataFrame, components: Components, *, draws: int = DRAWS, seed: int = 0
) -> dict[str, tuple[float, float]]:
    """95 % intervals of the components that the design can tell, by inverting a simulated test.

    The statistics are MINQUE: those quadratic forms of the scores that, with weights at the estimates, are
    the estimates of REML. The normal effects of all parts and the residual are drawn for the design as it
    is, holes included. In each draw that value of one component is sought with which its statistic would
    have been as large as it is for the real scores; the other components have their estimates. The middle
    95 % of these values are those that a two-sided test at 5 % does not reject. With one effect and much
    data it is the interval by chi-square, whose width follows from the number of levels; the lower end is 0
    where chance can do without the component.

    Args:
        frame: One row per score, as for ``variance_components``.
        components: What that returned for the frame.
        draws: Simulated data sets.
        seed: Of the random numbers.

    Returns:
        By name of the component: ends in the units of the variance, around the estimate; the upper one may be
        infinite. Empty where there is no variance.

    Source: J. Carpenter (1999), Test inversion bootstrap confidence intervals, Journal of the Royal
    Statistical Society B 61(1), 159–172. MINQUE: C. R. Rao (1971), Estimation of variance and covariance
    components, Journal of Multivariate Analysis 1(3), 257–275.
    """
    if not components.total:
        return {}
    ordered = frame.sort_values(sorted({column for columns in PARTS.values() for column in columns}))
    kept = [name for name in PARTS if not math.isnan(components.variance[name])]
    names = [*kept, RESIDUAL]
    parts = [*(level_codes(ordered, PARTS[name]) for name in kept), np.arange(len(ordered))]
    study = _Study.of(parts, _in_order(components.variance, names))
    rng = np.random.default_rng(seed)
    # What belongs to all parts is held at once.
    portions = [p.stop - p.start for p in chunks(draws, 2 * len(names) * len(ordered))]
    drawn = [study.products(rng, portion) for portion in portions]
    own, mixed, whole = (np.concatenate(x, axis=-1) for x in zip(*drawn, strict=True))
    solve = np.linalg.inv(own.mean(axis=-1))
    observed = solve @ study.forms(ordered["value"].to_numpy(float))
    own, mixed = (np.einsum("ai,ia...->a...", solve, x) for x in (own, mixed))
    found = _matching(own, mixed, solve @ whole, observed, study.variance)
    return dict(zip(names, _around(found, study.variance), strict=True))


def _in_order(by_name: Mapping[str, float], names: Sequence[str]) -> Floats:
    return np.array([by_name[name] for name in names])


def _matching(own: Floats, mixed: Floats, whole: Floats, observed: Floats, variance: Floats) -> Floats:
    """Components × draws: at which value of each its statistic would have been the observed one.

    A statistic is ``own · x² + 2 cross · x + rest`` with ``x`` for the root of the component.
    """
    root = np.sqrt(variance)[:, None]
    cross = mixed - root * own
    rest = whole - 2 * root * mixed + root**2 * own
    inside = cross**2 - own * (rest - observed[:, None])
    with np.errstate(divide="ignore", invalid="ignore"):
        x = (np.sqrt(np.maximum(inside, 0.0)) - cross) / own
    x = np.where(own > 0, np.where(inside > 0, np.maximum(x, 0.0), 0.0), np.inf)
    return np.asarray(x**2)


def _around(found: Floats, variance: Floats) -> list[tuple[float, float]]:
    tail = (1 - CONFIDENCE) / 2
    low = np.quantile(found, tail, axis=1, method="lower")
    high = np.quantile(found, 1 - tail, axis=1, method="higher")
    # REML stops near the best, and at 0 where the statistic goes below.
    return list(zip(np.minimum(low, variance).tolist(), np.maximum(high, variance).tolist(), strict=True))


@dataclass(frozen=True)
class _Study:
    """A design to draw effects for.

    Attributes:
        levels: By part, the residual last: rows × levels, 1 where the row has the level.
        columns: A column of ones, then the levels of all parts but the residual.
        equations: Factors of the mixed model equations of these columns.
        noise: Variance of the residual in the equations.
        variance: Components, by part.

    Source: C. R. Henderson's mixed model equations; what is left when their solution is taken off, over
    ``noise``, is ``P y`` of the restricted likelihood (D. A. Harville (1977), JASA 72(358), 320–338, § 5).
    """

    levels: list[csr_array]
    columns: csr_array
    equations: SuperLU
    noise: float
    variance: Floats

    @classmethod
    def of(cls, parts: Sequence[Codes], variance: Floats) -> _Study:
        from scipy.sparse import coo_array, diags_array, hstack
        from scipy.sparse.linalg import splu

        rows = np.arange(len(parts[0]))
        ones = np.ones(len(rows))
        levels = [coo_array((ones, (rows, codes))).tocsr() for codes in parts]
        weights = np.maximum(variance[:-1], LEAST_WEIGHT * variance.sum())
        noise = max(float(variance[-1]), LEAST_NOISE * float(variance.sum()))
        columns = hstack([coo_array(ones[:, None]), *levels[:-1]]).tocsr()
        shrinkage = [np.full(x.shape[1], noise / w) for x, w in zip(levels[:-1], weights, strict=True)]
        products = (columns.T @ columns + diags_array(np.concatenate([np.zeros(1), *shrinkage]))).tocsc()
        # Symmetric and positive: this order keeps the factors sparse.
        options = {"SymmetricMode": True}
        factors = splu(products, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options=options)
        return cls(levels, columns, factors, noise, variance)

    def left(self, values: Floats) -> Floats:
        """``P y`` of each column of values."""
        fitted = self.columns @ self.equations.solve(self.columns.T @ values)
        return np.asarray((values - fitted) / self.noise)

    def forms(self, values: Floats) -> Floats:
        """The quadratic forms of scores: by part the sum of squares over its levels of what is left."""
        left = self.left(values)
        return np.array([((levels.T @ left) ** 2).sum(axis=0) for levels in self.levels])

    def products(self, rng: np.random.Generator, draws: int) -> tuple[Floats, Floats, Floats]:
        """Draw the effects of all parts, each of variance 1.

        Returns:
            Forms of the effects (forms × parts × draws), of the effects with the scores that they make by the
            components (likewise), and of these scores (forms × draws).
        """
        left = [self.left(x @ rng.standard_normal((x.shape[1], draws))) for x in self.levels]
        scores = sum((math.sqrt(v) * x for v, x in zip(self.variance, left, strict=True)), np.zeros(()))
        own, mixed, whole = [], [], []
        for levels in self.levels:
            sums = [levels.T @ x for x in left]
            total = levels.T @ scores
            own.append([(s * s).sum(axis=0) for s in sums])
            mixed.append([(s * total).sum(axis=0) for s in sums])
            whole.append((total * total).sum(axis=0))
        return np.array(own), np.array(mixed), np.array(whole)
