"""Which calls a plan would make, and how large their prompts are; nothing is written or sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from daydreaming.design.cells import Evaluation, Generation
from daydreaming.design.combinations import Combination
from daydreaming.inputs.records import LLMModel, Stage
from daydreaming.inputs.snapshot import Inputs
from daydreaming.pipeline.plan import design_evaluations, design_generations
from daydreaming.pipeline.stale_cells import find_stale
from daydreaming.prompts.sizes import evaluation_prompt_size, generation_prompt_bytes
from daydreaming.settings import Settings
from daydreaming.store.files import DataRoot, file_sizes

#: What prose of any script stays below: English has 4 to 5, and scripts of three bytes a character up
#: to about 10 in large vocabularies. Only long runs of blanks or dashes have more.
MOST_BYTES_PER_TOKEN = 12
#: English prose has about four.
USUAL_BYTES_PER_TOKEN = 4


class PromptSize(NamedTuple):
    """Bytes of a prompt: the most that it may have, and what is expected."""

    most: int
    expected: int


@dataclass(frozen=True)
class ModelCalls:
    """Planned calls of one stage and model.

    Attributes:
        answered: Those that have an answer, which is reused, or stale.
        stale: Of these, those that answer another request, and are not asked for again.
        sizes: Of the prompts of the others: how many calls have which.
    """

    stage: Stage
    model: LLMModel
    planned: int
    answered: int
    sizes: Mapping[PromptSize, int] = field(default_factory=dict)
    stale: int = 0

    @property
    def new(self) -> int:
        """Calls that would be made."""
        return self.planned - self.answered


@dataclass(frozen=True)
class PlannedCalls:
    """A plan, counted.

    Attributes:
        models: Generators in the order of the plan, then judges.
        stale: Stored answers to other requests than this plan's; those to be asked for again among them.
    """

    combinations: int
    generations: int
    evaluations: int
    models: tuple[ModelCalls, ...]
    stale: int = 0


def count_calls(
    settings: Settings,
    inputs: Inputs,
    essay_tokens: Mapping[str, int],
    judged: Sequence[Generation] | None = None,
) -> PlannedCalls:
    """Plan some inputs and compare with the stored responses.

    Args:
        settings: The deployment's settings.
        inputs: What would be run.
        essay_tokens: Tokens that a generator's answer is expected to have, by the model's ID.
        judged: Where nothing is generated: the generations whose stored essays are judged.

    Raises:
        DesignError: Two cells would share an ID, or there are too many.
    """
    files = DataRoot(settings.data_root)
    answered = {stage: files.answered_ids(stage) for stage in ("generation", "evaluation")}
    if judged is not None:
        return _count_verdicts(settings, inputs, judged, answered)
    combinations, generations = design_generations(inputs)
    evaluations = design_evaluations(inputs, generations)
    stale = find_stale(settings, inputs, combinations, generations, evaluations, answered)
    answered = {stage: ids - stale.replaced for stage, ids in answered.items()}
    kept = stale.ids - stale.replaced
    essays = _essay_sizes(files, inputs, generations, answered["generation"], essay_tokens)
    return PlannedCalls(
        len(combinations),
        len(generations),
        len(evaluations),
        (
            *_generation_calls(inputs, combinations, generations, answered["generation"], kept),
            *_evaluation_calls(inputs, evaluations, answered["evaluation"], essays, kept),
        ),
        len(stale.ids),
    )


def _count_verdicts(
    settings: Settings, inputs: Inputs, judged: Sequence[Generation], answered: Mapping[str, set[str]]
) -> PlannedCalls:
    """The same where nothing is generated."""
    files = DataRoot(settings.data_root)
    # A verdict on what was deleted since is planned, and fails without a call.
    there = [essay for essay in judged if essay.generation_task_id in answered["generation"]]
    evaluations = design_evaluations(inputs, there)
    stale = find_stale(settings, inputs, (), there, evaluations, answered)
    known, kept = answered["evaluation"] - stale.replaced, stale.ids - stale.replaced
    essays = _essays_as_stored(files, [essay.generation_task_id for essay in there])
    return PlannedCalls(
        len({essay.combo_id for essay in there}),
        0,
        len(evaluations),
        tuple(_evaluation_calls(inputs, evaluations, known, essays, kept)),
        len(stale.ids),
    )


def _generation_calls(
    inputs: Inputs,
    combinations: Sequence[Combination],
    generations: Sequence[Generation],
    answered: set[str],
    stale: Collection[str],
) -> list[ModelCalls]:
    level = inputs.params["description_level"]
    texts = {c.concept_id: {"name": c.name, "content": c.content(level)} for c in inputs.concepts}
    chosen = [combination.concept_ids for combination in combinations]
    sizes: dict[tuple[str, str], PromptSize] = {}
    for template in inputs.generation_templates:
        found = generation_prompt_bytes(template.text, texts, chosen)
        for combination, size in zip(combinations, found, strict=True):
            sizes[template.template_id, combination.combo_id] = PromptSize(size, size)
    planned = Counter(cell.generation_model for cell in generations)
    old = Counter(cell.generation_model for cell in generations if cell.generation_task_id in stale)
    new: dict[str, Counter[PromptSize]] = {model: Counter() for model in planned}
    for cell in generations:
        if cell.generation_task_id not in answered:
            new[cell.generation_model][sizes[cell.generation_template, cell.combo_id]] += 1
    return [
        _calls("generation", inputs.generation_model(model), planned[model], new[model], old[model])
        for model in new
    ]


def _evaluation_calls(
    inputs: Inputs,
    evaluations: Sequence[Evaluation],
    answered: set[str],
    essays: Mapping[str, PromptSize],
    stale: Collection[str],
) -> list[ModelCalls]:
    prompts = {t.template_id: evaluation_prompt_size(t.text) for t in inputs.evaluation_templates}
    planned = Counter(cell.evaluation_model for cell in evaluations)
    old = Counter(cell.evaluation_model for cell in evaluations if cell.evaluation_task_id in stale)
    new: dict[str, Counter[tuple[str, PromptSize]]] = {model: Counter() for model in planned}
    for cell in evaluations:
        if cell.evaluation_task_id not in answered:
            new[cell.evaluation_model][cell.evaluation_template, essays[cell.generation_task_id]] += 1
    found = []
    for model, counts in new.items():
        sizes: Counter[PromptSize] = Counter()
        for (template, essay), count in counts.items():
            prompt = prompts[template]
            size = PromptSize(prompt.bytes_with(essay.most), prompt.bytes_with(essay.expected))
            sizes[size] += count
        found.append(_calls("evaluation", inputs.evaluation_model(model), planned[model], sizes, old[model]))
    return found


def _calls(stage: Stage, model: LLMModel, planned: int, sizes: Counter[PromptSize], stale: int) -> ModelCalls:
    return ModelCalls(stage, model, planned, planned - sizes.total(), sizes, stale)


def _essay_sizes(
    files: DataRoot,
    inputs: Inputs,
    generations: Iterable[Generation],
    answered: set[str],
    essay_tokens: Mapping[str, int],
) -> dict[str, PromptSize]:
    """Size of each generation's essay by its ID; an essay is a part of its answer."""
    most = inputs.params["generation_max_tokens"] * MOST_BYTES_PER_TOKEN
    to_come = {
        model.id: PromptSize(most, essay_tokens[model.id] * USUAL_BYTES_PER_TOKEN)
        for model in inputs.generation_models
    }
    models = {cell.generation_task_id: cell.generation_model for cell in generations}
    stored = _stored_sizes(files, models.keys() & answered)
    return {cell_id: stored.get(cell_id) or to_come[model] for cell_id, model in models.items()}


def _essays_as_stored(files: DataRoot, ids: Collection[str]) -> dict[str, PromptSize]:
    """Sizes of essays that are sent as they are stored; without a file of its own, an answer's."""
    return _stored_sizes(files, ids) | _sizes(files.essay("x").parent, ids)


def _stored_sizes(files: DataRoot, ids: Collection[str]) -> dict[str, PromptSize]:
    return _sizes(files.response("generation", "x").parent, ids)


def _sizes(folder: Path, ids: Collection[str]) -> dict[str, PromptSize]:
    found = file_sizes(folder, [f"{cell_id}.txt" for cell_id in ids])
    return {name.removesuffix(".txt"): PromptSize(size, size) for name, size in found.items()}
