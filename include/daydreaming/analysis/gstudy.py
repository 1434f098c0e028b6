"""Where the spread of scores comes from, and how far a mean of the design can be relied upon."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from daydreaming.analysis.comparisons import valued_scores
from daydreaming.analysis.component_intervals import DRAWS, component_intervals
from daydreaming.analysis.components import RESIDUAL, Components, variance_components
from daydreaming.analysis.frames import Kind, typed_frame
from daydreaming.analysis.scales import DECIMALS

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

FACETS: Final[Mapping[str, tuple[str, ...]]] = {
    "combination": ("combinations",),
    "generation template": ("templates",),
    "generator": ("generators",),
    "combination x template x generator": ("combinations", "templates", "generators"),
    "essay": ("combinations", "templates", "generators", "replicates"),
    "judge": ("judges",),
    "rubric": ("rubrics",),
    "judge x rubric": ("judges", "rubrics"),
    "essay x judge": ("combinations", "templates", "generators", "replicates", "judges"),
    "essay x rubric": ("combinations", "templates", "generators", "replicates", "rubrics"),
    "essay x judge x rubric": ("combinations", "templates", "generators", "replicates", "judges", "rubrics"),
    RESIDUAL: (
        "combinations",
        "templates",
        "generators",
        "replicates",
        "judges",
        "rubrics",
        "evaluation_replicates",
    ),
}
"""Numbers of a ``Design`` over which each component is averaged in the mean of all scores."""
OBJECTS: Final = ("combination", "generation template", "generator", "essay")
"""What a mean score is made for."""

CELL: Final = ("combo_id", "generation_template", "generation_model")
MAIN: Final = ("combination", "generation template", "generator", "judge", "rubric")
ONE_GUESS: Final = 2
MOST_VARIANCE: Final = 25.0
"""Of scores on 0–10, half of which are 0 and half 10: no component can be larger."""
FEW_LEVELS: Final = 4
"""So many levels of a factor say how large its component is to within several times only."""

KINDS: Final[Mapping[str, Kind]] = {
    "component": "text",
    "levels": "integer",
    "variance": "number",
    "ci_low": "number",
    "ci_high": "number",
    "share": "number",
    "generalizability": "number",
    "phi": "number",
    "method": "text",
    "n_scores": "integer",
    "left_out": "integer",
    "warning": "text",
}


@dataclass(frozen=True)
class Design:
    """How many of each there are; fractions where the plan has holes, ``inf`` for a limit.

    Attributes:
        combinations, templates, generators, judges, rubrics: Levels; judges and rubrics of one essay.
        replicates: Essays per combination, template and generator.
        evaluation_replicates: Scores per essay, judge and rubric.
    """

    combinations: float
    templates: float
    generators: float
    replicates: float
    judges: float
    rubrics: float
    evaluation_replicates: float

    @classmethod
    def of(cls, frame: pd.DataFrame) -> Design:
        """The design of the planned evaluations, as ``valued_scores`` returns them, at least one."""
        combinations, templates, generators = (frame[column].nunique() for column in CELL)
        by_essay = frame.groupby("essay")
        essays = by_essay.ngroups
        judges = float(by_essay["evaluation_model"].nunique().mean())
        rubrics = float(by_essay["evaluation_template"].nunique().mean())
        repeats = len(frame) / (essays * judges * rubrics)
        replicates = essays / (combinations * templates * generators)
        return cls(combinations, templates, generators, replicates, judges, rubrics, repeats)

    @property
    def essays(self) -> float:
        """Essays in all."""
        return self.combinations * self.templates * self.generators * self.replicates

    @property
    def evaluations(self) -> float:
        """Evaluations in all."""
        return self.essays * self.judges * self.rubrics * self.evaluation_replicates


@dataclass(frozen=True)
class Precision:
    """How far the mean scores of an object are to be relied upon; variances in squared points.

    Attributes:
        universe: Variance of the true means of the object's levels.
        relative: Error variance of a mean beside another one of the same design.
        absolute: Error variance of a mean taken by itself: who judged, and by what, counts as error too.
    """

    universe: float
    relative: float
    absolute: float

    @property
    def generalizability(self) -> float:
        """Share of the variance of observed means that is true, for comparisons; NaN without variance."""
        return _share(self.universe, self.relative)

    @property
    def phi(self) -> float:
        """The same for means taken by themselves (the index of dependability)."""
        return _share(self.universe, self.absolute)


def precision(components: Components, design: Design, of: str) -> Precision:
    """Precision of the mean score of a level of ``of``, one of ``OBJECTS``, in a complete design.

    A component is averaged over what the mean runs over. It is true variance where it belongs to the object
    alone, an error of comparisons where the object is part of it, and an absolute error in any case. A
    component that the design cannot tell counts where its variance is counted, or not at all.

    Source: R. L. Brennan (2001), Generalizability Theory, ch. 4, rules for D-study variance components.
    """
    own = set(FACETS[of])
    universe = relative = absolute = 0.0
    for name, facets in FACETS.items():
        variance = components.variance[name]
        if math.isnan(variance):
            continue
        if own.issuperset(facets):
            universe += variance
            continue
        share = variance / math.prod(getattr(design, facet) for facet in facets if facet not in own)
        absolute += share
        if own.intersection(facets):
            relative += share
    return Precision(universe, relative, absolute)


def error_shares(components: Components, design: Design, of: str) -> dict[str, float]:
    """Each component's share of the relative error of a mean of ``of``; the shares sum to 1.

    Empty where there is no error.
    """
    own = set(FACETS[of])
    errors = {
        name: variance / math.prod(getattr(design, facet) for facet in facets if facet not in own)
        for name, facets in FACETS.items()
        if own.intersection(facets) and not own.issuperset(facets)
        if not math.isnan(variance := components.variance[name])
    }
    total = sum(errors.values())
    return {name: error / total for name, error in errors.items()} if total else {}


def g_study(scores: pd.DataFrame, *, draws: int = DRAWS, seed: int = 0) -> pd.DataFrame:
    """Split the variance of single scores (on 0–10) among everything that differs between them.

    The model and its estimator are those of ``components``: REML, by the routine in ``reml``, which takes
    crossed factors and missing cells and is checked against MixedLM of statsmodels; that one is too slow for
    designs of thousands of scores. Where ours is too slow as well, the analysis of variance stands in
    (``method``).
    Interactions of templates, generators or combinations with judges or rubrics are not in the model; they
    count in the interactions of the essay.

    Args:
        scores: One row per planned evaluation, as ``parsed_scores`` returns.
        draws: Simulated data sets behind the intervals; 0 for no intervals.
        seed: Of the random numbers.

    Returns:
        One row per component; no rows without evaluations:

        - ``component``; ``levels`` (of the residual: scores); ``variance``, in squared points, never below 0;
          ``share`` of the sum.
        - ``ci_low``, ``ci_high``: 95 % interval of the variance as ``component_intervals`` makes it, which
          counts how few levels there are; at most ``MOST_VARIANCE``.
        - ``generalizability``, ``phi``: of the mean score of a combination, a generation template, a
          generator or an essay, in the present design with every planned score there. For an essay, all
          that makes essays differ is true variance.
        - ``method``: ``REML`` or ``ANOVA``; ``n_scores`` used, ``left_out`` (unscored).
        - ``warning``: that a component cannot be told or hardly, or was below 0.

    Source: L. J. Cronbach, G. C. Gleser, H. Nanda, N. Rajaratnam (1972), The Dependability of Behavioral
    Measurements; R. L. Brennan (2001), Generalizability Theory.
    """
    frame = valued_scores(scores)
    if frame.empty:
        return typed_frame([], KINDS)
    scored = frame[frame["value"].notna()]
    components = variance_components(scored)
    intervals = component_intervals(scored, components, draws=draws, seed=seed) if draws else {}
    design = Design.of(frame)
    rows: list[dict[str, Any]] = []
    for name in FACETS:
        variance = components.variance[name]
        row: dict[str, Any] = {
            "component": name,
            "levels": components.levels[name],
            "variance": variance,
            "share": variance / components.total if components.total else None,
            "method": components.method,
            "n_scores": len(scored),
            "left_out": len(frame) - len(scored),
            "warning": warning(components, name),
        }
        if name in intervals:
            low, high = intervals[name]
            row |= {"ci_low": low, "ci_high": min(high, max(MOST_VARIANCE, variance))}
        if name in OBJECTS and not math.isnan(variance):
            found = precision(components, design, name)
            row |= {"generalizability": found.generalizability, "phi": found.phi}
        rows.append(row)
    return typed_frame(rows, KINDS).round(DECIMALS)


def warning(components: Components, name: str) -> str:
    """What keeps a reader from taking a component at its word; '' where nothing does."""
    levels = components.levels[name]
    if not components.method:
        return "no score" if not levels else f"{components.levels[RESIDUAL]} score: nothing can be told"
    if name in components.counted_in:
        holders = components.counted_in[name]
        if not holders:
            return "not identified: 1 level"
        return f"not identified: counted in {', '.join(holders)}"
    told = []
    unconstrained = components.unconstrained[name]
    if unconstrained < 0:
        told.append(f"below 0 by analysis of variance ({unconstrained:.3g})")
    if components.variance[name] == 0:
        told.append("taken as 0")
    if name in MAIN and levels <= ONE_GUESS:
        told.append(f"not identified in practice: {levels} levels, one difference")
    elif name in MAIN and levels <= FEW_LEVELS:
        told.append(f"rough: {levels} levels")
    return "; ".join(told)


def _share(true: float, error: float) -> float:
    return true / (true + error) if true + error > 0 else math.nan
