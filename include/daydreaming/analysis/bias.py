"""What the judges add to a score by themselves: leniency, and a liking for essays of their own kind.

One regression on all scored rows: score = essay under one rubric + judge (its leniency; the judges' sum is 0)
+ own (where the judge is the model that wrote the essay) + kin (where both have the same maker). Since each
essay under each rubric has an effect of its own, judges are compared on the same texts only, and it does not
matter who judged which.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import numpy.typing as npt

from daydreaming.analysis.bootstrap import CHUNK, percentile_interval
from daydreaming.analysis.comparisons import told_interval, valued_scores

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd

Floats = npt.NDArray[np.float64]
Kind = Literal["leniency", "own", "kin"]

STAGES: Final = ("generation", "evaluation")
_ROUTE: Final = r":(?:free|nitro|floor)$"
"""What OpenRouter's names end in that changes the way to a model and not the model."""
MIN_DEFINED: Final = 0.95
"""Share of the resamples that must tell an effect, or it has no interval."""
SINGULAR: Final = 1e-9
"""Share of the largest eigenvalue below which one is 0."""


@dataclass(frozen=True)
class Effect:
    """One effect of one judge, in points on 0–10; NaN where the data cannot tell it.

    Attributes:
        value, low, high: Estimate and 95 % interval.
        scores, essays: What it rests on: for ``own`` and ``kin`` those of that kind.
        why: Why something is missing, or not to be relied on; '' otherwise.
    """

    value: float
    low: float
    high: float
    scores: int
    essays: int
    why: str = ""


@dataclass(frozen=True)
class Bias:
    """What each judge adds; judges sorted.

    Attributes:
        effects: By kind and judge; the judge '' stands for the mean of those judges that have the effect.
        added: For each row of the frame, what judge, own and kin add by these effects; 0 where not told.
    """

    effects: dict[tuple[Kind, str], Effect]
    added: Floats


def related_scores(scores: pd.DataFrame) -> pd.DataFrame:
    """``valued_scores`` with what judge and generator have to do with each other.

    Returns:
        In addition ``own``: the judge is the generator, by its ID or by its name at the provider, where
        ``:free`` and other ways to the same weights count for nothing; ``kin``: not so, but both have the
        same family; ``family_known``: whether both families are known. A family is what the column says, else
        what stands before a ``/`` in the model's ID.
    """
    frame = valued_scores(scores)
    families = []
    for stage in STAGES:
        model = scores[f"{stage}_model"]
        vendor = model.str.split("/").str[0].where(model.str.contains("/", regex=False), "")
        families.append(scores[f"{stage}_family"].where(scores[f"{stage}_family"] != "", vendor))
    known = (families[0] != "") & (families[1] != "")
    names = [scores[f"{stage}_model_name"].str.replace(_ROUTE, "", regex=True) for stage in STAGES]
    own = scores["generation_model"] == scores["evaluation_model"]
    own |= (names[0] != "") & (names[0] == names[1])
    kin = known & ~own & (families[0] == families[1])
    return frame.assign(own=own, kin=kin, family_known=known)


def judge_bias(frame: pd.DataFrame, *, resamples: int = 1000, seed: int = 0) -> Bias:
    """Estimate what each judge adds, with intervals by drawing whole essays again.

    Args:
        frame: As ``related_scores`` returns; at least one row.
        resamples: Bootstrap samples of essays; 0 for no intervals.
        seed: Of the random numbers.

    An effect that the design cannot tell from the others has no value: with two judges that both write, for
    example, each one's liking for itself cannot be told from its leniency. Leniency is then estimated without
    the effects that stand in its way.

    Source: least squares with item effects swept out (R. Frisch, F. V. Waugh (1933), Econometrica 1(4),
    387–401); bootstrap of clusters as in ``bootstrap``.
    """
    scored = frame[frame["value"].notna()]
    judges = sorted(frame["evaluation_model"].unique())
    full = _Fit.of(scored, judges, ("own", "kin"), resamples, seed)
    without_kin = full if full.tells_leniency() else _Fit.of(scored, judges, ("own",), resamples, seed)
    main = without_kin if without_kin.tells_leniency() else _Fit.of(scored, judges, (), resamples, seed)
    effects: dict[tuple[Kind, str], Effect] = {}
    for judge in judges:
        effects["leniency", judge] = main.effect("leniency", [judge])
    kinds: tuple[tuple[Kind, _Fit], ...] = (("own", without_kin), ("kin", full))
    for kind, fit in kinds:
        for judge in judges:
            effects[kind, judge] = fit.effect(kind, [judge])
        effects[kind, ""] = fit.effect(kind, fit.having(kind))
    return Bias(effects, _added(frame, effects))


@dataclass(frozen=True)
class _Fit:
    """The regression with some kinds of effects: a column per judge, then one per kind and judge that has it.

    Attributes:
        names: Kind and judge of each column.
        estimate: Of each column.
        told: Projection on what the data tell.
        resampled: Estimates of the resamples that tell as much.
        resamples: How many were drawn.
        counts: Scores and essays behind each column.
    """

    names: list[tuple[Kind, str]]
    estimate: Floats
    told: Floats
    resampled: Floats
    resamples: int
    counts: list[tuple[int, int]]

    @classmethod
    def of(
        cls, scored: pd.DataFrame, judges: Sequence[str], kinds: Sequence[Literal["own", "kin"]],
        resamples: int, seed: int,
    ) -> _Fit:  # fmt: skip
        of_judge = [(scored["evaluation_model"] == judge).to_numpy() for judge in judges]
        names: list[tuple[Kind, str]] = [("leniency", judge) for judge in judges]
        columns = list(of_judge)
        for kind in kinds:
            for judge, rows in zip(judges, of_judge, strict=True):
                if (rows & scored[kind].to_numpy()).any():
                    names.append((kind, judge))
                    columns.append(rows & scored[kind].to_numpy())
        essays = scored["essay"].to_numpy()
        counts = [(int(c.sum()), len(np.unique(essays[c]))) for c in columns]
        matrix = np.column_stack(columns).astype(float) if len(scored) else np.zeros((0, len(names)))
        sums, draws = _normal_equations(scored, matrix, resamples, seed)
        p = len(names)
        sides = np.concatenate([sums[None], draws])
        products = sides[:, : p * p].reshape(-1, p, p)
        # The judges' sum is 0: without it only their differences are told.
        judge_sum = np.zeros(p)
        judge_sum[: len(judges)] = 1
        size = np.trace(products, axis1=1, axis2=2) / max(p, 1)
        products = products + size[:, None, None] * np.outer(judge_sum, judge_sum)
        estimates, told, ranks = _solve(products, sides[:, p * p :])
        resampled = estimates[1:][ranks[1:] == ranks[0]]
        return cls(names, estimates[0], told, resampled, resamples, counts)

    def having(self, kind: Kind) -> list[str]:
        """Judges that have an effect of this kind."""
        return [judge for k, judge in self.names if k == kind]

    def tells_leniency(self) -> bool:
        """Whether it tells every judge's leniency."""
        return all(self._is_told(self._mean_of("leniency", [judge])) for judge in self.having("leniency"))

    def effect(self, kind: Kind, judges: Sequence[str]) -> Effect:
        """The mean effect of some judges."""
        nothing = float("nan"), float("nan"), float("nan")
        at = [self.names.index((kind, j)) for j in judges if (kind, j) in self.names]
        scores, essays = sum(self.counts[i][0] for i in at), sum(self.counts[i][1] for i in at)
        if not at or not scores:
            return Effect(*nothing, 0, 0, "no score")
        weights = self._mean_of(kind, judges)
        if not self._is_told(weights):
            alone = len(self.having("leniency")) == 1
            return Effect(*nothing, scores, essays, "only one judge" if alone else _NOT_TOLD[kind])
        value = float(weights @ self.estimate)
        if not self.resamples:
            return Effect(value, *nothing[1:], scores, essays)
        if len(self.resampled) < MIN_DEFINED * self.resamples or essays < 2:
            return Effect(value, *nothing[1:], scores, essays, "no interval: too few essays")
        low, high, why = told_interval(*percentile_interval(self.resampled @ weights), essays)
        return Effect(value, low, high, scores, essays, why)

    def _mean_of(self, kind: Kind, judges: Sequence[str]) -> Floats:
        weights: Floats = np.array([float(k == kind and judge in judges) for k, judge in self.names])
        weights /= max(weights.sum(), 1.0)
        return weights

    def _is_told(self, weights: Floats) -> bool:
        return bool(np.allclose(self.told @ weights, weights, atol=1e-6))


_NOT_TOLD: Final[dict[Kind, str]] = {
    "leniency": "no essay connects this judge with the others",
    "own": "cannot be told from leniency: needs more judges, or generators that do not judge",
    "kin": "cannot be told from leniency and self-preference: needs more judges or generators",
}


def _normal_equations(
    scored: pd.DataFrame, matrix: Floats, resamples: int, seed: int
) -> tuple[Floats, Floats]:
    """Products of the swept columns with themselves and the scores: of all, and of each resample."""
    order = np.argsort(scored["essay"].to_numpy(), kind="stable")
    rows = scored.iloc[order]
    both = np.column_stack([matrix[order], rows["value"].to_numpy(float)])
    item = rows.groupby(["essay", "evaluation_template"], sort=False).ngroup().to_numpy()
    swept = both - _means(both, item)[item] if len(both) else both
    p = matrix.shape[1]
    essay = rows.groupby("essay", sort=False).ngroup().to_numpy()
    starts = np.flatnonzero(np.diff(essay, prepend=-1))
    weights = np.zeros((resamples, len(starts)))
    if len(starts):
        rng = np.random.default_rng(seed)
        weights = rng.multinomial(len(starts), np.full(len(starts), 1 / len(starts)), size=resamples).astype(
            float
        )
    total, draws = np.zeros(p * p + p), np.zeros((resamples, p * p + p))
    for part in _essay_chunks(starts, len(both), p * (p + 1)):
        first, last = starts[part.start], starts[part.stop] if part.stop < len(starts) else len(both)
        x, y = swept[first:last, :p], swept[first:last, p]
        products = np.column_stack([(x[:, :, None] * x[:, None, :]).reshape(len(x), -1), x * y[:, None]])
        by_essay = np.add.reduceat(products, starts[part] - first, axis=0)
        total += by_essay.sum(axis=0)
        draws += weights[:, part] @ by_essay
    return total, draws


def _essay_chunks(starts: npt.NDArray[np.intp], rows: int, width: int) -> Iterator[slice]:
    """Slices of essays whose rows hold at most some ``CHUNK`` products together."""
    if not len(starts):
        return
    most = max(1, CHUNK // width)
    edges = np.append(starts, rows)
    first = 0
    while first < len(starts):
        last = max(first + 1, int(np.searchsorted(edges, edges[first] + most, side="right")) - 1)
        yield slice(first, last)
        first = last


def _means(columns: Floats, group: npt.NDArray[Any]) -> Floats:
    counts = np.bincount(group)
    return np.column_stack([np.bincount(group, column) for column in columns.T]) / counts[:, None]


def _solve(products: Floats, sides: Floats) -> tuple[Floats, Floats, npt.NDArray[np.intp]]:
    """Solutions of least norm, what the first system tells (a projection), and the rank of each."""
    values, vectors = np.linalg.eigh(products)
    kept = values > SINGULAR * np.maximum(values.max(axis=1, initial=0.0), SINGULAR)[:, None]
    inverse = np.where(kept, 1 / np.where(kept, values, 1.0), 0.0)
    estimates = np.einsum("rij,rj,rkj,rk->ri", vectors, inverse, vectors, sides, optimize=True)
    told = (vectors[0] * kept[0]) @ vectors[0].T
    return estimates, told, kept.sum(axis=1)


def _added(frame: pd.DataFrame, effects: dict[tuple[Kind, str], Effect]) -> Floats:
    added = np.zeros(len(frame))
    judges: Any = frame["evaluation_model"].to_numpy()
    for (kind, judge), effect in effects.items():
        if judge and not np.isnan(effect.value):
            rows = judges == judge
            added += effect.value * (rows if kind == "leniency" else rows & frame[kind].to_numpy())
    return added
