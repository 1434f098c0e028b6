"""The answers of an experiment, added up for its report: when they came, and which models gave them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from daydreaming.inputs.records import Stage
from daydreaming.report.source import Served
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.members import read_members
from daydreaming.store.results import read_responses

_STAGES: tuple[Stage, ...] = ("generation", "evaluation")
_NAMES = ("model_requested", "model_returned", "upstream_provider")
_TOKENS = ("prompt_tokens", "completion_tokens")

AnswerRows = Mapping[Stage, Collection[Mapping[str, Any]]]
"""Rows of ``generations`` and ``evaluations``."""


@dataclass(frozen=True)
class AnswerSums:
    """What all answers together say. An answer without a record says nothing of its time and run.

    Attributes:
        first_call_at: Start of the first call that was answered; None where no record says when.
        last_answer_at: End of the last one, likewise.
        runs: Answers by run.
    """

    first_call_at: datetime | None
    last_answer_at: datetime | None
    runs: Mapping[str, int]
    served: Sequence[Served]


def stored_answers(settings: Settings, experiment_id: str) -> AnswerRows:
    """Rows of the answers that serve an experiment, as the database has them."""
    engine = engine_for(settings)
    return {
        stage: read_responses(engine, stage, sorted(read_members(engine, experiment_id, stage)))
        for stage in _STAGES
    }


def sum_answers(rows: AnswerRows) -> AnswerSums:
    """Add up the answers of both stages. PURE."""
    # What a person brought has the time of its file, and the run that planned it last.
    recorded = [row for stage in _STAGES for row in rows[stage] if row["request_hash"] is not None]
    return AnswerSums(
        min((row["started_at"] for row in recorded if row["started_at"]), default=None),
        max((row["ended_at"] for row in recorded if row["ended_at"]), default=None),
        Counter(row["run_id"] for row in recorded),
        [one for stage in _STAGES for one in _served(stage, rows[stage])],
    )


def _served(stage: Stage, rows: Collection[Mapping[str, Any]]) -> Iterator[Served]:
    groups: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        key = (row[f"{stage}_model"], *(row[name] or "" for name in _NAMES))
        groups.setdefault(key, []).append(row)
    for (model, requested, returned, provider), group in sorted(groups.items()):
        prompt, completion = (sum(row[name] or 0 for row in group) for name in _TOKENS)
        yield Served(stage, model, requested, returned, provider, len(group), prompt, completion)
