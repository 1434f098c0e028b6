"""Where experiments stand by their files: answered, failed and waiting calls, by stage and model.

What is answered is counted in the data root, on purpose: ``store.open_cells`` knows of answers from their
rows, and rows may lag behind files that people bring or delete. So a failure is taken as final as it was
recorded, without asking whether Airflow tries again.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from daydreaming.inputs.records import Stage
from daydreaming.pipeline.experiments import choose_experiments
from daydreaming.pipeline.outdated import outdated_ids
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.files import DataRoot
from daydreaming.store.plans import cells_of_experiment
from daydreaming.store.results import finally_failed

_STAGES: tuple[Stage, ...] = ("generation", "evaluation")


@dataclass(frozen=True)
class StageStatus:
    """Calls of one experiment, stage and model.

    Attributes:
        failed: Without an answer, and the run that planned it last has given up.
        waiting: Without an answer, and not failed: not tried yet, or being tried.
    """

    experiment_id: str
    stage: str
    model: str
    planned: int
    answered: int
    failed: int

    @property
    def waiting(self) -> int:
        """Neither answered nor failed."""
        return self.planned - self.answered - self.failed


def experiment_status(settings: Settings, experiment_id: str | None = None) -> list[StageStatus]:
    """Status of one experiment, or of all.

    Raises:
        InputError: No experiment of this ID has been planned.
    """
    chosen = choose_experiments(settings, experiment_id)
    return [row for name in chosen for stage in _STAGES for row in _stage_status(settings, name, stage)]


def _stage_status(settings: Settings, experiment_id: str, stage: Stage) -> list[StageStatus]:
    engine = engine_for(settings)
    cells = cells_of_experiment(engine, experiment_id, stage)
    answered = DataRoot(settings.data_root).answered_ids(stage)
    answered -= outdated_ids(settings, experiment_id, stage, cells)
    gave_up = finally_failed(engine, experiment_id, stage)
    counts: dict[str, Counter[str]] = {}
    for cell_id, (run_id, cell) in cells.items():
        count = counts.setdefault(cell.model_id, Counter())
        count["planned"] += 1
        if cell_id in answered:
            count["answered"] += 1
        elif (run_id, cell_id) in gave_up:
            count["failed"] += 1
    return [
        StageStatus(experiment_id, stage, model, count["planned"], count["answered"], count["failed"])
        for model, count in sorted(counts.items())
    ]
