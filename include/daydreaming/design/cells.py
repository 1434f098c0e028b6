"""Cells of the factorial design: one per planned LLM call.

Plans hold hundreds of thousands of cells, so a cell is a NamedTuple in the column order of its
table, and uniqueness is decided on the factors' levels, not on the cells: all combination IDs
have the same length, so two IDs are equal only where what follows the combination is.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from daydreaming.design.combinations import Combination
from daydreaming.design.ids import MAX_ID_CHARS, check_id, replicate_suffix
from daydreaming.errors import DesignError
from daydreaming.inputs.records import LLMModel


class Generation(NamedTuple):
    """One essay to be written: combination × template × model × replicate.

    Attributes:
        generation_model: The model's ID in ``llm_models.csv``.
        generation_model_name: The name that the provider knows.
        replicate: From 1.
    """

    generation_task_id: str
    combo_id: str
    generation_template: str
    generation_model: str
    generation_model_name: str
    replicate: int


class Evaluation(NamedTuple):
    """One verdict on one generation: generation × template × model × replicate.

    Attributes:
        replicate: Of the evaluation, from 1; the generation's is in its own row.
    """

    evaluation_task_id: str
    generation_task_id: str
    evaluation_template: str
    evaluation_model: str
    evaluation_model_name: str
    replicate: int


class PlanSize(NamedTuple):
    """How many cells a plan has, known before it is made."""

    combinations: int
    generations: int
    evaluations: int


class _Ending(NamedTuple):
    """What one combination of factor levels appends to an ID, and its columns."""

    text: str
    template: str
    model: str
    model_name: str
    replicate: int


def plan_size(
    concepts: int,
    k_max: int,
    *,
    generation_levels: Sequence[int],
    evaluation_levels: Sequence[int],
) -> PlanSize:
    """Count without planning.

    Args:
        concepts: Number of selected concepts.
        k_max: Concepts per combination.
        generation_levels: Numbers of templates, models and replicates.
        evaluation_levels: The same for evaluations.
    """
    combinations = math.comb(concepts, k_max)
    generations = combinations * math.prod(generation_levels)
    return PlanSize(combinations, generations, generations * math.prod(evaluation_levels))


def plan_generations(
    combinations: Sequence[Combination], templates: Sequence[str], models: Sequence[LLMModel], replicates: int
) -> list[Generation]:
    """One generation per combination, template, model and replicate.

    Models change fastest, so that the pools of all models are busy from the start.

    Raises:
        DesignError: Two different cells would share an ID, or an ID is too long.
    """
    endings = _endings("generation", templates, models, replicates)
    ids = [c.combo_id for c in combinations]
    _check_unique("generation", ids, [e.text for e in endings])
    return [
        Generation(combo + text, combo, template, model, name, replicate)
        for combo in ids
        for text, template, model, name, replicate in endings
    ]


def plan_evaluations(
    generations: Sequence[Generation], templates: Sequence[str], models: Sequence[LLMModel], replicates: int
) -> list[Evaluation]:
    """One evaluation per generation, template, model and replicate, in the order of ``generations``.

    Raises:
        DesignError: Two different cells would share an ID, or an ID is too long.
    """
    endings = _endings("evaluation", templates, models, replicates)
    _check_given_once("generation", [g.generation_task_id for g in generations])
    combos = {g.combo_id for g in generations}
    heads = {g.generation_task_id[len(g.combo_id) :] for g in generations}
    _check_unique("evaluation", combos, [head + e.text for head in sorted(heads) for e in endings])
    return [
        Evaluation(generation_id + text, generation_id, template, model, name, replicate)
        for generation_id in [g.generation_task_id for g in generations]
        for text, template, model, name, replicate in endings
    ]


def _endings(
    stage: str, templates: Sequence[str], models: Sequence[LLMModel], replicates: int
) -> list[_Ending]:
    for template in templates:
        check_id(f"{stage} template", template)
    for model in models:
        check_id(f"{stage} model", model.id)
    _check_given_once(f"{stage} template", templates)
    _check_given_once(f"{stage} model", [m.id for m in models])
    if replicates < 1:
        raise DesignError(f"{stage}_replicates must be at least 1; got {replicates}.")
    return [
        _Ending(f"_{template}_{m.id}{replicate_suffix(replicate)}", template, m.id, m.model, replicate)
        for template in templates
        for replicate in range(1, replicates + 1)
        for m in models
    ]


def _check_unique(stage: str, combo_ids: Iterable[str], endings: Sequence[str]) -> None:
    """All of ``combo_ids`` × ``endings`` are different IDs and none is too long."""
    combos = list(combo_ids)
    if not combos or not endings:
        return
    _check_given_once("combination", combos)
    _check_ids_differ(stage, endings)
    longest = max(map(len, combos)) + max(map(len, endings))
    if longest > MAX_ID_CHARS:
        example = max(combos, key=len) + max(endings, key=len)
        raise DesignError(
            f"an ID may have at most {MAX_ID_CHARS} characters; got {longest}: {example}. "
            "Shorten the IDs of its templates or models."
        )
    if min(map(len, combos)) != max(map(len, combos)):
        _check_ids_differ(stage, [combo + ending for combo in combos for ending in endings])


def _check_given_once(what: str, ids: Sequence[str]) -> None:
    twice = _first_duplicate(ids)
    if twice is not None:
        raise DesignError(f"each {what} must be given once; got {twice!r} more than once.")


def _check_ids_differ(stage: str, endings: Sequence[str]) -> None:
    twice = _first_duplicate(endings)
    if twice is not None:
        raise DesignError(
            f"two {stage} cells would have the same ID, …{twice}. Rename a template or a model so that "
            "their IDs do not run into each other."
        )


def _first_duplicate(values: Sequence[str]) -> str | None:
    if len(set(values)) == len(values):
        return None
    return next(value for value, count in Counter(values).items() if count > 1)
