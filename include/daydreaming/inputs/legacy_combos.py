"""Combinations of the Dagster original: which concepts an ID stands for, wherever it says so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from daydreaming.design.combinations import Combination
from daydreaming.inputs.legacy_layout import LegacyLayout, Unplaced
from daydreaming.inputs.legacy_tables import read_legacy_rows
from daydreaming.inputs.records import DESCRIPTION_LEVELS

#: Level and k_max of a combination of which only the concepts are known: none, and their number.
UNKNOWN_LEVEL = ""
_MAPPINGS = ("combo_mappings.csv", "selected_combo_mappings.csv")
_PAIRS = ("concept_combinations_relationships.csv", "content_combinations_csv.csv")
_LEVELS = "concept_combinations_combinations.csv"


@dataclass
class _Found:
    """What one table says of one combination."""

    concepts: set[str] = field(default_factory=set)
    levels: set[tuple[str, str]] = field(default_factory=set)


def read_legacy_combos(layout: LegacyLayout, problems: list[Unplaced]) -> dict[str, Combination]:
    """Combinations by ID; the first table that names one decides, ``combo_mappings.csv`` before others.

    Where no table gives the level it is ``UNKNOWN_LEVEL``, and ``k_max`` the number of concepts.
    """
    combos: dict[str, Combination] = {}
    levels = _levels(layout, problems)
    for path in _tables(layout):
        for combo_id, found in _read(layout, path, problems).items():
            found.levels = found.levels or levels.get(combo_id, set())
            combo = _combination(combo_id, found)
            if combo is None:
                got = " and ".join(f"{level!r}, {k_max!r}" for level, k_max in sorted(found.levels))
                reason = (
                    f"{combo_id} needs one level (sentence, paragraph or article) and one whole number as "
                    f"k_max; got {got}. Correct it."
                )
                problems.append(Unplaced("combination", layout.relative(path), reason))
            else:
                combos.setdefault(combo_id, combo)
    return combos


def _tables(layout: LegacyLayout) -> Iterator[Path]:
    for names in (_MAPPINGS, _PAIRS):
        for name in names:
            yield from (folder / name for folder in (layout.root, *layout.tasks, *layout.raw))


def _read(layout: LegacyLayout, path: Path, problems: list[Unplaced]) -> dict[str, _Found]:
    found: dict[str, _Found] = {}
    for row in read_legacy_rows(layout, path, ("combo_id", "concept_id"), problems):
        if row["combo_id"] and row["concept_id"]:
            combo = found.setdefault(row["combo_id"], _Found())
            combo.concepts.add(row["concept_id"])
            combo.levels |= _level(row)
    return found


def _levels(layout: LegacyLayout, problems: list[Unplaced]) -> dict[str, set[tuple[str, str]]]:
    levels: dict[str, set[tuple[str, str]]] = {}
    for folder in layout.tasks:
        for row in read_legacy_rows(layout, folder / _LEVELS, ("combo_id",), problems):
            levels.setdefault(row["combo_id"], set()).update(_level(row))
    return levels


def _level(row: dict[str, str]) -> set[tuple[str, str]]:
    level, k_max = row.get("description_level", ""), row.get("k_max", "")
    return {(level, k_max)} if level and k_max else set()


def _combination(combo_id: str, found: _Found) -> Combination | None:
    concepts = tuple(sorted(found.concepts))
    if not found.levels:
        return Combination(combo_id, concepts, UNKNOWN_LEVEL, len(concepts))
    level, k_max = min(found.levels)
    is_number = k_max.isascii() and k_max.isdecimal() and len(k_max) < 4
    if len(found.levels) > 1 or level not in DESCRIPTION_LEVELS or not is_number:
        return None
    return Combination(combo_id, concepts, level, int(k_max))
