"""Which calls a plan would make, and how large their prompts are; nothing is written or sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from daydreaming.design.cells import Evaluation, Generation
from daydreaming.design.combinations import Combination
from daydreaming.inputs.records import LLMModel, Stage
from daydreaming.inputs.snapshot import Inputs
from daydreaming.pipeline.plan import design_evaluations, design_generations
from daydreaming.pipeline.stale_cells import cells_to_replace
from daydreaming.prompts.sizes import evaluation_prompt_size, generation_prompt_bytes
from daydreaming.settings import Settings
from daydreaming.store.files import DataRoot

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
        answered: Those that have an answer, which is reused.
        sizes: Of the prompts of the others: how many calls have which.
    """

    stage: Stage
    model: LLMModel
    planned: int
    answered: int
    sizes: Mapping[PromptSize, int] = field(default_factory=dict)

    @property
    def new(self) -> int:
        """Calls that would be made."""
        return self.planned - self.answered


@dataclass(frozen=True)
class PlannedCalls:
    """A plan, counted.

    Attributes:
        models: Generators in the order of the plan, then judges.
    """

    combinations: int
    generations: int
    evaluations: int
    models: tuple[ModelCalls, ...]


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
    if inputs.params["on_stale"] == "archive":
        replaced = cells_to_replace(settings, inputs, combinations, generations, evaluations, answered)
        answered = {stage: ids - replaced for stage, ids in answered.items()}
    essays = _essay_sizes(files, inputs, generations, answered["generation"], essay_tokens)
    return PlannedCalls(
        len(combinations),
        len(generations),
        len(evaluations),
        (
            *_generation_calls(inputs, combinations, generations, answered["generation"]),
            *_evaluation_calls(inputs, evaluations, answered["evaluation"], essays),
        ),
    )


def _count_verdicts(
    settings: Settings, inputs: Inputs, judged: Sequence[Generation], answered: Mapping[str, set[str]]
) -> PlannedCalls:
    """The same where nothing is generated."""
    files = DataRoot(settings.data_root)
    # A verdict on what was deleted since is planned, and fails without a call.
    there = [essay for essay in judged if essay.generation_task_id in answered["generation"]]
    evaluations = design_evaluations(inputs, there)
    known = answered["evaluation"]
    if inputs.params["on_stale"] == "archive":
        known = known - cells_to_replace(settings, inputs, (), there, evaluations, answered)
    essays = {e.generation_task_id: _essay_size(files, e.generation_task_id) for e in there}
    return PlannedCalls(
        len({essay.combo_id for essay in there}),
        0,
        len(evaluations),
        tuple(_evaluation_calls(inputs, evaluations, known, essays)),
    )


def _generation_calls(
    inputs: Inputs,
    combinations: Sequence[Combination],
    generations: Iterable[Generation],
    answered: set[str],
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
    new: dict[str, Counter[PromptSize]] = {model: Counter() for model in planned}
    for cell in generations:
        if cell.generation_task_id not in answered:
            new[cell.generation_model][sizes[cell.generation_template, cell.combo_id]] += 1
    return [_calls("generation", inputs.generation_model(model), planned[model], new[model]) for model in new]


def _evaluation_calls(
    inputs: Inputs, evaluations: Iterable[Evaluation], answered: set[str], essays: Mapping[str, PromptSize]
) -> list[ModelCalls]:
    prompts = {t.template_id: evaluation_prompt_size(t.text) for t in inputs.evaluation_templates}
    planned = Counter(cell.evaluation_model for cell in evaluations)
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
        found.append(_calls("evaluation", inputs.evaluation_model(model), planned[model], sizes))
    return found


def _calls(stage: Stage, model: LLMModel, planned: int, sizes: Counter[PromptSize]) -> ModelCalls:
    return ModelCalls(stage, model, planned, planned - sizes.total(), sizes)


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
    return {
        cell.generation_task_id: _stored_size(files, cell.generation_task_id)
        if cell.generation_task_id in answered
        else to_come[cell.generation_model]
        for cell in generations
    }


def _essay_size(files: DataRoot, generation_task_id: str) -> PromptSize:
    """Of an essay that is sent as it is stored."""
    path = files.essay(generation_task_id)
    if not path.exists():
        return _stored_size(files, generation_task_id)
    return PromptSize(path.stat().st_size, path.stat().st_size)


def _stored_size(files: DataRoot, generation_task_id: str) -> PromptSize:
    size = files.response("generation", generation_task_id).stat().st_size
    return PromptSize(size, size)
