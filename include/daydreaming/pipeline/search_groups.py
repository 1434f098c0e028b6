"""Prompts that hold one passage, as prompts of one template do, put together for the page of a search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from daydreaming.pipeline.text_search import FoundText


@dataclass(frozen=True)
class FoundGroup:
    """What is shown at one place of the list.

    Attributes:
        place: Of ``first`` in what was found, from 0.
        alike: Further prompts in which the same passage was found.
    """

    first: FoundText
    place: int
    alike: Sequence[FoundText]


def group_alike(found: Sequence[FoundText]) -> list[FoundGroup]:
    """Texts in their order; prompts with the same passage stand at the place of the first of them."""
    groups: dict[tuple[object, ...], list[tuple[int, FoundText]]] = {}
    for place, one in enumerate(found):
        passage = "".join(piece.text for piece in one.pieces)
        key: tuple[object, ...] = ("prompt", one.stage, passage) if one.part == "prompt" else (place,)
        groups.setdefault(key, []).append((place, one))
    return [
        FoundGroup(first, place, [one for _, one in others]) for (place, first), *others in groups.values()
    ]
