"""Whether a run has what it planned, and what to do where it has not."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from daydreaming.inputs.records import Stage
from daydreaming.pipeline.outdated import outdated_ids
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.files import DataRoot
from daydreaming.store.plans import PlannedCell, cells_of_run, read_run, runs_of_plan
from daydreaming.store.results import read_responses


@dataclass(frozen=True)
class StageCount:
    """Cells of one stage of a run.

    Attributes:
        blocked: Evaluations that cannot be made, for no essay was found in their generation's
            answer; neither answered nor failed.
    """

    planned: int
    answered: int
    blocked: int = 0

    @property
    def failed(self) -> int:
        """Calls that have no answer."""
        return self.planned - self.answered - self.blocked


@dataclass(frozen=True)
class Completeness:
    """How complete a run is, by stage."""

    generation: StageCount
    evaluation: StageCount

    @property
    def planned(self) -> int:
        """Calls planned in both stages."""
        return self.generation.planned + self.evaluation.planned

    @property
    def failed(self) -> int:
        """Calls without an answer in both stages."""
        return self.generation.failed + self.evaluation.failed

    @property
    def failed_fraction(self) -> float:
        """Failed calls per planned call; 0 where nothing was planned."""
        return self.failed / self.planned if self.planned else 0.0


def count_run(settings: Settings, run_id: str) -> Completeness:
    """Count a run's cells, and those of the shards that it planned, against the stored responses.

    One that answers another request is none.
    """
    engine = engine_for(settings)
    generations = _planned(settings, run_id, "generation")
    evaluations = _planned(settings, run_id, "evaluation")
    ids = [cell.cell_id for cell in generations]
    no_essay = {
        row["generation_task_id"] for row in read_responses(engine, "generation", ids) if row["essay_error"]
    }
    return count_cells(
        generations,
        evaluations,
        _usable_ids(settings, run_id, "generation", generations),
        _usable_ids(settings, run_id, "evaluation", evaluations),
        no_essay,
    )


def _planned(settings: Settings, run_id: str, stage: Stage) -> list[PlannedCell]:
    engine = engine_for(settings)
    return [cell for run in runs_of_plan(engine, run_id) for cell in cells_of_run(engine, run.run_id, stage)]


def _usable_ids(settings: Settings, run_id: str, stage: Stage, cells: Sequence[PlannedCell]) -> set[str]:
    if not cells:  # Progress is shown from before the run is known to the database.
        return set()
    experiment_id = read_run(engine_for(settings), run_id).experiment_id
    planned = {cell.cell_id: (run_id, cell) for cell in cells}
    answered = DataRoot(settings.data_root).answered_ids(stage)
    return answered - outdated_ids(settings, experiment_id, stage, planned)


def count_cells(
    generations: Sequence[PlannedCell],
    evaluations: Sequence[PlannedCell],
    answered_generations: Collection[str],
    answered_evaluations: Collection[str],
    no_essay: Collection[str],
) -> Completeness:
    """Count planned cells. PURE.

    Args:
        generations: Planned.
        evaluations: Planned.
        answered_generations: IDs that have a response of use.
        answered_evaluations: IDs that have a response of use.
        no_essay: IDs of generations in whose response no essay was found.
    """
    open_evaluations = [cell for cell in evaluations if cell.cell_id not in answered_evaluations]
    return Completeness(
        generation=StageCount(
            planned=len(generations),
            answered=sum(cell.cell_id in answered_generations for cell in generations),
        ),
        evaluation=StageCount(
            planned=len(evaluations),
            answered=len(evaluations) - len(open_evaluations),
            blocked=sum(cell.generation_task_id in no_essay for cell in open_evaluations),
        ),
    )


def describe(completeness: Completeness) -> str:
    """The counts in one line."""
    generation, evaluation = completeness.generation, completeness.evaluation
    line = f"evaluations: {evaluation.answered} of {evaluation.planned} answered"
    if generation.planned or not evaluation.planned:
        line = f"generations: {generation.answered} of {generation.planned} answered; {line}"
    if evaluation.blocked:
        line += f", {evaluation.blocked} not possible (no essay found in the generator's answer)"
    return line


def incomplete_message(completeness: Completeness, max_failed_fraction: float) -> str:
    """Why a run fails, and what to do."""
    return (
        f"{completeness.failed} of {completeness.planned} calls have no answer "
        f"(generation {completeness.generation.failed} of {completeness.generation.planned}, "
        f"evaluation {completeness.evaluation.failed} of {completeness.evaluation.planned}): "
        f"{completeness.failed_fraction:.1%}, allowed are {max_failed_fraction:.1%} (max_failed_fraction). "
        "Open a failed instance to read why; clear this run with 'only failed' to call what is missing again."
    )
