"""Where single cells of an experiment stand: answered, or why not."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from daydreaming.inputs.records import Stage
from daydreaming.settings import Settings
from daydreaming.store.cell_queries import LastFailure, cells_in_flight, last_failures, members_among
from daydreaming.store.database import engine_for
from daydreaming.store.results import read_responses

State = Literal["answered", "refused", "running", "failed", "waiting"]


@dataclass(frozen=True)
class CellState:
    """Where one cell stands.

    Attributes:
        state: ``refused``: an answer is stored, and the experiment must not count it.
        row: Of the answer, in ``generations`` or ``evaluations``; None where there is none.
        failure: The latest, where there is no answer that counts; None where none was recorded.
    """

    state: State
    row: Mapping[str, Any] | None
    failure: LastFailure | None

    @property
    def is_answered(self) -> bool:
        """Whether the experiment has this answer."""
        return self.state == "answered"


def cell_states(
    settings: Settings, experiment_id: str, stage: Stage, cell_ids: Collection[str], now: datetime
) -> dict[str, CellState]:
    """States of cells that the experiment planned, by ID."""
    engine = engine_for(settings)
    rows = {row[f"{stage}_task_id"]: row for row in read_responses(engine, stage, cell_ids)}
    counted = members_among(engine, experiment_id, stage, cell_ids)
    without = [cell_id for cell_id in cell_ids if cell_id not in rows or cell_id not in counted]
    flying = cells_in_flight(engine, stage, without, now) if without else set[str]()
    failures = last_failures(engine, experiment_id, stage, without) if without else {}
    return {
        cell_id: CellState(
            _state(cell_id, rows, counted, flying, failures), rows.get(cell_id), failures.get(cell_id)
        )
        for cell_id in cell_ids
    }


def _state(
    cell_id: str,
    rows: Collection[str],
    counted: Collection[str],
    flying: Collection[str],
    failures: Mapping[str, LastFailure],
) -> State:
    if cell_id in rows and cell_id in counted:
        return "answered"
    if cell_id in flying:
        return "running"
    if cell_id in rows:
        return "refused"
    failure = failures.get(cell_id)
    return "failed" if failure and failure.final else "waiting"
