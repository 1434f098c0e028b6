"""What a line of a judge's free-form answer says about the score, for the legacy parsers.

A line is first freed of formatting. Then two shapes are verdicts: the word "score" with a separator
that prose does not use (``:``, ``=``, ``|``, an arrow) anywhere in the line, and a line that as a
whole says nothing but the score (``Final score 7``, ``SCORE - 7``, ``My final score is 7.``).
Numbers near "score" in a sentence ("the score 3 reviewers gave") are not.

Source: docs/scoring.md, "What counts as a verdict".
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

LEGACY_MAXIMUM = 10.0
LARGEST_DENOMINATOR = 1000.0


@dataclass(frozen=True)
class Verdict:
    """One verdict as the judge wrote it.

    Attributes:
        points: Points on 0–10, not yet checked against it; None where it cannot be read.
        problem: Why it cannot be read; empty where it can.
        span: Where the number, a fraction's denominator included, stands in the line that
            `plain_text` left; None where there is no number.
    """

    points: float | None
    problem: str = ""
    span: tuple[int, int] | None = None


@dataclass(frozen=True)
class _Value:
    verdict: Verdict
    end: int
    is_fraction: bool


_CHARACTERS = str.maketrans(
    dict.fromkeys("*_`#\\\u00a0\u202f\u3000", " ")
    | dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff", "")
    | dict(zip("：＝｜／−（）【】", ":=|/-()[]", strict=True))
)
_HTML_FORMATTING = re.compile(r"</?(?:b|strong|i|em|u|p|br|span|code|h[1-6])\s?/?>", re.IGNORECASE)

# Whitespace is single spaces by now and every repeat is bounded: linear in the line's length.
_OPEN = r"[(\[{<\"'“‘]{0,3} ?"
_CLOSE = r"(?: ?[)\]}>\"'”’]){0,3}"
_NUMBER = r"[0-9]{1,30}(?:\.[0-9]{1,30})?"
_LABEL = (
    r"(?<!\w)(?P<label>(?i:score))(?!\w)[\"'”’]?"
    r"(?P<qualifier> ?\([^()]{0,80}\)| (?i:out of) ?[0-9]{1,4}| ?/ ?[0-9]{1,4})?[\"'”’]?"
)
_FINAL_WORDS = (
    r"(?:the|my|this|its|our|final|overall|total|so|thus|therefore|hence|combined|weighted|evaluation|essay)"
)
_BULLETS = r"[^\w]{0,12}(?:[0-9]{1,2}[.)] )?"

_STRONG = re.compile(rf"{_LABEL}(?: (?:is|was))?(?P<separator>(?: ?(?:[-=]{{1,2}}>|[:=|→])){{1,4}}) ?")
_BARE_LABEL = re.compile(rf"{_BULLETS}(?:{_FINAL_WORDS} ){{0,3}}score", re.IGNORECASE)
_SENTENCE = re.compile(
    rf"{_BULLETS}(?:{_FINAL_WORDS}[,:]? ){{0,5}}{_LABEL} (?:is|was|equals) ", re.IGNORECASE
)
_LABELLED = re.compile(
    rf"{_BULLETS}(?:(?:(?i:{_FINAL_WORDS})|[A-Z][\w'’&/-]{{0,40}}) ){{0,5}}{_LABEL}"
    r"(?: [-–—]{1,2} |[-–—]{1,2} ?| )"
)
_HEADER = re.compile(rf"{_LABEL}[^\w.,;!?]{{0,12}}$")
_VALUE_BULLET = re.compile(r"(?:[-–•>+] ){0,2}")
# "Maximum score: 10" tells about the scale, "previous score: 5" about another essay.
_OTHER_SCORE = re.compile(
    r"(?<!\w)(?:max(?:imum)?|min(?:imum)?|highest|lowest|possible|perfect|passing|previous|prior)[ -]$",
    re.IGNORECASE,
)

_PLAIN = re.compile(rf"{_OPEN}(?P<number>-?{_NUMBER}){_CLOSE}")
_SUB_SCORES = re.compile(rf"{_OPEN}([0-9])(?P<gap>, ?| |)([0-9])(?P=gap)([0-9])(?!\.?[0-9]){_CLOSE}")
_POINTS = re.compile(r" ?(?:points?|pts?|stars?|marks?)(?!\w)", re.IGNORECASE)
_DENOMINATOR = re.compile(
    rf" ?\(?(?:/|(?:out )?of(?= )) ?{_OPEN}(?P<number>{_NUMBER}){_CLOSE}", re.IGNORECASE
)
_SCALE_AFTER = re.compile(
    r" ?\(?(?:on|in) (?:a|the) (?:scale (?:of|from) )?(?:[0-9]{1,4} ?(?:-|–|to) ?)?(?P<top>[0-9]{1,4})",
    re.IGNORECASE,
)
_REMARK = re.compile(r" ?\([^()]{0,400}\)")
# Anything that makes the number just read a part of something else: 7-8, 7,5, 4 + 3, 7 or 8, 70%, 1 = poor.
_CONTINUES = re.compile(
    r"\w|\.?[^\w\s]?\d| ?[%‰٪+=×]| ?(?:[^\w\s.!?()\[\]]{1,3}|to|or|and)? ?[-+~]?\.?\d", re.IGNORECASE
)
_CLEAN_END = re.compile(r" ?[^\w]{0,12}$")
_PUNCTUATION = re.compile(r" ?[^\w\s]")
_WORD = re.compile(r"(?<!\w)(?!(?:to|or|and)(?!\w))[^\W\d_]{2}", re.IGNORECASE)


def plain_text(line: str) -> str:
    """The line without markdown, HTML formatting and invisible characters, with single spaces."""
    return " ".join(_HTML_FORMATTING.sub(" ", line).translate(_CHARACTERS).split())


def plain_places(line: str) -> list[int]:
    """Where each character of ``plain_text(line)`` stands in ``line``."""
    blanked = _HTML_FORMATTING.sub(lambda tag: " " * len(tag[0]), line)
    kept = [(place, left) for place, one in enumerate(blanked) for left in one.translate(_CHARACTERS)]
    places: list[int] = []
    for word in re.finditer(r"\S+", "".join(left for _, left in kept)):
        first, end = word.span()
        # All words but the first have the space before them.
        places += [place for place, _ in kept[first - bool(places) : end]]
    return places


def verdict_in_line(line: str, *, sub_scores: bool) -> Verdict | None:
    """The last verdict in a line; None where it has none.

    Args:
        line: One line, as `plain_text` leaves it.
        sub_scores: Whether exactly three digits are three sub-scores, to be averaged.
    """
    verdict: Verdict | None = None
    for verdict in _strong_verdicts(line, sub_scores=sub_scores):  # noqa: B007 - the last one counts
        pass
    return verdict or _whole_line_verdict(line, sub_scores=sub_scores)


def verdict_below_header(header: str, line: str) -> Verdict | None:
    """The verdict in ``line``, a score and nothing else, when ``header`` ends with the word score."""
    match = _HEADER.search(header)
    if not match or _is_other_score(header, match):
        return None
    bullet = _VALUE_BULLET.match(line)
    value = _read_value(line, bullet.end() if bullet else 0, match["qualifier"], sub_scores=False)
    return value.verdict if value and _stands_alone(line, value) else None


def _strong_verdicts(line: str, *, sub_scores: bool) -> Iterator[Verdict]:
    read_until = 0
    for match in _STRONG.finditer(line):
        if match.start() < read_until or _is_other_score(line, match):
            continue
        value = _read_value(line, match.end(), match["qualifier"], sub_scores=sub_scores)
        if value:
            read_until = value.end
            yield value.verdict
        elif _is_bare_label(line, match) and "|" not in match["separator"] and match.end() < len(line):
            yield Verdict(None, "there is no number after the label")


def _whole_line_verdict(line: str, *, sub_scores: bool) -> Verdict | None:
    sentence = _SENTENCE.match(line)
    match = sentence or _LABELLED.match(line)
    if not match or _is_other_score(line, match):
        return None
    value = _read_value(line, match.end(), match["qualifier"], sub_scores=sub_scores)
    return value.verdict if value and _stands_alone(line, value) else None


def _read_value(line: str, start: int, qualifier: str | None, *, sub_scores: bool) -> _Value | None:
    """Read the number at ``start`` with all that belongs to it; None where there is no number."""
    triple = _SUB_SCORES.match(line, start) if sub_scores else None
    plain = _PLAIN.match(line, start)
    if triple and not _DENOMINATOR.match(line, triple.end()):
        end = _end_of_value(line, triple.end())
        mean = sum(int(digit) for digit in triple.group(1, 3, 4)) / 3
        verdict = _unless_it_continues(line, end, mean)
        return _value(verdict, (triple.start(1), triple.end(4)), end, is_fraction=False)
    if not plain:
        return None
    points = _POINTS.match(line, plain.end())
    fraction = _DENOMINATOR.match(line, points.end() if points else plain.end())
    end = _end_of_value(line, fraction.end() if fraction else plain.end())
    number = float(plain["number"])
    if fraction:
        verdict = _rescaled(number, float(fraction["number"]))
    else:
        scale_after = _SCALE_AFTER.match(line, plain.end())
        verdict = _qualified(number, qualifier or "", scale_after["top"] if scale_after else None)
    if verdict.points is not None:
        verdict = _unless_it_continues(line, end, verdict.points)
    span = plain.start("number"), fraction.end("number") if fraction else plain.end("number")
    return _value(verdict, span, end, is_fraction=fraction is not None)


def _value(verdict: Verdict, span: tuple[int, int], end: int, *, is_fraction: bool) -> _Value:
    return _Value(replace(verdict, span=span), end, is_fraction)


def _end_of_value(line: str, end: int) -> int:
    for pattern in (_POINTS, _REMARK):
        match = pattern.match(line, end)
        end = match.end() if match else end
    return end


def _unless_it_continues(line: str, end: int, points: float) -> Verdict:
    if _CONTINUES.match(line, end):
        return Verdict(None, "the number is part of a range, a list, a sum, a percentage or a word")
    return Verdict(points)


def _rescaled(number: float, denominator: float) -> Verdict:
    if not 1 <= denominator <= LARGEST_DENOMINATOR:
        return Verdict(None, f"a fraction of {denominator:g} (allowed: 1 to {LARGEST_DENOMINATOR:g})")
    return Verdict(number * LEGACY_MAXIMUM / denominator)


def _qualified(number: float, qualifier: str, top: str | None) -> Verdict:
    """A plain number whose scale is named before or after: ``Score (out of 5): 4``, ``4 on a 1-5 scale``."""
    out_of = re.search(r"(?:out of|/|max\w{0,5}) ?([0-9]{1,4})", qualifier, re.IGNORECASE)
    if out_of:
        return _rescaled(number, float(out_of[1]))
    scale = re.search(r"[0-9] ?(?:-|–|to) ?([0-9]{1,4})", qualifier)
    named = scale[1] if scale else top
    if named and float(named) != LEGACY_MAXIMUM:
        return Verdict(None, f"it is on a scale up to {named}, and this parser reads 0-10")
    return Verdict(number)


def _stands_alone(line: str, value: _Value) -> bool:
    """Whether the line says the value and no more; a fraction may have a remark after punctuation."""
    if value.verdict.points is None:
        return _WORD.search(line, value.end) is None
    if _CLEAN_END.match(line, value.end):
        return True
    return value.is_fraction and _PUNCTUATION.match(line, value.end) is not None


def _is_bare_label(line: str, match: re.Match[str]) -> bool:
    bare = _BARE_LABEL.match(line)
    return bare is not None and bare.end() == match.end("label")


def _is_other_score(line: str, match: re.Match[str]) -> bool:
    start = match.start("label")
    return _OTHER_SCORE.search(line, max(0, start - 20), start) is not None
