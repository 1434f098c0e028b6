"""Concepts of the Dagster original: one JSON file, or a CSV with a text file per level."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from daydreaming.design.ids import id_problem
from daydreaming.inputs.legacy_layout import LegacyLayout, Unplaced
from daydreaming.inputs.legacy_tables import read_legacy_rows, read_legacy_text
from daydreaming.inputs.records import DESCRIPTION_LEVELS, Concept

_JSON = "day_dreaming_concepts.json"
_CSV = "concepts_metadata.csv"


def read_legacy_concepts(layout: LegacyLayout, problems: list[Unplaced]) -> dict[str, Concept]:
    """Concepts by ID, of every file that holds some; what a later file says is added to the earlier.

    An ID that ours may not be is a problem: it would become a file's name.
    """
    concepts: dict[str, Concept] = {}
    for file, concept in _all(layout, problems):
        wrong = id_problem(concept.concept_id)
        if wrong:
            reason = f"concept_id {wrong}; got {concept.concept_id!r}. Its combinations keep it all the same."
            problems.append(Unplaced("concept", file, reason))
            continue
        known = concepts.get(concept.concept_id, concept)
        texts = {**known.descriptions, **concept.descriptions}
        concepts[concept.concept_id] = Concept(concept.concept_id, known.name or concept.name, texts)
    return concepts


def _all(layout: LegacyLayout, problems: list[Unplaced]) -> Iterator[tuple[str, Concept]]:
    for folder in (place for raw in layout.raw for place in (raw / "concepts", raw)):
        for entry in _json_entries(layout, folder / _JSON, problems):
            yield layout.relative(folder / _JSON), _from_json(layout, folder, entry, problems)
        for row in read_legacy_rows(layout, folder / _CSV, ("concept_id", "name"), problems):
            texts = _texts(layout, folder, row["concept_id"], problems)
            yield layout.relative(folder / _CSV), Concept(row["concept_id"], row["name"], texts)


def _json_entries(layout: LegacyLayout, path: Path, problems: list[Unplaced]) -> list[dict[str, Any]]:
    text = read_legacy_text(layout, path, "table", problems)
    if text is None:
        return []
    try:
        data = json.loads(text)
        # An escape may stand for half a character, which no file can hold.
        json.dumps(data, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        problems.append(Unplaced("table", layout.relative(path), f"not valid JSON ({error}). Correct it."))
        return []
    entries = data.get("concepts") if isinstance(data, dict) else data
    if not isinstance(entries, list) or not all(_is_concept(entry) for entry in entries):
        reason = "must hold a list of concepts, each with a concept_id and a name. Correct it."
        problems.append(Unplaced("table", layout.relative(path), reason))
        return []
    return entries


def _is_concept(entry: Any) -> bool:
    return isinstance(entry, dict) and all(isinstance(entry.get(key), str) for key in ("concept_id", "name"))


def _from_json(
    layout: LegacyLayout, folder: Path, entry: dict[str, Any], problems: list[Unplaced]
) -> Concept:
    texts: dict[str, str] = {
        level: entry[level] for level in DESCRIPTION_LEVELS if isinstance(entry.get(level), str)
    }
    if isinstance(entry.get("article_path"), str):
        try:
            texts |= _article(layout, folder / "articles" / entry["article_path"], problems)
        except (ValueError, OSError, RuntimeError) as error:
            reason = f"no file can have the article_path {entry['article_path']!r} ({error}). Correct it."
            problems.append(Unplaced("concept", layout.relative(folder / _JSON), reason))
    return Concept(entry["concept_id"], entry["name"], _not_empty(texts))


def _article(layout: LegacyLayout, path: Path, problems: list[Unplaced]) -> dict[str, str]:
    # A path of a file that strangers may have written: nothing beyond the folder is read.
    if not path.resolve().is_relative_to(layout.root.resolve()):
        return {}
    article = read_legacy_text(layout, path, "concept", problems)
    return {} if article is None else {"article": article}


def _texts(layout: LegacyLayout, folder: Path, concept_id: str, problems: list[Unplaced]) -> dict[str, str]:
    if id_problem(concept_id):
        return {}
    texts: dict[str, str] = {}
    for level in DESCRIPTION_LEVELS:
        for place in (f"descriptions-{level}", f"descriptions/{level}"):
            path = folder / place / f"{concept_id}.txt"
            texts[level] = read_legacy_text(layout, path, "concept", problems) or texts.get(level, "")
    return _not_empty(texts)


def _not_empty(texts: dict[str, str]) -> dict[str, str]:
    return {level: text.strip() for level, text in texts.items() if text.strip()}
