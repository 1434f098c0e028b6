"""What the simulator answers: essays for generators, critiques and scores for judges. Pure."""

from __future__ import annotations

import hashlib
import json
import math
import re
from typing import TYPE_CHECKING

from daydreaming.llm.simulator.behaviour import draw

if TYPE_CHECKING:
    from collections.abc import Sequence

DEFAULT_SCALE = (0, 10)
JUDGE_MARK = "SCORE:"
_SCALE_REACH = 200
_SCALE = re.compile(r"(?<![\d.\-])([01])\s*(?:-|–|—|to|and)\s*(\d{1,3})(?![\d.]*\d)", re.IGNORECASE)
_HEADER = re.compile(r"(#+)\s*Essay\b", re.IGNORECASE)
_WORD = re.compile(r"[A-Za-z]{6,}")
_UNWANTED = frozenset(
    {"essay", "thinking", "endnotes", "response", "scores", "evaluate", "answer", "concept", "concepts"}
)
_SPARE_WORDS = ("memory", "wandering", "surprise")
_ESSAY_SENTENCES = 7

_SENTENCES = (
    "Leave {a} running overnight and it starts to trade pieces with {b}, unasked.",
    "What looks like noise in {a} turns out to be a cheap way of sampling {b}.",
    "A mind that rehearses {a} while idle pays a small tax and sometimes finds {b}.",
    "The link between {a} and {b} is weak on paper, yet {c} makes it worth a second look.",
    "Most pairings of {a} with {b} are dull, so a critic has to throw nearly all of them away.",
    "Suppose a machine kept {a} warm in the background and asked only whether {b} still surprised it.",
    "Nobody budgets for {a}, because its yield arrives late and under the name of {b}.",
    "If {c} is the judge, then {a} and {b} are merely two suspects in the same line-up.",
    "The hard part is less {a} than knowing when {b} has stopped being interesting.",
    "Seen from {c}, the distance from {a} to {b} is one short walk and a change of shoes.",
    "A library of half-finished notes on {a} becomes useful the day someone reads it for {b}.",
    "Repetition dulls {a}; a stray thought about {b} puts the edge back.",
    "The proposal, then, is a loop in which {a} proposes, {b} objects and {c} keeps the minutes.",
    "Where {a} ends and {b} begins is a question that only a long experiment can settle.",
)
_THOUGHTS = (
    "I could start from {a} and see whether {b} follows.",
    "The obvious bridge is {c}, though it may be too obvious.",
    "First put {a} beside {b}, then ask what is missing.",
)
_NOTES = (
    "On {a}: a loose analogy, meant as a prompt and no more.",
    "On {b}: the claim needs evidence that this essay does not have.",
    "On {c}: borrowed from the ingredients as they were given.",
)
_CRITIQUES = (
    "The piece holds {a} and {b} together with some care.",
    "Its treatment of {a} stays on the surface.",
    "The turn towards {b} is unexpected and earns its place.",
    "There is little that could be tested about {c}.",
    "The prose is clear, though {a} is explained twice.",
    "The argument would survive without {b}, which counts against it.",
    "A reader who knows {c} will want a stronger example.",
)
_NO_VERDICT = "A mixed piece, and one that I would rather not put on any scale."


class _Chooser:
    """Chooses from lists by a stream of bytes that the key fixes."""

    def __init__(self, *key: str | int) -> None:
        seed = json.dumps(key).encode("ascii")
        self._bytes = hashlib.shake_256(seed).digest(512)
        self._position = 0

    def index(self, below: int) -> int:
        start = self._position
        self._position = start + 4
        return int.from_bytes(self._bytes[start : start + 4]) % below

    def take(self, items: Sequence[str], count: int) -> list[str]:
        left = list(items)
        return [left.pop(self.index(len(left))) for _ in range(min(count, len(left)))]

    def fill(self, sentences: Sequence[str], words: Sequence[str]) -> str:
        filled = []
        for sentence in sentences:
            a, b, c = self.take(words, 3)
            filled.append(sentence.format(a=a, b=b, c=c))
        return " ".join(filled)


def answer_for(seed: int, model: str, prompt: str, unreadable: bool = False) -> str:
    """The whole text that ``model`` answers to ``prompt``.

    A prompt that holds ``SCORE:`` asks a judge: some sentences, and a last line ``SCORE: x`` with x
    as ``score_for`` says. Any other asks for an essay of about 100 words that picks up words of the
    prompt: inside ``<thinking>/<essay>/<endnotes>`` where the prompt mentions ``<essay>``; under
    headers where it mentions one such as ``# Essay``; otherwise bare. An ``unreadable`` answer lacks
    the score line, or the tags or headers.
    """
    choose = _Chooser(seed, "answer", model, prompt)
    words = _words_of(prompt)
    if JUDGE_MARK in prompt:
        verdict = _NO_VERDICT if unreadable else f"SCORE: {score_for(seed, model, prompt):g}"
        return f"{choose.fill(choose.take(_CRITIQUES, 3), words)}\n\n{verdict}"
    essay = choose.fill(choose.take(_SENTENCES, _ESSAY_SENTENCES), words)
    thinking = choose.fill(choose.take(_THOUGHTS, 2), words)
    notes = choose.fill(choose.take(_NOTES, 2), words)
    header = _HEADER.search(prompt)
    if unreadable or ("<essay>" not in prompt and header is None):
        return essay
    if "<essay>" in prompt:
        parts = {"thinking": thinking, "essay": essay, "endnotes": notes}
        return "\n".join(f"<{tag}>\n{text}\n</{tag}>" for tag, text in parts.items())
    mark = header.group(1) if header else "#"
    return f"{mark} Thinking\n\n{thinking}\n\n{mark} Essay\n\n{essay}\n\n{mark} Endnotes\n\n{notes}"


def score_for(seed: int, model: str, prompt: str) -> float:
    """The score, a whole number on the scale of the prompt, that ``model`` gives as a judge.

    Raises:
        ValueError: The prompt does not hold ``SCORE:``, so nobody is asked to judge.
    """
    if JUDGE_MARK not in prompt:
        raise ValueError(f"a judge's prompt must hold {JUDGE_MARK!r}; got {prompt[:80]!r}")
    lowest, highest = scale_of(prompt)
    return float(lowest + math.floor(draw(seed, "score", model, prompt) * (highest - lowest + 1)))


def scale_of(prompt: str) -> tuple[int, int]:
    """Lowest and highest score that a judge's prompt allows; 0 to 10 where it does not say.

    The scale is the widest range such as ``0-9``, ``1 to 5`` or ``0 and 10`` that starts at 0 or 1 and
    stands within 200 characters of a ``SCORE:``.
    """
    near = (
        prompt[max(0, mark.start() - _SCALE_REACH) : mark.end() + _SCALE_REACH]
        for mark in re.finditer(re.escape(JUDGE_MARK), prompt)
    )
    found = [(int(low), int(high)) for text in near for low, high in _SCALE.findall(text)]
    return max((scale for scale in found if scale[0] < scale[1]), key=_width, default=DEFAULT_SCALE)


def estimate_tokens(text: str) -> int:
    """Tokens that ``text`` is counted as: four for every three words, rounded up."""
    return math.ceil(len(text.split()) * 4 / 3)


def cut(text: str, max_tokens: int) -> str:
    """The start of ``text`` that ``estimate_tokens`` counts as at most ``max_tokens``."""
    ends = [word.end() for word in re.finditer(r"\S+", text)]
    keep = min(len(ends), max_tokens * 3 // 4)
    return text[: ends[keep - 1]] if keep else ""


def _width(scale: tuple[int, int]) -> int:
    return scale[1] - scale[0]


def _words_of(prompt: str) -> list[str]:
    found = dict.fromkeys(word.lower() for word in _WORD.findall(prompt))
    wanted = [word for word in found if word not in _UNWANTED]
    return [*wanted, *_SPARE_WORDS] if len(wanted) < len(_SPARE_WORDS) else wanted
