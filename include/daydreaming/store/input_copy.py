"""The frozen copy of what a run read: for people in the layout of the inputs, for tasks as JSON."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from daydreaming.errors import StoreError
from daydreaming.inputs.records import LLMModel, Template
from daydreaming.inputs.snapshot import Inputs
from daydreaming.store.files import write_whole

SNAPSHOT_FILE = "inputs.json"


def copy_inputs(inputs: Inputs, target_dir: Path) -> None:
    """Write what the run uses below ``target_dir``; writing twice leaves the same files.

    The texts come from ``inputs``, not from the folder they were read from, which may have been
    edited since. ``inputs.json`` is written last: where it is, the copy is whole.
    """
    for relative, text in frozen_files(inputs).items():
        write_whole(target_dir / relative, text)
    write_whole(target_dir / SNAPSHOT_FILE, inputs.to_json())


def read_inputs_copy(target_dir: Path, digest: str) -> Inputs:
    """The inputs that :func:`copy_inputs` wrote.

    Args:
        target_dir: Where.
        digest: Of the inputs that were written; the file holds the text that it is made of.

    Raises:
        StoreError: They are missing, or are others.
    """
    text = _snapshot(target_dir)
    found = hashlib.sha256(text.encode()).hexdigest()
    if found != digest:
        raise StoreError(
            f"{target_dir / SNAPSHOT_FILE}: was edited since the run began (its digest is {found[:12]}, "
            f"planned was {digest[:12]}). Restore it, or start a new run."
        )
    return Inputs.from_json(text)


def read_any_inputs_copy(target_dir: Path) -> Inputs:
    """The inputs of a copy whose run nobody remembers, so that nobody can say whether it was edited.

    Raises:
        StoreError: They are missing, or no inputs.
    """
    return Inputs.from_json(_snapshot(target_dir))


def _snapshot(target_dir: Path) -> str:
    try:
        return (target_dir / SNAPSHOT_FILE).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(
            f"{target_dir / SNAPSHOT_FILE}: the frozen inputs of the run cannot be read ({error}). "
            "Start a new run."
        ) from error


def frozen_files(inputs: Inputs) -> dict[str, str]:
    """The copy for people: text by file name below the folder."""
    concept_rows = [{"concept_id": c.concept_id, "name": c.name, "active": "true"} for c in inputs.concepts]
    files = {
        "experiment.yaml": _yaml(inputs.params),
        "concepts/concepts_metadata.csv": _csv(("concept_id", "name", "active"), concept_rows),
        "llm_models.csv": _models_csv(inputs),
    }
    for concept in inputs.concepts:
        for level, text in concept.descriptions.items():
            files[f"concepts/descriptions-{level}/{concept.concept_id}.txt"] = text + "\n"
    for stage, templates in (
        ("generation", inputs.generation_templates),
        ("evaluation", inputs.evaluation_templates),
    ):
        files[f"{stage}_templates.csv"] = _templates_csv(templates, scored=stage == "evaluation")
        files |= {f"{stage}_templates/{t.template_id}.txt": t.text for t in templates}
    return files


def _templates_csv(templates: Sequence[Template], *, scored: bool) -> str:
    columns = ["template_id", "template_name", "description", "active", "parser"]
    columns += ["score_min", "score_max"] if scored else []
    return _csv(columns, [{**asdict(t), "active": "true"} for t in templates])


def _models_csv(inputs: Inputs) -> str:
    models: dict[str, LLMModel] = {m.id: m for m in (*inputs.generation_models, *inputs.evaluation_models)}
    rows = [
        {
            **asdict(m),
            "extra_body": json.dumps(m.extra_body, ensure_ascii=False, sort_keys=True)
            if m.extra_body
            else "",
        }
        for m in models.values()
    ]
    return _csv(list(LLMModel.__dataclass_fields__), rows)


def _csv(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: _cell(v) for k, v in row.items()} for row in rows)
    return buffer.getvalue()


def _cell(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value


def _yaml(params: Mapping[str, Any]) -> str:
    """Effective parameters as a file that could be saved as an experiment; JSON values are YAML."""
    given = {k: v for k, v in params.items() if v is not None and k != "experiment"}
    return "".join(f"{name}: {json.dumps(value, ensure_ascii=False)}\n" for name, value in given.items())
