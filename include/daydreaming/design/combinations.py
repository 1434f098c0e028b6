"""Combinations of exactly k concepts, with stable IDs."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from daydreaming.design.ids import combo_id
from daydreaming.errors import DesignError

#: Beyond this a plan is a mistake, and making it would take minutes and gigabytes.
MAX_COMBINATIONS = 1_000_000

#: What a combination ID stands for: concept IDs, description level, k_max.
ComboParts = tuple[frozenset[str], str, int]


class Combination(NamedTuple):
    """One set of concepts.

    Attributes:
        concept_ids: Sorted.
    """

    combo_id: str
    concept_ids: tuple[str, ...]
    description_level: str
    k_max: int

    @property
    def parts(self) -> ComboParts:
        """What the ID stands for."""
        return frozenset(self.concept_ids), self.description_level, self.k_max


def combine(
    concept_ids: Sequence[str],
    k_max: int,
    level: str,
    known: Mapping[str, ComboParts] | None = None,
) -> list[Combination]:
    """All combinations of exactly ``k_max`` concepts, in an order that only the IDs decide.

    Args:
        concept_ids: Different IDs, in any order.
        k_max: Concepts per combination.
        level: Description level.
        known: Combinations of earlier plans, by ID; see ``combo_mappings.csv``.

    Raises:
        DesignError: ``k_max`` does not fit the concepts, there are too many combinations, a
            concept is given twice, or two different combinations share an ID.
    """
    _check_size(concept_ids, k_max)
    combinations = [
        Combination(combo_id(chosen, level, k_max), chosen, level, k_max)
        for chosen in itertools.combinations(sorted(concept_ids), k_max)
    ]
    check_collisions(combinations, known or {})
    return combinations


def check_collisions(combinations: Iterable[Combination], known: Mapping[str, ComboParts]) -> None:
    """Refuse an ID that stands for two different combinations.

    Raises:
        DesignError: Names the ID and both combinations.
    """
    seen: dict[str, ComboParts] = {}
    for combination in combinations:
        parts = combination.parts
        other = seen.setdefault(combination.combo_id, known.get(combination.combo_id, parts))
        if other != parts:
            raise DesignError(
                f"combo_id {combination.combo_id} stands for two combinations: {_show(other)} and "
                f"{_show(parts)}. Rename one of the concepts; old artifacts keep their ID."
            )


def _check_size(concept_ids: Sequence[str], k_max: int) -> None:
    if len(set(concept_ids)) != len(concept_ids):
        twice = sorted({c for c in concept_ids if concept_ids.count(c) > 1})
        raise DesignError(f"each concept may be given once; got more of {', '.join(twice)}.")
    if not 1 <= k_max <= len(concept_ids):
        raise DesignError(
            f"k_max must be between 1 and {len(concept_ids)} (selected concepts); got {k_max}. "
            "Lower k_max or select more concepts."
        )
    count = math.comb(len(concept_ids), k_max)
    if count > MAX_COMBINATIONS:
        raise DesignError(
            f"a plan may hold at most {MAX_COMBINATIONS:,} combinations; {len(concept_ids)} concepts at "
            f"k_max {k_max} make {count:,}. Lower k_max or select fewer concepts."
        )


def _show(parts: ComboParts) -> str:
    concepts, level, k_max = parts
    return f"{'+'.join(sorted(concepts))} ({level}, k_max {k_max})"
