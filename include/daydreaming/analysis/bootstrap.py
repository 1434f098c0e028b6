"""Intervals of means and ratios by drawing whole clusters again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from daydreaming.analysis.scales import DECIMALS

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

CONFIDENCE: Final = 0.95
CHUNK: Final = 2_000_000
"""Random numbers held at once: 16 MB, whatever the number of clusters."""


def ratio_interval(sums: Floats, counts: Floats, resamples: int, seed: int) -> tuple[float, float]:
    """The 95 % percentile interval of ``sums.sum() / counts.sum()``, by drawing whole clusters.

    Args:
        sums: One number per cluster.
        counts: Its denominator, one per cluster, above 0.
        resamples: Bootstrap samples.
        seed: Of the random numbers.

    Source: A. C. Cameron, J. B. Gelbach, D. L. Miller (2008), Bootstrap-based improvements for inference
    with clustered errors, Review of Economics and Statistics 90(3), 414–427 (the pairs cluster bootstrap).
    """
    rng = np.random.default_rng(seed)
    ratios = np.empty(resamples)
    for part in chunks(resamples, sums.size):
        drawn = rng.integers(sums.size, size=(part.stop - part.start, sums.size))
        ratios[part] = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    return percentile_interval(ratios)


def percentile_interval(values: Floats) -> tuple[float, float]:
    """The middle 95 % of the values."""
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(values, [tail, 1 - tail]).round(DECIMALS).tolist()
    return low, high


def chunks(total: int, width: int) -> Iterator[slice]:
    """Slices that cover ``total`` rows of ``width`` numbers, ``CHUNK`` numbers at a time."""
    size = max(1, CHUNK // width)
    for start in range(0, total, size):
        yield slice(start, min(start + size, total))
