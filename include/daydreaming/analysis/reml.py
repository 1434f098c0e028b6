"""Restricted maximum likelihood for scores of essays by judges and rubrics, in seconds for 10,000 scores.

A general routine (MixedLM of statsmodels, with all factors in one group) works with matrices of all scores by
all levels: 6 s for 347 scores of ten parts, 30 times as long as this one. Here the design is used. Essays
share nothing but factors of few levels (templates, generators, judges, rubrics) and their combination. So the
covariance matrix is made of one small block per essay, to which one column per combination and some tens of
columns for the other factors are added by Woodbury's identity. Nothing is approximated: the tests hold the
result against MixedLM.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]

CROSSED: Final = ("generation template", "generator", "judge", "rubric", "judge x rubric")
"""Parts of few levels, each with a column of its own per level."""
NESTED: Final = ("essay", "combination x template x generator", "combination")
"""Parts of which each level lies within one level of the next."""
WITHIN: Final = ("essay x judge", "essay x rubric", "essay x judge x rubric")
"""Parts within an essay's block."""

MOST_OPERATIONS: Final = 1.5e8
"""Multiplications of one evaluation of the likelihood, beyond which there is no fit: some 300 are needed."""
SMALLEST_SCALE: Final = 0.05
"""Ratios to the residual are optimised in units of their start, and in this where the start is smaller."""
LARGEST_RATIO: Final = 1e8
LEAST_SQUARES: Final = 1e-12
STEP: Final = 1e-6
TOLERANCE: Final = 1e-10


@dataclass(frozen=True)
class _Block:
    """Essays that have the same number of cells: arrays of essays × cells (× cells or columns)."""

    essays: Codes
    same_judge: Floats
    same_rubric: Floats
    noise: Floats
    columns: Floats


@dataclass(frozen=True)
class _Design:
    """What the likelihood needs of the data; cells are rows of one essay, judge and rubric, averaged.

    Attributes:
        blocks: The cells and their columns: one per level of the crossed factors, the mean, the values.
        owner: For each crossed column the position of its part in ``CROSSED``.
        parents: For essays, then cells of the design: the position of the next larger level of ``NESTED``.
        scores: Rows before averaging.
        within: Sum of squares within cells.
    """

    blocks: list[_Block]
    owner: Codes
    parents: list[Codes]
    scores: int
    within: float


def fit_reml(
    parts: Mapping[str, Codes], kept: Sequence[str], values: Floats, start: Mapping[str, float]
) -> dict[str, float] | None:
    """Variance components that maximise the restricted likelihood, none below 0.

    Args:
        parts: By name in ``CROSSED``, ``NESTED`` and ``WITHIN``: the level of each row, from 0.
        kept: Parts to estimate; the others are 0.
        values: Scores.
        start: Components to start from, with ``residual``, which is above 0; the others may be below.

    Returns:
        By name of ``kept``, and ``residual``; None where the design is too large (``MOST_OPERATIONS``).

    Source: D. Bates et al. (2015), Fitting linear mixed-effects models using lme4, J. Stat. Software 67(1),
    § 3.4 (the profiled REML criterion); Woodbury: D. A. Harville (1977), JASA 72(358), 320–338, § 5.
    """
    from scipy.optimize import minimize
    from threadpoolctl import threadpool_limits

    if not kept:
        return {"residual": start["residual"]}
    crossed = [name for name in CROSSED if name in kept]
    if _operations(parts, crossed) > MOST_OPERATIONS:
        return None
    design = _design(parts, crossed, values)
    ratios = np.array([max(start[name], 0.0) / start["residual"] for name in kept])
    scale = np.maximum(ratios, SMALLEST_SCALE)

    def criterion(position: Floats) -> float:
        return _criterion(dict(zip(kept, position * scale, strict=True)), design)[0]

    # Matrices as small as these gain nothing from a second thread, and on a busy machine they wait for it.
    with threadpool_limits(limits=1, user_api="blas"):
        found = minimize(
            criterion,
            np.minimum(ratios, LARGEST_RATIO) / scale,
            method="L-BFGS-B",
            bounds=[(0.0, LARGEST_RATIO / s) for s in scale],
            options={"eps": STEP, "ftol": TOLERANCE},
        )
    ratio = dict(zip(kept, (found.x * scale).tolist(), strict=True))
    variance = _criterion(ratio, design)[1]
    return {name: value * variance for name, value in ratio.items()} | {"residual": variance}


def _operations(parts: Mapping[str, Codes], crossed: Sequence[str]) -> float:
    cells = np.unique(parts["essay x judge x rubric"], return_index=True)[1]
    sizes = np.bincount(parts["essay"][cells]).astype(float)
    width = sum(int(parts[name].max()) + 1 for name in crossed) + 2
    return float((sizes**3).sum() + len(cells) * width**2 + (sizes**2).sum() * width)


def _design(parts: Mapping[str, Codes], crossed: Sequence[str], values: Floats) -> _Design:
    cell = np.unique(parts["essay x judge x rubric"], return_inverse=True)[1]
    first = np.unique(cell, return_index=True)[1]
    count = np.bincount(cell)
    mean = np.bincount(cell, values) / count
    level = {name: codes[first] for name, codes in parts.items()}
    indicators = [
        (level[name][:, None] == np.arange(level[name].max() + 1)).astype(float) for name in crossed
    ]
    owner = [CROSSED.index(n) for n, i in zip(crossed, indicators, strict=True) for _ in range(i.shape[1])]
    columns = np.column_stack([*indicators, np.ones(len(mean)), mean])
    parents = []
    for child, parent in pairwise(NESTED):
        above = np.zeros(int(level[child].max()) + 1, np.intp)
        above[level[child]] = level[parent]
        parents.append(above)
    return _Design(
        list(_blocks(level, 1.0 / count, columns)),
        np.array(owner, np.intp),
        parents,
        len(values),
        float(((values - mean[cell]) ** 2).sum()),
    )


def _blocks(level: Mapping[str, Codes], noise: Floats, columns: Floats) -> Iterator[_Block]:
    order = np.argsort(level["essay"], kind="stable")
    sizes = np.bincount(level["essay"])
    starts = np.cumsum(sizes) - sizes
    for size in np.unique(sizes):
        essays = np.flatnonzero(sizes == size)
        rows = order[starts[essays][:, None] + np.arange(size)]
        judge, rubric = level["judge"][rows], level["rubric"][rows]
        yield _Block(
            essays,
            (judge[:, :, None] == judge[:, None, :]).astype(float),
            (rubric[:, :, None] == rubric[:, None, :]).astype(float),
            noise[rows],
            columns[rows],
        )


def _criterion(ratio: Mapping[str, float], design: _Design) -> tuple[float, float]:
    """Minus twice the profiled restricted log-likelihood, up to a constant, and the residual variance."""
    products, sums, log_determinant = _essays(ratio, design)
    for name, parent in zip(NESTED, [*design.parents, None], strict=True):
        share = ratio.get(name, 0.0)
        weight = 1 + share * sums[:, -2]
        log_determinant += float(np.log(weight).sum())
        products -= (sums * (share / weight)[:, None]).T @ sums
        sums = sums / weight[:, None]
        if parent is not None:
            sums = _summed(sums, parent)
    spread = np.sqrt([ratio.get(CROSSED[i], 0.0) for i in design.owner])
    q = len(spread)
    root = np.linalg.cholesky(np.eye(q) + spread[:, None] * products[:q, :q] * spread)
    log_determinant += 2 * float(np.log(np.diag(root)).sum())
    explained = np.linalg.solve(root, spread[:, None] * products[:q, q:])
    rest = products[q:, q:] - explained.T @ explained
    squares = float(rest[1, 1] - rest[0, 1] ** 2 / rest[0, 0]) + design.within
    freedom = design.scores - 1
    # Scores without noise leave less than rounding does.
    variance = max(squares, LEAST_SQUARES) / freedom
    return freedom * float(np.log(variance)) + log_determinant + float(np.log(rest[0, 0])), variance


def _essays(ratio: Mapping[str, float], design: _Design) -> tuple[Floats, Floats, float]:
    """Products of the columns over the inverse of all blocks, their sums by essay, the log determinant."""
    by_judge, by_rubric, by_cell = (ratio.get(name, 0.0) for name in WITHIN)
    width = len(design.owner) + 2
    products = np.zeros((width, width))
    sums = np.zeros((len(design.parents[0]), width))
    log_determinant = 0.0
    for block in design.blocks:
        covariance = by_judge * block.same_judge + by_rubric * block.same_rubric
        diagonal = np.arange(covariance.shape[1])
        covariance[:, diagonal, diagonal] += block.noise + by_cell
        solved = np.linalg.solve(covariance, block.columns)
        log_determinant += float(np.linalg.slogdet(covariance)[1].sum())
        products += np.tensordot(block.columns, solved, ([0, 1], [0, 1]))
        sums[block.essays] = solved.sum(axis=1)
    return products, sums, log_determinant


def _summed(sums: Floats, parent: Codes) -> Floats:
    total = np.zeros((int(parent.max()) + 1, sums.shape[1]))
    np.add.at(total, parent, sums)
    return total
