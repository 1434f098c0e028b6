"""Task tables of the Dagster original: what each generation's and evaluation's ID stands for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from daydreaming.inputs.legacy_layout import LegacyLayout, Unplaced
from daydreaming.inputs.legacy_tables import read_legacy_rows

_GENERATION_COLUMNS = ("generation_task_id", "combo_id", "generation_template", "generation_model")
_EVALUATION_COLUMNS = ("evaluation_task_id", "generation_task_id", "evaluation_template", "evaluation_model")


class GenerationTask(NamedTuple):
    """A row of ``generation_tasks.csv``; ``model_name`` is '' where the column is missing."""

    task_id: str
    combo_id: str
    template: str
    model: str
    model_name: str


class EvaluationTask(NamedTuple):
    """A row of ``evaluation_tasks.csv``."""

    task_id: str
    generation_task_id: str
    template: str
    model: str
    model_name: str


@dataclass(frozen=True)
class LegacyTasks:
    """Both tables by ID.

    Attributes:
        contradictory: IDs that two rows explain differently; they are in neither table.
    """

    generations: Mapping[str, GenerationTask]
    evaluations: Mapping[str, EvaluationTask]
    contradictory: frozenset[str]


def read_legacy_tasks(layout: LegacyLayout, problems: list[Unplaced]) -> LegacyTasks:
    """The task tables, as far as they are there: the original rewrote them with each plan."""
    generations: dict[str, GenerationTask] = {}
    evaluations: dict[str, EvaluationTask] = {}
    contradictory: set[str] = set()
    for cells in _cells(layout, "generation", _GENERATION_COLUMNS, problems):
        task = GenerationTask(*cells)
        if generations.setdefault(task.task_id, task) != task:
            contradictory.add(task.task_id)
    for cells in _cells(layout, "evaluation", _EVALUATION_COLUMNS, problems):
        judged = EvaluationTask(*cells)
        if evaluations.setdefault(judged.task_id, judged) != judged:
            contradictory.add(judged.task_id)
    for task_id in contradictory:
        generations.pop(task_id, None)
        evaluations.pop(task_id, None)
    return LegacyTasks(generations, evaluations, frozenset(contradictory))


def _cells(
    layout: LegacyLayout, stage: str, columns: Sequence[str], problems: list[Unplaced]
) -> list[list[str]]:
    """The cells of each row that has them all, and the model's name."""
    rows = [
        row
        for folder in layout.tasks
        for row in read_legacy_rows(layout, folder / f"{stage}_tasks.csv", columns, problems)
    ]
    cells = [[*(row[name] for name in columns), row.get(f"{stage}_model_name", "")] for row in rows]
    return [row for row in cells if all(row[: len(columns)])]
