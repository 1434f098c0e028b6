"""Choices for the trigger form, read at parse time: milliseconds, standard library, never an error.

A file that cannot be read leaves its choices empty; ``load_inputs`` says what is wrong with it.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

_Rows = list[Mapping[str, str]]


@dataclass(frozen=True)
class FormChoices:
    """Labels by ID, in the order of the files, and the names of saved experiments."""

    concepts: dict[str, str] = field(default_factory=dict)
    generation_templates: dict[str, str] = field(default_factory=dict)
    evaluation_templates: dict[str, str] = field(default_factory=dict)
    generation_models: dict[str, str] = field(default_factory=dict)
    evaluation_models: dict[str, str] = field(default_factory=dict)
    experiments: list[str] = field(default_factory=list)


def form_choices(inputs_root: Path) -> FormChoices:
    """What a person may choose from; inactive rows are marked, since naming one selects it."""
    raw = inputs_root / "01_raw"
    models = _rows(raw / "llm_models.csv")
    return FormChoices(
        concepts=_labels(_rows(raw / "concepts" / "concepts_metadata.csv"), "concept_id", _named("name")),
        generation_templates=_labels(_rows(raw / "generation_templates.csv"), "template_id", _template),
        evaluation_templates=_labels(_rows(raw / "evaluation_templates.csv"), "template_id", _template),
        generation_models=_labels([m for m in models if _is_true(m, "for_generation")], "id", _model),
        evaluation_models=_labels([m for m in models if _is_true(m, "for_evaluation")], "id", _model),
        experiments=_experiments(inputs_root / "experiments"),
    )


def _rows(path: Path) -> _Rows:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, ValueError, csv.Error):
        return []
    # A short row has None for the cells that it lacks, a long one a list under None.
    return [{k: v for k, v in row.items() if isinstance(k, str) and isinstance(v, str)} for row in rows]


def _labels(rows: _Rows, key: str, label: Callable[[Mapping[str, str]], str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for row in rows:
        if row.get(key):
            inactive = " (inactive)" if row.get("active", "true").lower() == "false" else ""
            found[row[key]] = (label(row) or row[key]) + inactive
    return found


def _named(column: str) -> Callable[[Mapping[str, str]], str]:
    return lambda row: row.get(column, "")


def _template(row: Mapping[str, str]) -> str:
    return ": ".join(filter(None, (row.get("template_name"), row.get("description"))))


def _model(row: Mapping[str, str]) -> str:
    provider = row.get("provider")
    name = row.get("display_name") or row.get("id", "")
    return f"{name} ({provider})" if provider else name


def _is_true(row: Mapping[str, str], column: str) -> bool:
    return row.get(column, "").lower() == "true"


def _experiments(folder: Path) -> list[str]:
    try:
        return sorted(p.stem for p in folder.iterdir() if p.name.endswith(".yaml"))
    except OSError:
        return []
