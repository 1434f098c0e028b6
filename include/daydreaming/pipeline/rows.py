"""Rows of the results database, derived from a response file and the record beside it. PURE.

The same functions serve when an answer lands and when the tables are brought up to date from the
files, so that both give the same row.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from daydreaming.errors import EssayParseError, ScoreParseError
from daydreaming.inputs.records import Template
from daydreaming.parsing.essay import parse_essay
from daydreaming.parsing.score import Scale, parse_score
from daydreaming.store.plans import PlannedCell

#: Fields that a row takes from the record as they are; NULL where a person brought the file.
RECORD_FIELDS = (
    "prompt_sha256",
    "request_hash",
    "model_requested",
    "model_returned",
    "upstream_provider",
    "response_id",
    "finish_reason",
    "prompt_tokens",
    "completion_tokens",
    "cost_usd",
    "latency_s",
    "attempts",
)


def generation_row(
    cell: PlannedCell, template: Template, text: str, record: Mapping[str, Any], file: Mapping[str, Any]
) -> tuple[dict[str, Any], str | None]:
    """The row of a generator's answer.

    Args:
        cell: The planned generation.
        template: Its template, whose parser finds the essay.
        text: The answer.
        record: The provenance record; empty where there is none.
        file: ``response_file`` and, for a response without a record, ``experiment_id``,
            ``run_id`` and ``ended_at`` to go by.

    Returns:
        The row, and the essay; None where the parser finds none (the row then says why).
    """
    essay, essay_error = None, None
    try:
        essay = parse_essay(text, template.parser)
    except EssayParseError as error:
        essay_error = str(error)
    row = {
        "generation_task_id": cell.cell_id,
        "combo_id": cell.combo_id,
        "generation_template": cell.generation_template,
        "generation_model": cell.generation_model,
        "parser": template.parser,
        "essay_error": essay_error,
        **_shared(cell, text, record, file),
    }
    return row, essay


def evaluation_row(
    cell: PlannedCell, template: Template, text: str, record: Mapping[str, Any], file: Mapping[str, Any]
) -> dict[str, Any]:
    """The row of a judge's answer, with its score or why there is none; arguments as above."""
    score, score_error = read_score(text, template)
    return {
        "evaluation_task_id": cell.cell_id,
        "generation_task_id": cell.generation_task_id,
        "combo_id": cell.combo_id,
        "generation_template": cell.generation_template,
        "generation_model": cell.generation_model,
        "evaluation_template": cell.evaluation_template,
        "evaluation_model": cell.evaluation_model,
        "parser": template.parser,
        "score_min": _bound(template.score_min),
        "score_max": _bound(template.score_max),
        "score": score,
        "score_error": score_error,
        **_shared(cell, text, record, file),
    }


def read_score(text: str, template: Template) -> tuple[float | None, str | None]:
    """A verdict's score on its template's scale, or why it is unscored."""
    try:
        return parse_score(
            text, template.parser, Scale(_bound(template.score_min), _bound(template.score_max))
        ), None
    except ScoreParseError as error:
        return None, str(error)


def _bound(value: float | None) -> float:
    if value is None:
        raise ValueError("an evaluation template has a scale")
    return float(value)


def _shared(
    cell: PlannedCell, text: str, record: Mapping[str, Any], file: Mapping[str, Any]
) -> dict[str, Any]:
    data = text.encode()
    return {
        "experiment_id": record.get("experiment_id") or file["experiment_id"],
        "run_id": record.get("run_id") or file["run_id"],
        "replicate": cell.replicate,
        "response_file": file["response_file"],
        "response_size_bytes": len(data),
        "response_sha256": hashlib.sha256(data).hexdigest(),
        **{name: record.get(name) for name in RECORD_FIELDS},
        "started_at": _time(record.get("started_at")),
        "ended_at": _time(record.get("ended_at")) or file.get("ended_at"),
    }


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
