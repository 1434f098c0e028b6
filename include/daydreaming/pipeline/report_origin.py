"""What the report says of design and origin: levels by name, runs, versions, models as they answered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from daydreaming.inputs.records import LLMModel, Template
from daydreaming.inputs.snapshot import Inputs
from daydreaming.pipeline.frozen import frozen_inputs
from daydreaming.pipeline.report_answers import AnswerSums
from daydreaming.pipeline.report_scores import readings
from daydreaming.report.source import Design, Level, Origin, RunLine
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.input_copy import frozen_files
from daydreaming.store.plans import RunRecord, combinations_of_experiment, read_runs, runs_of_experiment
from daydreaming.store.run_files import RunFiles

if TYPE_CHECKING:
    import pandas as pd


def design_of(
    settings: Settings, experiment_id: str, scores: pd.DataFrame, answered: Mapping[str, int]
) -> Design:
    """What all runs of an experiment planned together.

    Args:
        settings: The deployment's settings.
        experiment_id: Which.
        scores: As ``parsed_scores`` returns.
        answered: Answers by run.

    Raises:
        StoreError: Frozen inputs cannot be read.
    """
    inputs = [frozen_inputs(settings.data_root, run) for run in _by_weight(settings, experiment_id, answered)]
    combinations = combinations_of_experiment(engine_for(settings), experiment_id)
    concepts = {c.concept_id: c.name for one in reversed(inputs) for c in one.concepts}
    used = sorted({concept for c in combinations for concept in c.concept_ids})
    scales = readings(scores)
    return Design(
        concepts=[Level(name, concepts.get(name, name)) for name in used],
        combinations={c.combo_id: [concepts.get(i, i) for i in c.concept_ids] for c in combinations},
        generation_templates=_templates(scores, "generation_template", inputs, {}),
        generation_models=_models(scores, "generation_model", inputs),
        evaluation_templates=_templates(scores, "evaluation_template", inputs, scales),
        evaluation_models=_models(scores, "evaluation_model", inputs),
        k_max=sorted({c.k_max for c in combinations}),
        description_levels=sorted({c.description_level for c in combinations}),
        essays=int(scores["generation_task_id"].nunique()),
        evaluations=len(scores),
        generation_replicates=int(scores["generation_replicate"].max()) if len(scores) else 1,
        evaluation_replicates=int(scores["evaluation_replicate"].max()) if len(scores) else 1,
    )


def origin_of(
    settings: Settings,
    experiment_id: str,
    answers: AnswerSums,
    hashes: Mapping[str, str],
    made_with: str,
) -> Origin:
    """Parameters, versions, runs and models of an experiment.

    Raises:
        StoreError: Frozen inputs cannot be read.
    """
    latest = _by_weight(settings, experiment_id, answers.runs)[0]
    inputs = frozen_inputs(settings.data_root, latest)
    file = RunFiles.of(settings.data_root, experiment_id).read(latest.parent_run_id or latest.run_id)
    known = {run.run_id: (run, at) for run, at, _ in read_runs(engine_for(settings))}
    return Origin(
        spec=frozen_files(inputs)["experiment.yaml"],
        saved_experiment=str(latest.params.get("experiment") or ""),
        code_version=(file.code_version if file else "") or "unknown",
        made_with=made_with,
        runs=[
            RunLine(name, *_run_line(known.get(name), count)) for name, count in sorted(answers.runs.items())
        ],
        served=answers.served,
        hashes=hashes,
    )


def _run_line(found: tuple[RunRecord, datetime] | None, answers: int) -> tuple[str, str, int, str, str]:
    if found is None:
        return "", "", answers, "", ""
    run, started_at = found
    return run.experiment_id, time_text(started_at), answers, run.inputs_digest, run.inputs_path


def _by_weight(settings: Settings, experiment_id: str, answered: Mapping[str, int]) -> list[RunRecord]:
    """Runs of an experiment: those that gave answers, the latest first, then the others, the first first.

    A run that has only been planned changes nothing in a report before its answers come.
    """
    runs = runs_of_experiment(engine_for(settings), experiment_id)
    gave = [run for run in reversed(runs) if run.run_id in answered]
    return [*gave, *(run for run in runs if run.run_id not in answered)]


def time_text(at: datetime | None) -> str:
    """A time as people read it, UTC; '' for none."""
    return at.strftime("%Y-%m-%d %H:%M:%S UTC") if at else ""


def _templates(
    scores: pd.DataFrame, factor: str, inputs: Iterable[Inputs], scales: Mapping[str, str]
) -> list[Level]:
    known: dict[str, Template] = {}
    for one in inputs:
        for template in (
            one.generation_templates if factor.startswith("generation") else one.evaluation_templates
        ):
            known.setdefault(template.template_id, template)
    return [_template_level(name, known.get(name), scales.get(name, "")) for name in _used(scores, factor)]


def _template_level(name: str, template: Template | None, scale: str) -> Level:
    if template is None:
        return Level(name, name, scale)
    told = [template.description.rstrip(". "), f"read by {scale or template.parser}"]
    return Level(name, template.template_name or name, "; ".join(filter(None, told)))


def _models(scores: pd.DataFrame, factor: str, inputs: Iterable[Inputs]) -> list[Level]:
    known: dict[str, LLMModel] = {}
    for one in inputs:
        for model in one.generation_models if factor.startswith("generation") else one.evaluation_models:
            known.setdefault(model.id, model)
    return [_model_level(name, known.get(name)) for name in _used(scores, factor)]


def _model_level(name: str, model: LLMModel | None) -> Level:
    if model is None:
        return Level(name, name)
    told = [f"{model.model} of {model.provider}", model.specialization]
    return Level(name, model.display_name or name, "; ".join(filter(None, told)))


def _used(scores: pd.DataFrame, factor: str) -> list[str]:
    return sorted({str(name) for name in scores[factor]})
