"""P-values corrected for being many."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from daydreaming.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]


def holm(p: Sequence[float] | Floats) -> Floats:
    """P-values adjusted by Holm's step-down method: controls the chance of any false positive.

    Args:
        p: Values 0–1; NaN (not tested) stays NaN and is not counted.

    Returns:
        Adjusted values, in the order of ``p``.

    Raises:
        InputError: A value outside 0–1.

    Source: S. Holm (1979), A simple sequentially rejective multiple test procedure, Scandinavian Journal
    of Statistics 6(2), 65–70.
    """
    values, order = _ordered(p)
    steps = values[order] * np.arange(order.size, 0, -1)
    values[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return values


def benjamini_hochberg(p: Sequence[float] | Floats) -> Floats:
    """P-values adjusted by Benjamini and Hochberg's step-up method: controls the false discovery rate.

    Argument, result and error are those of ``holm``.

    Source: Y. Benjamini, Y. Hochberg (1995), Controlling the false discovery rate, Journal of the Royal
    Statistical Society B 57(1), 289–300.
    """
    values, order = _ordered(p)
    steps = values[order] * order.size / np.arange(1, order.size + 1)
    values[order] = np.minimum(np.minimum.accumulate(steps[::-1])[::-1], 1.0)
    return values


def _ordered(p: Sequence[float] | Floats) -> tuple[Floats, npt.NDArray[np.intp]]:
    values = np.array(p, dtype=float)
    wrong = values[(values < 0) | (values > 1)]
    if wrong.size:
        raise InputError(
            f"p-values must be between 0 and 1; got {wrong[0]:g}. Pass p-values, not statistics."
        )
    tested = np.flatnonzero(~np.isnan(values))
    return values, tested[np.argsort(values[tested], kind="stable")]
