"""What each file of the original is: its cell, joined on the task tables or matched by known names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

from daydreaming.design.ids import evaluation_task_id, generation_task_id, id_problem
from daydreaming.inputs.legacy import LegacyFolder
from daydreaming.inputs.legacy_models import model_name
from daydreaming.inputs.legacy_names import (
    EvaluationName,
    GenerationName,
    KnownNames,
    match_evaluation,
    match_generation,
)
from daydreaming.inputs.records import Stage
from daydreaming.pipeline.import_ids import ModelId, ModelIds, PlacingError
from daydreaming.store.plans import PlannedCell

NameT = TypeVar("NameT", GenerationName, EvaluationName)
#: Cells of an import are found before they have a place in its plan.
_NO_INDEX = -1


@dataclass(frozen=True)
class OurNames:
    """IDs of our own inputs: what a folder without its own is matched against.

    Attributes:
        models: Provider's name by ID.
    """

    generation_templates: frozenset[str] = frozenset()
    evaluation_templates: frozenset[str] = frozenset()
    models: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class CellFinder:
    """Finds the cell that an ID of the original names.

    Attributes:
        renamed: Models met so far whose ID with us is another, by the original's spelling.
        judged: The generations that evaluations met so far judge: the original's ID of both.
    """

    folder: LegacyFolder
    ours: OurNames
    renamed: dict[str, ModelId] = field(default_factory=dict)
    judged: dict[str, str] = field(default_factory=dict)

    def find(self, stage: Stage, legacy_id: str) -> PlannedCell:
        """The cell, with IDs that ours may be.

        Raises:
            PlacingError: Nothing known fits, more than one reading does, or it has no ID with us.
        """
        return self._generation(legacy_id) if stage == "generation" else self._evaluation(legacy_id)

    def _generation(self, legacy_id: str, name: GenerationName | None = None) -> PlannedCell:
        self._check_tables(legacy_id)
        task = self.folder.tasks.generations.get(legacy_id)
        if task:
            return self._generation_cell(legacy_id, self._joined[legacy_id], task.model_name)
        if name is None:
            name = _only([match_generation(legacy_id, known) for known in self._known])
        return self._generation_cell(legacy_id, name, "")

    def _generation_cell(self, legacy_id: str, name: GenerationName, provider_name: str) -> PlannedCell:
        _check("combo_id", name.combo_id)
        _check("generation template", name.template)
        model = self._our_model(name.model)
        cell_id = _our_id(legacy_id, generation_task_id(name.combo_id, name.template, model))
        return PlannedCell(
            stage="generation",
            map_index=_NO_INDEX,
            cell_id=cell_id,
            pool="",
            model_name=provider_name or self._model_name(name.model),
            generation_task_id=cell_id,
            combo_id=name.combo_id,
            generation_template=name.template,
            generation_model=model,
            generation_replicate=1,
        )

    def _evaluation(self, legacy_id: str) -> PlannedCell:
        self._check_tables(legacy_id)
        task = self.folder.tasks.evaluations.get(legacy_id)
        if task:
            self.judged[legacy_id] = task.generation_task_id
            generation = self._generation(task.generation_task_id)
            return self._evaluation_cell(legacy_id, generation, task.template, task.model, task.model_name)
        found = [match_evaluation(legacy_id, known, self._joined) for known in self._known]
        name = _only(found)
        self.judged[legacy_id] = name.generation_id
        generation = self._generation(name.generation_id, name.generation)
        return self._evaluation_cell(legacy_id, generation, name.template, name.model, "")

    def _evaluation_cell(
        self, legacy_id: str, generation: PlannedCell, template: str, model: str, provider_name: str
    ) -> PlannedCell:
        _check("evaluation template", template)
        model_id = self._our_model(model)
        composed = evaluation_task_id(generation.cell_id, template, model_id)
        return PlannedCell(
            stage="evaluation",
            map_index=_NO_INDEX,
            cell_id=_our_id(legacy_id, composed),
            pool="",
            model_name=provider_name or self._model_name(model),
            generation_task_id=generation.cell_id,
            combo_id=generation.combo_id,
            generation_template=generation.generation_template,
            generation_model=generation.generation_model,
            generation_replicate=1,
            evaluation_template=template,
            evaluation_model=model_id,
            evaluation_replicate=1,
        )

    def _our_model(self, spelling: str) -> str:
        found = self._model_ids.our_id(spelling)
        if found.ours != spelling:
            self.renamed[spelling] = found
        return found.ours

    def _check_tables(self, legacy_id: str) -> None:
        if legacy_id in self.folder.tasks.contradictory:
            raise PlacingError(f"the task table explains {legacy_id} in two ways. Delete the wrong row.")

    def _model_name(self, spelling: str) -> str:
        return model_name(spelling, self.folder.models) or self.ours.models.get(spelling, "")

    @cached_property
    def _joined(self) -> dict[str, GenerationName]:
        tasks = self.folder.tasks.generations.values()
        return {task.task_id: GenerationName(task.combo_id, task.template, task.model) for task in tasks}

    @cached_property
    def _known(self) -> tuple[KnownNames, KnownNames]:
        """Names of the folder; and, for what they do not explain, those of our inputs with them."""
        folder, tasks = self.folder, self.folder.tasks
        evaluations = tasks.evaluations.values()
        combos = {*folder.combinations, *(task.combo_id for task in tasks.generations.values())}
        own = KnownNames(
            combo_ids=frozenset(combos),
            generation_templates=frozenset(
                {*folder.templates["generation"], *(name.template for name in self._joined.values())}
            ),
            evaluation_templates=frozenset(
                {*folder.templates["evaluation"], *(task.template for task in evaluations)}
            ),
            models=frozenset(self._spellings),
        )
        vendors = {model.vendor for model in folder.models} - {""}
        return own, KnownNames(
            combo_ids=own.combo_ids,
            generation_templates=own.generation_templates | self.ours.generation_templates,
            evaluation_templates=own.evaluation_templates | self.ours.evaluation_templates,
            models=own.models | self.ours.models.keys() | set(self.ours.models.values()) | vendors,
        )

    @cached_property
    def _spellings(self) -> set[str]:
        tasks = self.folder.tasks
        spelled = {spelling for model in self.folder.models for spelling in model.spellings}
        spelled |= {name.model for name in self._joined.values()}
        return spelled | {task.model for task in tasks.evaluations.values()}

    @cached_property
    def _model_ids(self) -> ModelIds:
        spelled = self._spellings | self.ours.models.keys() | set(self.ours.models.values())
        return ModelIds(frozenset(spelled), self.folder.models, self.ours.models)


def _only(readings: Sequence[list[NameT]]) -> NameT:
    """The one reading of the first names that give any."""
    found = next((found for found in readings if found), [])
    if not found:
        raise PlacingError(
            "it is in no task table, and no known combination, template and model end to end make this name. "
            "Add what is missing to the folder's tables of templates and models."
        )
    if len(found) > 1:
        shown = "; or ".join(", ".join(_parts(reading)) for reading in found[:2])
        raise PlacingError(
            f"it can be read in {len(found)} ways: {shown}. Add it to the folder's task table."
        )
    return found[0]


def _parts(name: GenerationName | EvaluationName) -> list[str]:
    if isinstance(name, EvaluationName):
        return [*_parts(name.generation), f"evaluation template {name.template!r}", f"model {name.model!r}"]
    return [f"{name.combo_id}", f"template {name.template!r}", f"model {name.model!r}"]


def _our_id(legacy_id: str, composed: str) -> str:
    """The original's ID where ours may be it, else the one made of our parts."""
    if id_problem(legacy_id) is None:
        return legacy_id
    _check("its ID", composed)
    return composed


def _check(kind: str, value: str) -> None:
    problem = id_problem(value)
    if problem:
        raise PlacingError(f"{kind} {problem}; got {value!r}. Rename it in the folder.")
