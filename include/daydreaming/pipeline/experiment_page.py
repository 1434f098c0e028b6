"""What the page of one experiment says of it beside its scores: what was asked, by whom, with what design."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from daydreaming.errors import StoreError
from daydreaming.inputs.records import Stage
from daydreaming.pipeline.concept_names import names_by_concept
from daydreaming.pipeline.experiments import has_results
from daydreaming.pipeline.frozen import inputs_of_experiment
from daydreaming.pipeline.question import read_question
from daydreaming.report.design import design_sentence
from daydreaming.report.source import Design, Level
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.design_queries import Crossing
from daydreaming.store.experiments import read_experiments
from daydreaming.store.plans import combinations_of_experiment, read_run, runs_of_experiment


@dataclass(frozen=True)
class ExperimentHead:
    """Facts of an experiment.

    Attributes:
        question: What it is about, in somebody's words; '' where nobody wrote it down.
        sentence: Its design in words.
        created_by: Airflow user; None for a schedule.
        updated_at: Start of its latest run.
        code_version: Of the package that planned that run.
        last_run_id: The latest run that was triggered, not planned by another; None where there is none.
        runs: How many were triggered.
    """

    question: str
    sentence: str
    design: Design
    created_at: datetime
    created_by: str | None
    updated_at: datetime
    code_version: str
    last_run_id: str | None
    runs: int


def read_head(settings: Settings, experiment_id: str, crossings: Sequence[Crossing]) -> ExperimentHead:
    """Facts of an experiment that was started; ``crossings`` are its whole plan."""
    engine = engine_for(settings)
    (row,) = (r for r in read_experiments(engine) if r["experiment_id"] == experiment_id)
    runs = [run for run in runs_of_experiment(engine, experiment_id) if not run.is_shard_of_another]
    design = planned_design(settings, experiment_id, crossings)
    return ExperimentHead(
        read_question(settings, experiment_id),
        design_sentence(design) if crossings else "",
        design,
        row["created_at"],
        row["created_by"],
        row["updated_at"],
        row["code_version"],
        runs[-1].run_id if runs else None,
        len(runs),
    )


def experiment_of_run(settings: Settings, run_id: str) -> str | None:
    """The experiment of a run, also of one that another run planned as its shard; None for an unknown run."""
    if not has_results(settings):
        return None
    try:
        return read_run(engine_for(settings), run_id).experiment_id
    except StoreError:
        return None


def planned_design(settings: Settings, experiment_id: str, crossings: Iterable[Crossing]) -> Design:
    """What all runs of an experiment planned together.

    Concepts have their names of the latest run; what cannot be read has its ID.
    """
    listed = list(crossings)
    combinations = combinations_of_experiment(engine_for(settings), experiment_id)
    inputs = inputs_of_experiment(settings, experiment_id)
    names = names_by_concept(inputs)
    used = sorted({concept for c in combinations for concept in c.concept_ids})
    return Design(
        concepts=[Level(concept, names.get(concept, concept)) for concept in used],
        combinations={c.combo_id: [names.get(i, i) for i in c.concept_ids] for c in combinations},
        generation_templates=_levels(one.generation_template for one in listed),
        generation_models=_levels(one.generation_model for one in listed),
        evaluation_templates=_levels(one.evaluation_template for one in listed),
        evaluation_models=_levels(one.evaluation_model for one in listed),
        k_max=sorted({c.k_max for c in combinations}),
        # An imported combination may have none that is known.
        description_levels=sorted({c.description_level for c in combinations} - {""}),
        essays=_cells(listed, "generation"),
        evaluations=_cells(listed, "evaluation"),
        generation_replicates=max((one.generation_replicate for one in listed), default=1),
        evaluation_replicates=max((one.evaluation_replicate or 1 for one in listed), default=1),
    )


def _levels(ids: Iterable[str | None]) -> list[Level]:
    return [Level(name, name) for name in sorted({name for name in ids if name is not None})]


def _cells(crossings: Iterable[Crossing], stage: Stage) -> int:
    return sum(one.cells for one in crossings if one.stage == stage)
