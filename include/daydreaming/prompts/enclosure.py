"""What a template puts round the essay: the marks by which a judge tells where the essay ends."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from daydreaming.prompts.folding import fold

#: Stands for the essay while a template's frame is looked at: a private-use character, which no filter
#: of a template changes or cuts.
PLACE = "\ue000"

LINE = re.compile(r"[^\n\r\v\f\x1c-\x1e\x85\u2028\u2029]+")
"""A line with something in it, ended by anything that a reader may take for a line's end."""

_LEAST_RUN = {"<": 2, ">": 2}
_LEAST_RULE = 3

_TAG = re.compile(r"(?<!<)</?\s{0,9}([A-Za-z][\w.:-]{0,60})(?=[\s/>])[^<>]{0,200}>(?!>)")
_RUN = re.compile(r"<+|>+|`+|~+|\"+|'+")
_RULE = re.compile(r"([-=*_#+.^])\1{2,}")
_WORD = re.compile(r"[^\W_]+")
_CODE = re.compile(r"(?=[a-f]*[0-9])[0-9a-f]{8,}")
_SHORTEST_LINE = 4


@dataclass(frozen=True)
class Enclosure:
    """The marks of one template.

    Attributes:
        tags: Names of all tags in the template, in lower case.
        runs: By character whose runs delimit wherever they stand in a line (``<<<``, fences, triple
            quotes): the shortest run of it next to the essay.
        rules: Characters of which a whole line next to the essay is made (``---``, ``===``).
        labels: Words of the lines next to the essay, as `words_of` gives them (``end of essay``).
        lines: The template's other lines, as `plain_line` gives them.
    """

    tags: frozenset[str] = frozenset()
    runs: Mapping[str, int] = field(default_factory=dict)
    rules: frozenset[str] = frozenset()
    labels: frozenset[str] = frozenset()
    lines: frozenset[str] = frozenset()


NO_ENCLOSURE = Enclosure()


def enclosure_of(rendered: str) -> Enclosure:
    """Read the marks off a prompt that was rendered with ``PLACE`` for the essay."""
    shown = fold(rendered).text
    frame = [line for line in map(plain_line, LINE.findall(shown)) if PLACE not in line]
    next_to_it = list(_neighbours(shown))
    rules = (_RULE.fullmatch(line) for line in next_to_it)
    return Enclosure(
        tags=frozenset(name.lower() for name in _TAG.findall(shown)),
        runs=_shortest_runs(next_to_it),
        rules=frozenset(rule[1] for rule in rules if rule),
        labels=frozenset(words_of(_TAG.sub(" ", line)) for line in next_to_it) - {""},
        lines=frozenset(line for line in frame if len(line) >= _SHORTEST_LINE and _WORD.search(line)),
    )


def plain_line(line: str) -> str:
    """A folded line for comparison: without the space around it, in one case."""
    return line.strip().casefold()


def words_of(line: str) -> str:
    """The words of a folded line in one case, without punctuation and without codes such as ``4be6a0d3951c``.

    An author who knows what a marker looks like, and not its code, makes the code up.
    """
    return " ".join(word for word in _WORD.findall(line.casefold()) if not _CODE.fullmatch(word))


def _neighbours(shown: str) -> Iterator[str]:
    """The nearest line with any text before and after each place of the essay; it may be part of the same."""
    for before, after in pairwise(shown.split(PLACE)):
        yield next((line.strip() for line in reversed(LINE.findall(before)) if line.strip()), "")
        yield next((line.strip() for line in LINE.findall(after) if line.strip()), "")


def _shortest_runs(lines: list[str]) -> dict[str, int]:
    runs: dict[str, int] = {}
    for run in (run for line in lines for run in _RUN.findall(line)):
        if len(run) >= _LEAST_RUN.get(run[0], _LEAST_RULE):
            runs[run[0]] = min(len(run), runs.get(run[0], len(run)))
    return runs
