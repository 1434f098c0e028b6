"""Planned calls of an experiment by how they stand, and failed attempts by kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from daydreaming.errors import StaleResponseError
from daydreaming.inputs.records import Stage
from daydreaming.pipeline.report_answers import AnswerRows
from daydreaming.report.source import Calls, Failures
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.failure_sums import failure_sums
from daydreaming.store.plans import cells_of_experiment
from daydreaming.store.results import finally_failed

_STAGES: tuple[Stage, ...] = ("generation", "evaluation")


def is_failed_call(row: Mapping[str, Any]) -> bool:
    """Whether a row of ``failures`` is a call's own.

    Nothing was sent for the others: they wait for a generation, whose own failure is listed.
    """
    return bool(row["attempt"] > 0 or row["error_class"] == StaleResponseError.__name__)


def call_counts(settings: Settings, experiment_id: str, answers: AnswerRows) -> list[Calls]:
    """Planned calls by stage and model: answered, failed for good in some run, or waiting."""
    engine = engine_for(settings)
    found: list[Calls] = []
    for stage in _STAGES:
        answered = {row[f"{stage}_task_id"] for row in answers[stage]}
        # Whichever run gave up: a run that has only been planned since has not called again yet.
        gave_up = {cell_id for _, cell_id in finally_failed(engine, experiment_id, stage)}
        groups: dict[str, list[str]] = {}
        for cell_id, (_, cell) in cells_of_experiment(engine, experiment_id, stage).items():
            groups.setdefault(cell.model_id, []).append(cell_id)
        for model, cells in sorted(groups.items()):
            done = sum(cell_id in answered for cell_id in cells)
            failed = sum(cell_id in gave_up and cell_id not in answered for cell_id in cells)
            found.append(Calls(stage, model, len(cells), done, failed, len(cells) - done - failed))
    return found


def failure_groups(settings: Settings, experiment_id: str) -> list[Failures]:
    """Failed attempts by stage, model and error, the most frequent first."""
    found = [Failures(**asdict(one)) for one in failure_sums(engine_for(settings), experiment_id)]
    # Databases put names in different orders.
    return sorted(found, key=lambda one: (-one.attempts, one.stage, one.model, one.error_class))
