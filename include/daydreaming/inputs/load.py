"""Read and check everything that an experiment uses, once, before anything is planned."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from daydreaming.design.ids import COMBO_ID_CHARS, MAX_ID_CHARS, evaluation_task_id, generation_task_id
from daydreaming.errors import InputError
from daydreaming.inputs.concepts import load_concepts
from daydreaming.inputs.llm_models import read_models, select_models
from daydreaming.inputs.params import ExperimentParams
from daydreaming.inputs.records import Concept
from daydreaming.inputs.snapshot import Inputs
from daydreaming.inputs.templates import LoadedTemplates, load_templates
from daydreaming.prompts.trial import trial_render

_SAMPLE_ESSAY = "A mind at rest recombines what it knows.\n\nMost pairs are dull; a few are worth keeping."
#: Concepts that a trial renders at most: a prompt with more is no experiment.
_MAX_SAMPLE = 50


def load_inputs(inputs_root: Path, params: ExperimentParams, pools: Collection[str] | None = None) -> Inputs:
    """Everything that a run reads, checked; without what only generations need where none are made.

    Args:
        inputs_root: Folder that holds ``01_raw/``.
        params: Resolved parameters.
        pools: Pools that models may name; None to accept any.

    Raises:
        InputError: Holds every problem of the files and the selection, one line each.
    """
    problems: list[str] = []
    concepts: list[Concept] = []
    generation = LoadedTemplates()
    if not params.rejudge:
        concepts = load_concepts(inputs_root, params.concepts, params.k_max, problems)
        sample = {"concepts": _sample(concepts, params)}
        generation = load_templates(inputs_root, "generation", params.generation_templates, sample, problems)
    essay = {"response": _SAMPLE_ESSAY}
    evaluation = load_templates(inputs_root, "evaluation", params.evaluation_templates, essay, problems)
    models = read_models(inputs_root, pools, problems)
    generators = (
        () if params.rejudge else select_models(models, "generation", params.generation_models, problems)
    )
    inputs = Inputs(
        params=params.model_dump(mode="json"),
        concepts=tuple(concepts),
        generation_templates=tuple(generation.selected),
        evaluation_templates=tuple(evaluation.selected),
        generation_models=tuple(generators),
        evaluation_models=tuple(select_models(models, "evaluation", params.evaluation_models, problems)),
    )
    problems += trial_render([*generation.trials, *evaluation.trials])
    problems += _too_long_ids(inputs, params)
    if problems:
        raise InputError(problems)
    return inputs


def _sample(concepts: Sequence[Concept], params: ExperimentParams) -> list[dict[str, str]]:
    """As many concepts as a combination has, so that a template that counts on them is tried fairly."""
    texts = [{"name": c.name, "content": c.content(params.description_level)} for c in concepts]
    texts = texts or [{"name": "Concept", "content": "Its description."}]
    return [texts[i % len(texts)] for i in range(min(params.k_max, _MAX_SAMPLE))]


def _too_long_ids(inputs: Inputs, params: ExperimentParams) -> list[str]:
    parts = (
        [t.template_id for t in inputs.generation_templates],
        [m.id for m in inputs.generation_models],
        [t.template_id for t in inputs.evaluation_templates],
        [m.id for m in inputs.evaluation_models],
    )
    generation_template, generation_model, evaluation_template, evaluation_model = (
        max(ids, key=len, default="") for ids in parts
    )
    combo = "c" * COMBO_ID_CHARS
    generation = generation_task_id(
        combo, generation_template, generation_model, params.generation_replicates
    )
    longest = evaluation_task_id(
        generation, evaluation_template, evaluation_model, params.evaluation_replicates
    )
    if len(longest) <= MAX_ID_CHARS:
        return []
    names = f"{generation_template}, {generation_model}, {evaluation_template} and {evaluation_model}"
    problem = f"the ID of an evaluation may have {MAX_ID_CHARS} characters; got {len(longest)} from {names}."
    return [f"{problem} Shorten the IDs of these templates and models."]
