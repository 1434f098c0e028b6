"""Planned calls of one stage and model, counted by where they stand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from daydreaming.inputs.records import Stage
from daydreaming.store.open_cells import OpenGroup, State
from daydreaming.store.progress_queries import ModelKey

_STAGES: tuple[Stage, ...] = ("generation", "evaluation")


@dataclass(frozen=True)
class ModelCounts:
    """Planned calls of one stage and model.

    Attributes:
        open: How many have no answer, by where they stand.
    """

    stage: Stage
    model: str
    planned: int
    open: Mapping[State, int]

    @property
    def answered(self) -> int:
        """With an answer that the experiment may use."""
        return self.planned - sum(self.open.values())

    @property
    def running(self) -> int:
        """Sent, and not answered yet."""
        return self.open.get("running", 0)

    @property
    def failed(self) -> int:
        """Given up."""
        return self.open.get("failed", 0)

    @property
    def waiting(self) -> int:
        """Not tried yet, or to be tried again."""
        return self.open.get("waiting", 0)

    @property
    def unanswered(self) -> int:
        """Still to be answered: sent, not tried yet, or to be tried again."""
        return self.running + self.waiting

    @property
    def blocked(self) -> int:
        """Evaluations of an answer in which no essay was found."""
        return self.open.get("blocked", 0)

    @property
    def held(self) -> int:
        """That no run may send: planned in a dry run, or refused with their estimate."""
        return self.open.get("held", 0)


def in_order(planned: Mapping[ModelKey, int]) -> list[tuple[ModelKey, int]]:
    """Planned cells by stage and model: generators, then judges, by ID."""
    return sorted(planned.items(), key=lambda item: (_STAGES.index(item[0][0]), item[0][1]))


def count_by_model(groups: Iterable[OpenGroup]) -> dict[ModelKey, dict[State, int]]:
    """Open cells by stage and model, then by state."""
    found: dict[ModelKey, dict[State, int]] = {}
    for group in groups:
        states = found.setdefault((group.stage, group.model), {})
        states[group.state] = states.get(group.state, 0) + group.cells
    return found
