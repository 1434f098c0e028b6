"""What a run reads, frozen: made once at load, then read by every task. Standard library only."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, TypeVar

from daydreaming.errors import StoreError
from daydreaming.inputs.records import Concept, LLMModel, Template

T = TypeVar("T")


@dataclass(frozen=True)
class Inputs:
    """Parameters and selected records of one run, in the order of the CSVs.

    Attributes:
        params: ``ExperimentParams`` as JSON values.
    """

    params: Mapping[str, Any]
    concepts: tuple[Concept, ...]
    generation_templates: tuple[Template, ...]
    evaluation_templates: tuple[Template, ...]
    generation_models: tuple[LLMModel, ...]
    evaluation_models: tuple[LLMModel, ...]

    def to_json(self) -> str:
        """Canonical JSON: equal inputs give equal text."""
        return json.dumps(
            asdict(self), sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False
        )

    @classmethod
    def from_json(cls, text: str) -> Inputs:
        """Read what :meth:`to_json` wrote.

        Raises:
            StoreError: The text is something else.
        """
        try:
            data = json.loads(text)
            return cls(
                params=data["params"],
                concepts=tuple(Concept(**c) for c in data["concepts"]),
                generation_templates=tuple(Template(**t) for t in data["generation_templates"]),
                evaluation_templates=tuple(Template(**t) for t in data["evaluation_templates"]),
                generation_models=tuple(LLMModel(**m) for m in data["generation_models"]),
                evaluation_models=tuple(LLMModel(**m) for m in data["evaluation_models"]),
            )
        except (ValueError, TypeError, KeyError) as error:
            raise StoreError(
                f"the frozen inputs of the run cannot be read ({type(error).__name__}: {error}). "
                "Start a new run."
            ) from error

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON."""
        return hashlib.sha256(self.to_json().encode("utf-8")).hexdigest()

    @property
    def batched_models(self) -> tuple[str, ...]:
        """IDs of the models that are called in batches, in either stage."""
        models = (*self.generation_models, *self.evaluation_models)
        return tuple(dict.fromkeys(model.id for model in models if model.is_batched))

    def concept(self, concept_id: str) -> Concept:
        """The concept with this ID; KeyError where it was not selected."""
        return self._concepts[concept_id]

    def generation_template(self, template_id: str) -> Template:
        """The generation template with this ID; StoreError where it was not selected."""
        return _selected(self._generation_templates, "generation template", template_id)

    def evaluation_template(self, template_id: str) -> Template:
        """The evaluation template with this ID; StoreError where it was not selected."""
        return _selected(self._evaluation_templates, "evaluation template", template_id)

    def generation_model(self, model_id: str) -> LLMModel:
        """The generator model with this ID; StoreError where it was not selected."""
        return _selected(self._generation_models, "generation model", model_id)

    def evaluation_model(self, model_id: str) -> LLMModel:
        """The judge model with this ID; StoreError where it was not selected."""
        return _selected(self._evaluation_models, "evaluation model", model_id)

    @cached_property
    def _concepts(self) -> dict[str, Concept]:
        return {c.concept_id: c for c in self.concepts}

    @cached_property
    def _generation_templates(self) -> dict[str, Template]:
        return {t.template_id: t for t in self.generation_templates}

    @cached_property
    def _evaluation_templates(self) -> dict[str, Template]:
        return {t.template_id: t for t in self.evaluation_templates}

    @cached_property
    def _generation_models(self) -> dict[str, LLMModel]:
        return {m.id: m for m in self.generation_models}

    @cached_property
    def _evaluation_models(self) -> dict[str, LLMModel]:
        return {m.id: m for m in self.evaluation_models}


def _selected(records: Mapping[str, T], what: str, record_id: str) -> T:
    if record_id not in records:
        raise StoreError(
            f"the frozen inputs of the run have no {what} {record_id!r}, which its plan names. `daydreaming "
            "rebuild` takes the plan from its file again; else start a new run."
        )
    return records[record_id]
