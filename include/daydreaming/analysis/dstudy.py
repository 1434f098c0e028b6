"""What to buy next: the standard error of a mean for more combinations, replicates, judges or rubrics."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from daydreaming.analysis.comparisons import valued_scores
from daydreaming.analysis.components import Components, variance_components
from daydreaming.analysis.frames import Kind, typed_frame
from daydreaming.analysis.gstudy import FACETS, OBJECTS, Design, Precision, error_shares, precision
from daydreaming.analysis.scales import DECIMALS
from daydreaming.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pandas as pd

TARGET_SE: Final = 0.2
"""In points on 0–10."""
MULTIPLES: Final = (1.5, 2, 3, 5)
"""How many times as many of each are looked at."""
MOST_TIMES: Final = 10
"""What takes more than so many times as many is out of reach: so far the components do not carry."""
MOST: Final[Mapping[str, float]] = {
    "combinations": 500,
    "replicates": 20,
    "judges": 12,
    "rubrics": 12,
    "evaluation_replicates": 20,
}
"""How many of each a person would have at the most; what takes more is out of reach as well."""
FEW_ESSAYS: Final = 10
"""From fewer essays the components are guesses."""

CHANGES: Final[Mapping[str, tuple[str, str]]] = {
    "combinations": ("combination", "combination"),
    "replicates": ("generation replicate", "combination x template x generator"),
    "judges": ("judge", "judge"),
    "rubrics": ("rubric", "rubric"),
    "evaluation_replicates": ("evaluation replicate", "essay x judge x rubric"),
}
"""What can be added: its noun, and the component without which nobody knows what adding it would do."""

AS_IT_IS: Final = "as it is"
CONCLUSION: Final = "conclusion"

KINDS: Final[Mapping[str, Kind]] = {
    "object": "text",
    "change": "text",
    "added": "number",
    "combinations": "number",
    "templates": "number",
    "generators": "number",
    "replicates": "number",
    "judges": "number",
    "rubrics": "number",
    "evaluation_replicates": "number",
    "se": "number",
    "se_absolute": "number",
    "generalizability": "number",
    "phi": "number",
    "added_generations": "number",
    "added_evaluations": "number",
    "added_cost_usd": "number",
    "note": "text",
}


@dataclass(frozen=True)
class _Study:
    """One object of measurement, with what is known of the design and of prices; NaN where unknown."""

    components: Components
    design: Design
    of: str
    generation_usd: float
    evaluation_usd: float

    def precision(self, design: Design) -> Precision:
        return precision(self.components, design, self.of)

    def cost_usd(self, design: Design) -> float:
        generations, evaluations = self.calls(design)
        # What is not bought costs nothing, also where its price is not known.
        return sum(
            number * price
            for number, price in ((generations, self.generation_usd), (evaluations, self.evaluation_usd))
            if number
        )

    def calls(self, design: Design) -> tuple[float, float]:
        """Generations and evaluations beyond the present ones."""
        return design.essays - self.design.essays, design.evaluations - self.design.evaluations

    def changes(self) -> list[str]:
        """What makes a mean of this object more certain, if there were more of it."""
        return [c for c in CHANGES if c not in FACETS[self.of]]

    def is_told(self, change: str) -> bool:
        """Whether the design tells what adding this would do."""
        return not math.isnan(self.components.variance[CHANGES[change][1]])


def d_study(scores: pd.DataFrame, *, target_se: float = TARGET_SE) -> pd.DataFrame:
    """How certain the mean of a combination, template, generator or essay is, and would be with more.

    The standard error is that of the mean of one level of the object beside another level of it, scored in
    the same design (``se``): who the judges are does not count then, for they judge both. Taken by itself,
    the mean has ``se_absolute``. The difference of two levels has ``√2 · se``. All is on 0–10, and for
    designs in which every cell has its score.

    Args:
        scores: One row per planned evaluation, as ``parsed_scores`` returns.
        target_se: The ``se`` that the conclusion is about, in points on 0–10.

    Returns:
        For each object that has a variance component of its own, one row for the design as it is, then rows
        with more of one thing: ``MULTIPLES`` of it, and as many as ``target_se`` needs; last a row
        ``conclusion`` with a sentence in ``note``. Columns:

        - ``object``, ``change``, ``added``, then the numbers of the design: ``combinations``, ``templates``,
          ``generators``, ``replicates`` (essays per cell), ``judges``, ``rubrics`` (both per essay) and
          ``evaluation_replicates``.
        - ``se``, ``se_absolute``, ``generalizability``, ``phi``.
        - ``added_generations``, ``added_evaluations`` (calls), ``added_cost_usd`` by the mean cost of the
          calls in ``scores``; empty where no call has a cost.
        - ``note``: "at best" where the design has one level only, and so cannot tell what adding to it does:
          the rest of the row is then a lower bound, and the conclusion leaves it out.

    Raises:
        InputError: ``target_se`` is not above 0.

    Source: R. L. Brennan (2001), Generalizability Theory, ch. 4 (D studies; σ(δ) and σ(Δ)).
    """
    if not target_se > 0:
        raise InputError(
            f"target_se must be above 0 points; got {target_se:g}. Leave it out for the default."
        )
    frame = valued_scores(scores)
    if frame["value"].notna().sum() < 2:
        return typed_frame([], KINDS)
    components = variance_components(frame[frame["value"].notna()])
    prices = _mean_costs(scores)
    rows: list[dict[str, Any]] = []
    for of in OBJECTS:
        if not math.isnan(components.variance[of]):
            study = _Study(components, Design.of(frame), of, *prices)
            rows += _rows(study, target_se)
    return typed_frame(rows, KINDS).round(DECIMALS)


def _mean_costs(scores: pd.DataFrame) -> tuple[float, float]:
    essays = scores.drop_duplicates("generation_task_id")
    return float(essays["generation_cost_usd"].mean()), float(scores["evaluation_cost_usd"].mean())


def _rows(study: _Study, target_se: float) -> Iterator[dict[str, Any]]:
    yield {**_row(study, study.design), "change": AS_IT_IS, "note": _not_in_it(study)}
    reaching: dict[str, Design] = {}
    for change in study.changes():
        now = getattr(study.design, change)
        needed = _needed(study, change, target_se)
        if needed:
            reaching[change] = replace(study.design, **{change: now + needed})
        added = {max(1, math.ceil(now * (multiple - 1))) for multiple in MULTIPLES} | ({needed} - {0, None})
        for more in sorted(a for a in added if a):
            row = _row(study, replace(study.design, **{change: now + more}))
            notes = [f"reaches SE {target_se:g}"] if more == needed else []
            notes += [] if study.is_told(change) else [f"at best: {_one(change)}"]
            yield {**row, "change": f"more {CHANGES[change][0]}s", "added": more, "note": "; ".join(notes)}
    yield {"object": study.of, "change": CONCLUSION, "note": _conclusion(study, target_se, reaching)}


def _row(study: _Study, design: Design) -> dict[str, Any]:
    found = study.precision(design)
    generations, evaluations = study.calls(design)
    return {
        "object": study.of,
        **vars(design),
        "se": math.sqrt(found.relative),
        "se_absolute": math.sqrt(found.absolute),
        "generalizability": found.generalizability,
        "phi": found.phi,
        "added_generations": generations,
        "added_evaluations": evaluations,
        "added_cost_usd": study.cost_usd(design),
    }


def _needed(study: _Study, change: str, target_se: float) -> int | None:
    """How many more bring the SE to the target: 0 where none, None where it is out of reach."""
    now: float = getattr(study.design, change)
    error = study.precision(study.design).relative
    least = study.precision(replace(study.design, **{change: math.inf})).relative
    if error <= target_se**2:
        return 0
    if least >= target_se**2:
        return None
    # What depends on the number falls as one over it.
    needed = (error - least) * now / (target_se**2 - least)
    return math.ceil(needed - now - 1e-9) if needed <= min(MOST_TIMES * now, MOST[change]) else None


def _conclusion(study: _Study, target_se: float, reaching: Mapping[str, Design]) -> str:
    found = study.precision(study.design)
    se = math.sqrt(found.relative)
    opening = f"{study.of}: the SE of a mean is {se:.2g}"
    if se <= target_se:
        few = _too_few(study)
        return f"{opening}, not above {target_se:g}: nothing to add{f', but {few}' if few else ''}."
    known = {change: design for change, design in reaching.items() if study.is_told(change)}
    order = sorted(known, key=lambda change: _price(study, known[change]))
    if not order:
        why = [_largest_error(study)] if found.relative > 0 else []
        why += [] if found.universe else [f"{study.of} means show no true differences"]
        why += [_too_few(study)] if _too_few(study) else []
        limits = _limits(study)
        within = f" within reason ({limits})" if limits else ""
        return (
            f"{opening}; no single addition whose effect this design can tell makes it {target_se:g}"
            f"{within}: {'; '.join(why)}."
        )
    best, *others = (_offer(study, change, known[change]) for change in order)
    rest = (
        f", not {others[0]}." if others else "; nothing else does it alone, as far as this design can tell."
    )
    guess = f" A guess: {_too_few(study)}." if _too_few(study) else ""
    return f"{opening}; for SE {target_se:g} add {best}{rest}{guess}"


def _largest_error(study: _Study) -> str:
    name, share = max(error_shares(study.components, study.design, study.of).items(), key=lambda i: i[1])
    return f"{100 * share:.0f} % of the error is {name}"


def _limits(study: _Study) -> str:
    told = [c for c in study.changes() if study.is_told(c)]
    most = [f"{min(MOST_TIMES * getattr(study.design, c), MOST[c]):.0f} {CHANGES[c][0]}s" for c in told]
    return f"up to {' or '.join(most)}" if most else ""


def _too_few(study: _Study) -> str:
    essays = round(study.design.essays)
    return f"{essays} essays are too few to know more" if essays < FEW_ESSAYS else ""


def _price(study: _Study, design: Design) -> tuple[float, float]:
    cost = study.cost_usd(design)
    # What has no known price is not cheap: it stands behind what has one.
    return (math.inf if math.isnan(cost) else cost), sum(study.calls(design))


def _offer(study: _Study, change: str, design: Design) -> str:
    more = round(getattr(design, change) - getattr(study.design, change))
    noun = CHANGES[change][0] + ("" if more == 1 else "s")
    cost = study.cost_usd(design)
    if math.isnan(cost):
        return f"{more} {noun} ({round(sum(study.calls(design)))} calls)"
    return f"{more} {noun} ({'under $0.01' if 0 < cost < 0.01 else f'${cost:,.2f}'})"


def _one(change: str) -> str:
    return f"1 {CHANGES[change][0]} cannot tell what more would do"


def _not_in_it(study: _Study) -> str:
    single = [
        noun
        for change, (noun, _) in CHANGES.items()
        if change not in FACETS[study.of] and not study.is_told(change)
    ]
    return f"what another {' or '.join(single)} would change is not in the SE" if single else ""
