"""Texts of models as a page shows them: what is thinking, where the score is, what is left out. PURE."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal

from daydreaming.errors import ParseError
from daydreaming.parsing.score import LocatedScore
from daydreaming.parsing.thinking import answer_spans, verdict_span

#: A page of more is no reading: the file has it all.
MAX_CHARS: Final = 300_000
_KEPT: Final = "\t\n\r"
#: Control characters have no look, and a browser drops or repeats some of them: their pictures have one.
_PICTURES: Final[Mapping[int, str]] = {
    **{code: chr(0x2400 + code) for code in range(32) if chr(code) not in _KEPT},
    0x7F: "\u2421",
    **dict.fromkeys(range(0x80, 0xA0), "\ufffd"),
}

Kind = Literal["text", "thinking"]
Span = tuple[int, int]


@dataclass(frozen=True)
class Passage:
    """A piece of a text.

    Attributes:
        marked: The digits of the score; empty where they are not in it, and all of it is ``before``.
    """

    kind: Kind
    before: str
    marked: str = ""
    after: str = ""

    @property
    def text(self) -> str:
        """All of it."""
        return f"{self.before}{self.marked}{self.after}"


@dataclass(frozen=True)
class ShownText:
    """A text in pieces.

    Attributes:
        shown: Characters that the pieces were cut from.
        left_out: Characters that are not shown.
        is_end: Whether what is shown is the text's end, and not its beginning.
        problem: Why there is no text; empty where there is one.
    """

    passages: tuple[Passage, ...] = ()
    shown: int = 0
    left_out: int = 0
    is_end: bool = False
    problem: str = ""


def shown_plain(text: str) -> ShownText:
    """A text without thinking: an essay, a prompt."""
    return _shown(text, [(0, len(text))])


def shown_answer(text: str) -> ShownText:
    """A generator's answer; where thinking never ends, nothing can be told from it."""
    try:
        spans = answer_spans(text)
    except ParseError:
        spans = [(0, len(text))]
    return _shown(text, spans)


def shown_verdict(text: str, score: LocatedScore | None = None) -> ShownText:
    """A judge's answer, its end where it is long, with its score marked."""
    span = verdict_span(text)
    if score and not span[0] <= score.start < score.end <= span[1]:
        # The parser reads the end alone, and saw no beginning of thinking further up.
        span = 0, len(text)
    return _shown(text, [span], score, is_end=True)


def _shown(
    text: str, spans: Iterable[Span], score: LocatedScore | None = None, *, is_end: bool = False
) -> ShownText:
    first = max(0, len(text) - MAX_CHARS) if is_end else 0
    last = len(text) if is_end else min(len(text), MAX_CHARS)
    passages = []
    for kind, span in _pieces(spans, len(text)):
        start, end = max(span[0], first), min(span[1], last)
        piece = text[start:end]
        if not piece.strip():
            continue
        start += len(piece) - len(piece.lstrip())
        end -= len(piece) - len(piece.rstrip())
        passages.append(_passage(text, kind, start, end, score))
    return ShownText(tuple(passages), last - first, len(text) - (last - first), is_end)


def _pieces(spans: Iterable[Span], length: int) -> Iterable[tuple[Kind, Span]]:
    """Pieces of the answer, and of the thinking around them, in their order."""
    position = 0
    for start, end in spans:
        yield "thinking", (position, start)
        yield "text", (start, end)
        position = end
    yield "thinking", (position, length)


def _passage(text: str, kind: Kind, start: int, end: int, score: LocatedScore | None) -> Passage:
    if score is None or not start <= score.start < score.end <= end:
        return Passage(kind, visible(text[start:end]))
    cuts = (start, score.start, score.end, end)
    return Passage(kind, *(visible(text[a:b]) for a, b in pairwise(cuts)))


def visible(text: str) -> str:
    """The text with a picture for each control character, so that none hides or repeats anything."""
    return text.translate(_PICTURES)
