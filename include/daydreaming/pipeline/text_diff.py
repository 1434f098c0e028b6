"""What two texts have in common and what not, word by word or sentence by sentence. PURE.

Words that both texts have once each are the anchors; between them the same is done again, as in Bram Cohen's
patience diff. Where no such word is left, a short stretch is compared word by word and a long one counts
as changed, so that the time stays in proportion to the length, whatever the texts hold.

Source: Hunt & McIlroy (1976), "An Algorithm for Differential File Comparison", for the longest chain.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import pairwise
from typing import Final, Literal

#: Above this length of either text, sentences are compared and not words.
MAX_WORD_CHARS: Final = 20_000
#: Words on both sides that are compared each with each.
_SHORT = 60
#: How often a stretch is divided again.
_DEEPEST = 40

_WORD = re.compile(r"\S+\s*|\s+")
_SENTENCE = re.compile(r"[^.!?\n]*(?:[.!?]+[\"'”’)\]]*\s*|\n\s*|$)")

Unit = Literal["words", "sentences"]


@dataclass(frozen=True)
class Piece:
    """A stretch of one text."""

    text: str
    is_changed: bool


@dataclass(frozen=True)
class TextDiff:
    """Two texts in pieces.

    Attributes:
        left: Pieces of the first text in order; what is not changed is in the second, too.
        right: Of the second.
        unit: What was compared.
        shared: How much of both texts is common, by characters, from 0 to 1.
    """

    left: tuple[Piece, ...]
    right: tuple[Piece, ...]
    unit: Unit
    shared: float


def diff_texts(left: str, right: str) -> TextDiff:
    """Compare two texts; spaces and line ends between words make no difference."""
    unit: Unit = "words" if max(len(left), len(right)) <= MAX_WORD_CHARS else "sentences"
    pattern = _WORD if unit == "words" else _SENTENCE
    a, b = ([part for part in pattern.findall(text) if part] for text in (left, right))
    same_a, same_b = [False] * len(a), [False] * len(b)
    for i, j, size in _matches([part.split() for part in a], [part.split() for part in b]):
        same_a[i : i + size] = same_b[j : j + size] = [True] * size
    common = sum(
        len(part) for part, same in (*zip(a, same_a, strict=True), *zip(b, same_b, strict=True)) if same
    )
    total = len(left) + len(right)
    return TextDiff(_merged(a, same_a), _merged(b, same_b), unit, common / total if total else 1.0)


def _merged(parts: Sequence[str], same: Sequence[bool]) -> tuple[Piece, ...]:
    pieces: list[Piece] = []
    start = 0
    for end in range(1, len(parts) + 1):
        if end == len(parts) or same[end] != same[start]:
            pieces.append(Piece("".join(parts[start:end]), not same[start]))
            start = end
    return tuple(pieces)


def _matches(a: Sequence[Sequence[str]], b: Sequence[Sequence[str]]) -> Iterator[tuple[int, int, int]]:
    """Places in both, and lengths, of what is the same."""
    numbers: dict[tuple[str, ...], int] = {}
    x, y = ([numbers.setdefault(tuple(words), len(numbers)) for words in side] for side in (a, b))
    stretches = [(0, len(x), 0, len(y), 0)]
    while stretches:
        start, end, other, other_end, depth = stretches.pop()
        first, last = _common_ends(x[start:end], y[other:other_end])
        yield start, other, first
        yield end - last, other_end - last, last
        start, end, other, other_end = start + first, end - last, other + first, other_end - last
        if start == end or other == other_end:
            continue
        anchors = _anchors(x[start:end], y[other:other_end]) if depth < _DEEPEST else []
        if anchors:
            cuts = [(0, 0), *anchors, (end - start, other_end - other)]
            stretches += [
                (start + i, start + next_i, other + j, other + next_j, depth + 1)
                for (i, j), (next_i, next_j) in pairwise(cuts)
            ]
        elif end - start <= _SHORT and other_end - other <= _SHORT:
            matcher = SequenceMatcher(None, x[start:end], y[other:other_end], autojunk=False)
            for i, j, size in matcher.get_matching_blocks():
                yield start + i, other + j, size


def _common_ends(x: Sequence[int], y: Sequence[int]) -> tuple[int, int]:
    """How many are the same at the beginning, and of the rest at the end."""
    shorter = min(len(x), len(y))
    first = next((i for i in range(shorter) if x[i] != y[i]), shorter)
    rest = shorter - first
    return first, next((i for i in range(rest) if x[-1 - i] != y[-1 - i]), rest)


def _anchors(x: Sequence[int], y: Sequence[int]) -> list[tuple[int, int]]:
    """The longest chain of pairs that rises on both sides, of what both sides have once each."""
    count_x, count_y = Counter(x), Counter(y)
    place = {number: j for j, number in enumerate(y) if count_y[number] == 1}
    pairs = [(i, place[number]) for i, number in enumerate(x) if count_x[number] == 1 and number in place]
    tails: list[int] = []  # the smallest last place in y of a chain of each length
    ends: list[int] = []  # its pair
    before: list[int] = []  # the pair before each pair in its chain
    for index, (_, j) in enumerate(pairs):
        length = bisect_left(tails, j)
        before.append(ends[length - 1] if length else -1)
        tails[length : length + 1] = [j]
        ends[length : length + 1] = [index]
    chain = []
    index = ends[-1] if ends else -1
    while index >= 0:
        chain.append(pairs[index])
        index = before[index]
    return chain[::-1]
