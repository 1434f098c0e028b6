"""Which lines of an essay could be taken for a judge's verdict.

Wider than what the score parsers read, on purpose: whatever one of them would read as a verdict, were a
judge to copy the line, is found here. The test holds the two together.
"""

from __future__ import annotations

import re

_FORMATTING = re.compile(r"</?(?:b|strong|i|em|u|p|br|span|code|h[1-6])\s?/?>", re.IGNORECASE)
_CHARACTERS = str.maketrans(dict.fromkeys("*_`#\\", " ") | dict(zip("−【】", "-[]", strict=True)))

# White space is single spaces by now and every repeat is bounded: linear in the line's length.
_SCORE = r"(?<!\w)score(?!\w)[\"'”’]?(?: ?\([^()]{0,80}\)| out of ?[0-9]{1,4}| ?/ ?[0-9]{1,4})?[\"'”’]?"
_NUMBER_AHEAD = r"[(\[{<\"'“‘ ]{0,6}-?\.?[0-9]"
_SEPARATED = re.compile(
    rf"{_SCORE}(?: (?:is|was))? ?(?:[-=]{{1,2}}>|[:=|→])[-=>:|→ ]{{0,12}}{_NUMBER_AHEAD}", re.IGNORECASE
)
_FIRST_WORDS = r"[^\w]{0,12}(?:[0-9]{1,2}[.)] )?(?:[^\s:=|]{1,41}[,:]? ){0,5}"
_LABEL = re.compile(
    r"[^\w]{0,12}(?:[0-9]{1,2}[.)] )?(?:(?:the|my|this|its|our|final|overall|total|so|thus|therefore|hence|"
    rf"combined|weighted|evaluation|essay) ){{0,3}}{_SCORE}(?: (?:is|was))? ?(?:[-=]{{1,2}}>|[:=→]) ?\S",
    re.IGNORECASE,
)
_BARE = re.compile(
    rf"{_FIRST_WORDS}{_SCORE}(?: (?:is|was|equals))? ?[-–—]{{0,2}} ?{_NUMBER_AHEAD}", re.IGNORECASE
)
_HEADER = re.compile(rf"{_SCORE}[^\w.,;!?]{{0,12}}$", re.IGNORECASE)
_VALUE = re.compile(rf"[-–•>+ ]{{0,8}}{_NUMBER_AHEAD}")
_FRACTION = re.compile(
    r"[0-9.]{0,60} ?(?:/|(?:out )?of) ?[0-9.]{1,60}[)\]}\"'”’ ]{0,6}[^\w\s]", re.IGNORECASE
)
_REMARK = re.compile(r"\([^()]{0,400}\)")
_WORD = re.compile(r"[^\W\d_]{2,}")
_WORDS_OF_A_VALUE = frozenset({
    "to", "or", "and", "out", "of",
    "point", "points", "pt", "pts", "star", "stars", "mark", "marks",
})  # fmt: skip


def plain_verdict_line(line: str) -> str:
    """A folded line without markdown and HTML formatting, with single spaces."""
    return " ".join(_FORMATTING.sub(" ", line).translate(_CHARACTERS).split())


def is_verdict_line(line: str, next_line: str) -> bool:
    """Whether a line says a score.

    Args:
        line: As `plain_verdict_line` leaves it.
        next_line: The next line with anything in it, likewise: it may hold the score of a header.
    """
    if _SEPARATED.search(line) or _LABEL.match(line):
        return True
    bare = _BARE.match(line)
    if bare and _ends_with_value(line, bare.end() - 1):
        return True
    value = _VALUE.match(next_line)
    return bool(value and _HEADER.search(line) and _ends_with_value(next_line, value.end() - 1))


def _ends_with_value(line: str, start: int) -> bool:
    """Whether nothing but the number at ``start``, and what belongs to it, ends the line."""
    if _FRACTION.match(line, start):
        return True
    rest = _REMARK.sub(" ", line[start:])
    return all(word.lower() in _WORDS_OF_A_VALUE for word in _WORD.findall(rest))
