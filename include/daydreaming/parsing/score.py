"""Reads a judge's score from its answer, by the parser that its template names.

A score that is not there, not clear or not on the scale makes the row unscored: it is never 0, never
clamped, never guessed. All parsers look at the end of the answer only, so that the cost is the same
for any length.

Source: docs/scoring.md.
"""

from __future__ import annotations

import math
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from daydreaming.errors import InputError, ScoreParseError
from daydreaming.inputs.records import SCORE_PARSERS
from daydreaming.parsing.tail import line_at, split_lines, start_of_tail, tail_of_file, tail_of_text
from daydreaming.parsing.thinking import verdict_span
from daydreaming.parsing.verdicts import (
    LEGACY_MAXIMUM,
    Verdict,
    plain_places,
    plain_text,
    verdict_below_header,
    verdict_in_line,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LAST_LINES = 3  # non-empty lines that `in_last_line` and `strict` look at
COMPLEX_LINES = 30  # lines, empty ones included, that `complex` looks at
_SHOWN = 80  # characters of a line in an error

_SCALE = re.compile(r"\s*(-?[0-9]+(?:\.[0-9]+)?)\s*[-–]\s*(-?[0-9]+(?:\.[0-9]+)?)\s*")
_STRICT = re.compile(r"SCORE:[ \t]*(-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,30})?)")


@dataclass(frozen=True)
class Scale:
    """The points that a template allows, both ends included.

    Raises:
        InputError: An end that is not finite, or minimum not below maximum.
    """

    minimum: float
    maximum: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.minimum) and math.isfinite(self.maximum) and self.minimum < self.maximum):
            raise InputError(
                f"a score scale needs two finite numbers, the lower one first; got {self.minimum} and "
                f"{self.maximum}. Write for example 0-10."
            )

    @classmethod
    def parse(cls, text: str) -> Scale:
        """Read ``0-9``, ``-5-5``, ``0.5-1.5``.

        Raises:
            InputError: Anything else.
        """
        match = _SCALE.fullmatch(text)
        if not match:
            raise InputError(
                f"a score scale is written minimum-maximum, such as 0-10, 1-5 or -5-5; got {text!r}."
            )
        return cls(float(match[1]), float(match[2]))

    def contains(self, points: float) -> bool:
        """Whether ``points`` lies on the scale."""
        return self.minimum <= points <= self.maximum

    def __str__(self) -> str:
        return f"{self.minimum:g}-{self.maximum:g}"


LEGACY_SCALE = Scale(0.0, LEGACY_MAXIMUM)
#: Raise a parser's number whenever it reads any answer otherwise than before: scores name it.
PARSER_VERSIONS: Mapping[str, int] = {"in_last_line": 2, "complex": 2, "strict": 1}


@dataclass(frozen=True)
class ScoredFile:
    """What one file says; exactly one of ``score`` and ``error`` is None.

    Attributes:
        file: The path as it was given.
        parser: Name of the parser used.
        score: Points, unrounded; None when unscored.
        error: Why it is unscored.
    """

    file: str
    parser: str
    score: float | None
    error: str | None


@dataclass(frozen=True)
class LocatedScore:
    """A score, and where its digits stand in the answer: ``answer[start:end]``.

    The mean of three sub-scores stands where the three do, a fraction with its denominator.
    """

    points: float
    start: int
    end: int


def parse_score(text: str, parser: str, scale: Scale) -> float:
    """Return the score in a judge's answer, unrounded.

    Args:
        text: The answer as the model gave it.
        parser: ``strict`` reads points on ``scale``. ``in_last_line`` and ``complex`` read points on
            0-10 whatever ``scale`` says, and what they read must lie on ``scale`` too.
        scale: The template's.

    Raises:
        ScoreParseError: No score, an unclear one, or one outside the scale.
        InputError: An unknown parser.
    """
    require_score_parser(parser)
    return _read(tail_of_text(text), parser, scale).points


def locate_score(text: str, parser: str, scale: Scale) -> LocatedScore:
    """Return the score with the place where it was read; arguments and errors as of `parse_score`."""
    require_score_parser(parser)
    reading = _read(tail_of_text(text), parser, scale)
    before = start_of_tail(text, reading.tail)
    start, end = reading.span
    return LocatedScore(reading.points, before + start, before + end)


def parse_score_file(path: str | os.PathLike[str], parser: str, scale: Scale) -> ScoredFile:
    """Read one answer's score from its file, in constant memory; a bad file is an unscored row.

    Raises:
        InputError: An unknown parser.
    """
    require_score_parser(parser)
    name = os.fspath(path)
    try:
        score = _read(tail_of_file(path), parser, scale).points
    except ScoreParseError as error:
        return ScoredFile(name, parser, None, str(error))
    except (OSError, ValueError) as error:  # ValueError: a path that no file can have
        return ScoredFile(name, parser, None, f"cannot read the file: {error}")
    return ScoredFile(name, parser, score, None)


def require_score_parser(parser: str) -> None:
    """Check a parser's name.

    Raises:
        InputError: Not one of ``SCORE_PARSERS``.
    """
    if parser not in _PARSERS:
        raise InputError(f"unknown score parser {parser!r}; allowed: {', '.join(SCORE_PARSERS)}.")


@dataclass(frozen=True)
class _Found:
    """A score as a parser found it.

    Attributes:
        line: Number of the line, from 0, in which it stands.
        start: Of its digits in that line; in what `plain_text` leaves of it where ``is_plain``.
        end: Likewise.
    """

    points: float
    line: int
    start: int
    end: int
    is_plain: bool


@dataclass(frozen=True)
class _Reading:
    """What a parser found in the end of an answer: ``tail[first:last]`` is not thinking."""

    found: _Found
    tail: str
    first: int
    last: int

    @property
    def points(self) -> float:
        """The score."""
        return self.found.points

    @property
    def span(self) -> tuple[int, int]:
        """Where its digits stand in ``tail``."""
        start, end = self.found.start, self.found.end
        place, line = line_at(self.tail[self.first : self.last], self.found.line)
        if self.found.is_plain:
            places = plain_places(line)
            start, end = places[start], places[end - 1] + 1
        return self.first + place + start, self.first + place + end


def _read(tail: bytes, parser: str, scale: Scale) -> _Reading:
    if not tail:
        raise ScoreParseError("the answer is empty: there is no score in it.")
    try:
        text = tail.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ScoreParseError(
            f"the answer is not UTF-8 (byte 0x{tail[error.start]:02x}, {len(tail) - error.start} bytes "
            "before its end): save it as UTF-8."
        ) from error
    first, last = verdict_span(text)
    lines = split_lines(text[first:last])
    while lines and not lines[-1]:
        lines.pop()
    if not lines:
        raise ScoreParseError("the answer holds nothing after its thinking: there is no score in it.")
    return _Reading(_PARSERS[parser](lines, scale), text, first, last)


def _strict(lines: list[str], scale: Scale) -> _Found:
    """The last line alone, and no other line of that shape among the last three."""
    match = _STRICT.fullmatch(lines[-1])
    if not match:
        raise ScoreParseError(
            f"the last line must be 'SCORE: x' and nothing else, x a plain number on {scale}; "
            f"got {_shown(lines[-1])}."
        )
    count = sum(_STRICT.fullmatch(line) is not None for _, line in _last_non_empty(lines))
    if count > 1:
        raise ScoreParseError(
            f"{count} 'SCORE: x' lines among the last {LAST_LINES} non-empty lines: exactly one is allowed."
        )
    points = float(match[1]) + 0.0  # -0.0 becomes 0.0
    if not scale.contains(points):
        raise ScoreParseError(f"score {match[1]} is outside the scale {scale}.")
    return _Found(points, len(lines) - 1, *match.span(1), is_plain=False)


def _in_last_line(lines: list[str], scale: Scale) -> _Found:
    for number, line in reversed(_last_non_empty(lines)):
        verdict = verdict_in_line(plain_text(line), sub_scores=True)
        if verdict:
            return _legacy_score(verdict, number, line, scale)
    raise ScoreParseError(
        f"no score in the last {LAST_LINES} non-empty lines: looked for a line such as 'SCORE: 7'; "
        f"the last line is {_shown(lines[-1])}."
    )


def _complex(lines: list[str], scale: Scale) -> _Found:
    below, below_number = "", 0  # the next non-empty line, which may hold the score of a header
    for number in range(len(lines) - 1, max(0, len(lines) - COMPLEX_LINES) - 1, -1):
        plain = plain_text(lines[number])
        verdict = verdict_in_line(plain, sub_scores=False)
        if verdict:
            return _legacy_score(verdict, number, lines[number], scale)
        verdict = verdict_below_header(plain, below)
        if verdict:
            return _legacy_score(verdict, below_number, f"{lines[number]} {below}", scale)
        if plain:
            below, below_number = plain, number
    raise ScoreParseError(
        f"no score in the last {COMPLEX_LINES} lines: looked for 'Score: 7/10' or a Score header "
        f"with the score on the next line; the last line is {_shown(lines[-1])}."
    )


def _legacy_score(verdict: Verdict, number: int, line: str, scale: Scale) -> _Found:
    if verdict.points is None or verdict.span is None:
        raise ScoreParseError(f"the last verdict cannot be read: {verdict.problem}; got {_shown(line)}.")
    if not LEGACY_SCALE.contains(verdict.points):
        raise ScoreParseError(f"score {verdict.points:g} is outside the scale 0-10; got {_shown(line)}.")
    if not scale.contains(verdict.points):
        raise ScoreParseError(
            f"score {verdict.points:g} is outside the scale {scale}: in_last_line and complex read 0-10. "
            "Use the strict parser for another scale."
        )
    return _Found(verdict.points + 0.0, number, *verdict.span, is_plain=True)


def _last_non_empty(lines: list[str]) -> list[tuple[int, str]]:
    """The last lines that are not empty, each with its number."""
    return [(number, line) for number, line in enumerate(lines) if line][-LAST_LINES:]


def _shown(line: str) -> str:
    return repr(line if len(line) <= _SHOWN else line[:_SHOWN] + "…")


_PARSERS: dict[str, Callable[[list[str], Scale], _Found]] = {
    "in_last_line": _in_last_line,
    "complex": _complex,
    "strict": _strict,
}
