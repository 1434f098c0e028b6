"""Concepts: ``concepts_metadata.csv`` and the texts beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from daydreaming.inputs.records import DESCRIPTION_LEVELS, Concept
from daydreaming.inputs.selection import select
from daydreaming.inputs.tables import Flag, Id, TableRow, Text, read_table
from daydreaming.inputs.text_files import read_text

FOLDER = "01_raw/concepts"


class ConceptRow(TableRow):
    """A row of ``concepts_metadata.csv``."""

    concept_id: Id
    name: Text
    active: Flag


def load_concepts(root: Path, named: Sequence[str], k_max: int, problems: list[str]) -> list[Concept]:
    """The selected concepts with all their texts, in the order of the file.

    Args:
        root: Inputs root.
        named: IDs in the parameter ``concepts``; empty for all active.
        k_max: Concepts per combination.
        problems: What is wrong is appended, one line each.
    """
    table = read_table(
        root / FOLDER / "concepts_metadata.csv", f"{FOLDER}/concepts_metadata.csv", ConceptRow, problems
    )
    if table is None:
        return []
    active = [concept_id for concept_id, row in table.rows.items() if row.active]
    selected = select(table, named, active, "concepts", problems)
    _check_k_max(k_max, len(named) or len(active), by_name=bool(named), problems=problems)
    concepts: list[Concept] = []
    # An active row is checked even where a run does not use it: the next run will.
    used, chosen = {*selected, *active}, set(selected)
    for concept_id in [c for c in table.rows if c in used]:
        texts = _read_texts(root, concept_id, f"{table.label}, row {table.numbers[concept_id]}", problems)
        if concept_id in chosen:
            concepts.append(Concept(concept_id, table.rows[concept_id].name, texts))
    return concepts


def _read_texts(root: Path, concept_id: str, place: str, problems: list[str]) -> dict[str, str]:
    texts: dict[str, str] = {}
    present = False
    for level in DESCRIPTION_LEVELS:
        label = f"{FOLDER}/descriptions-{level}/{concept_id}.txt"
        if not (root / label).exists():
            continue
        present = True
        text = read_text(root / label, label, problems)
        if text is not None:
            texts[level] = text.strip()
    if not present:
        problems.append(
            f"{place}: concept {concept_id!r} has no description at any level. "
            f"Write {FOLDER}/descriptions-paragraph/{concept_id}.txt, or set active to false."
        )
    return texts


def _check_k_max(k_max: int, count: int, *, by_name: bool, problems: list[str]) -> None:
    if k_max <= count or count == 0:
        return
    which = "selected" if by_name else "active"
    remedy = "name more concepts" if by_name else "activate concepts in concepts_metadata.csv"
    problems.append(
        f"k_max must be between 1 and {count} ({which} concepts); got {k_max}. Lower k_max or {remedy}."
    )
