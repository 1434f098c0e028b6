"""How many bytes prompts will have, without rendering every one of a large plan. PURE."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from daydreaming.errors import InputError
from daydreaming.prompts.render import render_evaluation, render_generation

Texts = Mapping[str, str]

#: Prompts that are rendered to see whether a template's prompts are sums of their parts.
_TRIED = 50
#: What an essay is tried with: the longest that a character can be, so that what a template counts
#: in characters is not taken for fewer bytes than it may have.
_FILLER = "𝄞𝄞𝄞𝄞𝄞𝄞 𝄞𝄞𝄞𝄞\n"


def generation_prompt_bytes(
    template_text: str, concepts: Mapping[str, Texts], combinations: Sequence[Sequence[str]]
) -> list[int]:
    """Bytes (UTF-8) of the prompt of each combination; 0 where it cannot be rendered.

    Most templates put text around each concept, so that the size of a prompt is a sum over the
    places in it. Whether it is, is tried on some of them; where it is not, every prompt is rendered.

    Args:
        template_text: Jinja2 source.
        concepts: ``name`` and ``content`` by concept ID.
        combinations: Concept IDs of each, all of the same number.
    """
    if len(combinations) > _TRIED + sum(map(len, _levels(combinations))):
        sizes = _sums(template_text, concepts, combinations)
        tried = range(0, len(combinations), -(-len(combinations) // _TRIED))
        if all(sizes[i] == _size(template_text, concepts, combinations[i]) for i in tried):
            return sizes
    return [_size(template_text, concepts, chosen) for chosen in combinations]


def _levels(combinations: Sequence[Sequence[str]]) -> list[set[str]]:
    """The concepts that stand in each place."""
    return [set(place) for place in zip(*combinations, strict=True)]


def _sums(
    template_text: str, concepts: Mapping[str, Texts], combinations: Sequence[Sequence[str]]
) -> list[int]:
    first = list(combinations[0])
    base = _size(template_text, concepts, first)
    more = [
        {
            concept: _size(template_text, concepts, [*first[:place], concept, *first[place + 1 :]]) - base
            for concept in level
        }
        for place, level in enumerate(_levels(combinations))
    ]
    return [base + sum(part[c] for part, c in zip(more, chosen, strict=True)) for chosen in combinations]


def _size(template_text: str, concepts: Mapping[str, Texts], chosen: Sequence[str]) -> int:
    try:
        return len(render_generation(template_text, [concepts[c] for c in chosen]).encode())
    except InputError:
        # It cannot be sent either: its own instance will fail, and say why.
        return 0


@dataclass(frozen=True)
class EvaluationPromptSize:
    """Bytes of an evaluation's prompt as they depend on the essay's.

    Attributes:
        frame: Without the essay.
        uses: How often the essay is in it.
    """

    frame: int
    uses: int

    def bytes_with(self, essay_bytes: int) -> int:
        """Bytes of the prompt for an essay of this many."""
        return self.frame + self.uses * essay_bytes


def evaluation_prompt_size(template_text: str) -> EvaluationPromptSize:
    """Measure an evaluation template with essays of two lengths."""
    short, long = (_FILLER * count for count in (40, 80))
    try:
        at_short, at_long = (len(render_evaluation(template_text, essay).encode()) for essay in (short, long))
    except InputError:
        # It wants an essay of a certain form: taken to hold it once.
        return EvaluationPromptSize(len(template_text.encode()), 1)
    more = len(long.encode()) - len(short.encode())
    uses = max(0, math.ceil((at_long - at_short) / more))
    return EvaluationPromptSize(max(0, at_short - uses * len(short.encode())), uses)
