"""The inputs of an import, frozen as those of a run are, so that its cells are like any others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from daydreaming.design.combinations import Combination
from daydreaming.inputs.legacy import LegacyFolder
from daydreaming.inputs.legacy_templates import LegacyTemplate
from daydreaming.inputs.records import DESCRIPTION_LEVELS, LLMModel, Stage, Template
from daydreaming.inputs.snapshot import Inputs
from daydreaming.pipeline.import_parsers import TemplateParser
from daydreaming.store.plans import PlannedCell


def freeze_inputs(
    folder: LegacyFolder,
    experiment_id: str,
    cells: Mapping[Stage, Sequence[PlannedCell]],
    parsers: Sequence[TemplateParser],
    combinations: Sequence[Combination],
) -> Inputs:
    """Inputs in which every cell finds its template and model. The same folder makes the same.

    No call will be made of them: temperatures and such are the defaults and say nothing of the original.
    """
    used = {concept for combination in combinations for concept in combination.concept_ids}
    return Inputs(
        params=_params(experiment_id, combinations),
        concepts=tuple(concept for i, concept in sorted(folder.concepts.items()) if i in used),
        generation_templates=_templates(folder, "generation", parsers),
        evaluation_templates=_templates(folder, "evaluation", parsers),
        generation_models=_models(folder, "generation", cells["generation"]),
        evaluation_models=_models(folder, "evaluation", cells["evaluation"]),
    )


def _params(experiment_id: str, combinations: Sequence[Combination]) -> dict[str, Any]:
    from daydreaming.inputs.params import ExperimentParams

    sizes = Counter((c.k_max, c.description_level) for c in combinations if c.k_max)
    given: dict[str, Any] = {"experiment_id": experiment_id, "on_stale": "reuse"}
    if sizes:
        (given["k_max"], level), _ = max(sizes.items(), key=lambda item: (item[1], item[0]))
        given |= {"description_level": level} if level in DESCRIPTION_LEVELS else {}
    return ExperimentParams(**given).model_dump(mode="json")


def _templates(folder: LegacyFolder, stage: Stage, parsers: Sequence[TemplateParser]) -> tuple[Template, ...]:
    templates = []
    for chosen in parsers:
        if chosen.stage == stage:
            known = folder.templates[stage].get(chosen.template_id, LegacyTemplate(chosen.template_id))
            low, high = chosen.scale or (None, None)
            templates.append(
                Template(
                    template_id=chosen.template_id,
                    template_name=known.template_name,
                    description=known.description,
                    parser=chosen.parser,
                    text=known.text,
                    score_min=low,
                    score_max=high,
                )
            )
    return tuple(templates)


def _models(folder: LegacyFolder, stage: Stage, cells: Sequence[PlannedCell]) -> tuple[LLMModel, ...]:
    names: dict[str, str] = {}
    for cell in cells:
        names[cell.model_id] = names.get(cell.model_id) or cell.model_name
    known = {model.name: model for model in reversed(folder.models) if model.name}
    return tuple(
        LLMModel(
            id=model_id,
            model=name,
            provider=known[name].provider if name in known else "",
            display_name=known[name].display_name if name in known else "",
            for_generation=stage == "generation",
            for_evaluation=stage == "evaluation",
            specialization="",
            conn_id="",
            pool="",
        )
        for model_id, name in sorted(names.items())
    )
