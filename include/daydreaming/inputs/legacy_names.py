"""Find the parts of an original ID by what is known of templates and models. PURE.

An ID is ``{combination}_{template}_{model}``, an evaluation's ``{generation}_{template}_{model}``, and
each part may hold underscores. So nothing is split: a known ID is taken off the right end, longest
first, and every way in which the whole name can be read is found. What can be read in two ways is
left to a person.

Source: DESIGN.md, "IDs".
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

#: Combinations that the original made, with and without a stable ID.
COMBO_PATTERN = re.compile(r"combo_v1_[0-9a-f]{12}|combo_[0-9]+")


class GenerationName(NamedTuple):
    """A generation's ID in its parts, as the original spells them."""

    combo_id: str
    template: str
    model: str


class EvaluationName(NamedTuple):
    """An evaluation's ID in its parts, as the original spells them."""

    generation_id: str
    generation: GenerationName
    template: str
    model: str


@dataclass(frozen=True)
class KnownNames:
    """Every ID that may be part of a name, in every spelling.

    Attributes:
        combo_ids: Beside those that look like ``COMBO_PATTERN``.
        models: Models of both stages: the flags of the original changed from run to run.
    """

    combo_ids: frozenset[str]
    generation_templates: frozenset[str]
    evaluation_templates: frozenset[str]
    models: frozenset[str]

    @cached_property
    def endings(self) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
        """Generation templates, evaluation templates and models, longest first."""
        groups = (self.generation_templates, self.evaluation_templates, self.models)
        first, second, third = (tuple(sorted(ids, key=lambda i: (-len(i), i))) for ids in groups)
        return first, second, third

    def is_combo(self, text: str) -> bool:
        """Whether ``text`` is the ID of a combination."""
        return text in self.combo_ids or COMBO_PATTERN.fullmatch(text) is not None


def match_generation(name: str, known: KnownNames) -> list[GenerationName]:
    """Every way to read ``name`` as a generation's ID; none, one, or more where it is ambiguous."""
    templates, _, models = known.endings
    return [
        GenerationName(combo_id, template, model)
        for head, model in _heads(name, models)
        for combo_id, template in _heads(head, templates)
        if known.is_combo(combo_id)
    ]


def match_evaluation(
    name: str, known: KnownNames, joined: Mapping[str, GenerationName]
) -> list[EvaluationName]:
    """Every way to read ``name`` as an evaluation's ID.

    Args:
        name: The ID.
        known: What its parts may be.
        joined: Generations that a task table names, by ID: their parts are not looked for again.
    """
    _, templates, models = known.endings
    return [
        EvaluationName(generation_id, generation, template, model)
        for head, model in _heads(name, models)
        for generation_id, template in _heads(head, templates)
        for generation in _generations(generation_id, known, joined)
    ]


def _generations(
    name: str, known: KnownNames, joined: Mapping[str, GenerationName]
) -> Collection[GenerationName]:
    return [joined[name]] if name in joined else match_generation(name, known)


def _heads(name: str, endings: Collection[str]) -> Iterator[tuple[str, str]]:
    """What stands before each known ending, and the ending."""
    for ending in endings:
        if ending and len(name) > len(ending) + 1 and name.endswith(f"_{ending}"):
            yield name[: -len(ending) - 1], ending
