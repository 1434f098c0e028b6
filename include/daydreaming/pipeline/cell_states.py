"""Where single cells of an experiment stand: answered, or why not."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from daydreaming.inputs.records import Stage
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.open_cells import OpenCell, OpenFilter, Scope, moment_of, read_open
from daydreaming.store.own_readings import read_as
from daydreaming.store.results import read_responses

State = Literal["answered", "refused", "failed", "running", "waiting", "blocked", "held"]


@dataclass(frozen=True)
class CellState:
    """Where one cell stands.

    Attributes:
        state: ``refused``: an answer is stored, and the experiment must not count it; the others are those
            of ``OpenCell``.
        row: Of the answer, in ``generations`` or ``evaluations``, as the experiment reads it; None where
            there is none.
        failure: The cell with its last failure, where there is no answer that counts; None where none was
            recorded.
    """

    state: State
    row: Mapping[str, Any] | None
    failure: OpenCell | None

    @property
    def is_answered(self) -> bool:
        """Whether the experiment has this answer."""
        return self.state == "answered"


def cell_states(
    settings: Settings, experiment_id: str, stage: Stage, cell_ids: Collection[str], now: datetime
) -> dict[str, CellState]:
    """States of cells that the experiment planned, by ID."""
    engine, wanted = engine_for(settings), OpenFilter(stage=stage)
    # The answers first: one that comes in between is not taken for one that was refused.
    rows: dict[str, dict[str, Any]] = {
        row[f"{stage}_task_id"]: row for row in read_responses(engine, stage, cell_ids)
    }
    if stage == "evaluation":
        rows = read_as(engine, experiment_id, rows.values())
    scope, moment = Scope(experiment_id, cell_ids=cell_ids), moment_of(settings, now)
    found = read_open(engine, scope, moment, wanted, limit=len(cell_ids))
    open_cells = {cell.cell_id: cell for cell in found}
    return {cell_id: _state(rows.get(cell_id), open_cells.get(cell_id)) for cell_id in cell_ids}


def _state(row: Mapping[str, Any] | None, cell: OpenCell | None) -> CellState:
    if cell is None:
        return CellState("answered" if row else "waiting", row, None)
    state: State = "refused" if row and cell.state != "running" else cell.state
    return CellState(state, row, cell if cell.error_class else None)
