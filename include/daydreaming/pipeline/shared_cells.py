"""Cells that several experiments planned: whose template reads the row of their answer.

``generations`` and ``evaluations`` hold one row per response. It is read as the newest run says that
planned the cell, of whichever experiment: so it does not depend on which experiment's tables were
written last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from daydreaming.errors import StoreError
from daydreaming.inputs.records import Stage
from daydreaming.pipeline.call import CellCall, open_calls
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.input_copy import SNAPSHOT_FILE
from daydreaming.store.plans import (
    PlannedCell,
    RunRecord,
    SharedCell,
    cells_shared_with_others,
    read_runs,
)


@dataclass(frozen=True)
class SharedCells:
    """Cells of one experiment and stage that other experiments planned too.

    Attributes:
        sharers: By cell ID, those experiments and the last of their runs that planned it.
        owners: By cell ID, the call of the newest run that planned it, where that is of another experiment.
    """

    sharers: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    owners: Mapping[str, CellCall] = field(default_factory=dict)

    @property
    def experiments(self) -> set[str]:
        """IDs of all experiments that share a cell."""
        return {name for names in self.sharers.values() for name in names}

    def others(self, cell_id: str) -> Sequence[str]:
        """Experiments that share this cell."""
        return sorted(self.sharers.get(cell_id, ()))

    def last_runs(self, cell_id: str) -> Mapping[str, str]:
        """The last run of each of them that planned it."""
        return self.sharers.get(cell_id, {})


def find_shared_cells(
    settings: Settings, experiment_id: str, stage: Stage, planned: Mapping[str, tuple[str, PlannedCell]]
) -> SharedCells:
    """Look for cells of an experiment in the plans of others.

    Args:
        settings: The deployment's settings.
        experiment_id: Whose cells they are.
        stage: Theirs.
        planned: The run that planned it last, and the cell, by cell ID.

    Raises:
        StoreError: Two plans of a cell name different combinations.
    """
    engine = engine_for(settings)
    found_elsewhere = cells_shared_with_others(engine, experiment_id, stage)
    if not found_elsewhere:
        return SharedCells()
    runs = read_runs(engine)
    began = {run.run_id: (created_at, run.run_id) for run, created_at, _ in runs}
    # A person may have deleted an experiment's folder: its runs have no say any more.
    gone = {run.experiment_id for run, _, _ in runs if not _has_inputs(settings, run)}
    shared = {
        cell_id: kept
        for cell_id, found in found_elsewhere.items()
        if (kept := [item for item in found if item[1].experiment_id not in gone])
    }
    newest: dict[str, dict[str, tuple[str, PlannedCell]]] = {}
    for cell_id, found in shared.items():
        created_at, last = found[-1]
        if (created_at, last.run_id) > began[planned[cell_id][0]]:
            _check_combination(last, planned[cell_id][1])
            newest.setdefault(last.experiment_id, {})[cell_id] = (last.run_id, last.cell)
    owners = {
        cell_id: call
        for other, cells in newest.items()
        for cell_id, call in open_calls(settings, other, cells).items()
    }
    return SharedCells({cell_id: _last_runs(found) for cell_id, found in shared.items()}, owners)


def _check_combination(shared: SharedCell, own: PlannedCell) -> None:
    if shared.cell.combo_id != own.combo_id:
        raise StoreError(
            f"run {shared.run_id} of experiment {shared.experiment_id} planned {own.cell_id} with the "
            f"combination {shared.cell.combo_id}; must be {own.combo_id}. `daydreaming rebuild` takes the "
            "plan from its file again."
        )


def _has_inputs(settings: Settings, run: RunRecord) -> bool:
    return (settings.data_root / run.inputs_path / SNAPSHOT_FILE).exists()


def _last_runs(found: Sequence[tuple[object, SharedCell]]) -> dict[str, str]:
    # They come oldest first.
    return {cell.experiment_id: cell.run_id for _, cell in found}
