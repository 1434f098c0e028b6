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
    is_in_words: bool = False  # as of `_WORDY_DENOMINATOR`, outside round brackets


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
# "Maximum score: 10" tells about the scale, "previous score: 5" about another essay. "Max." is short for it
# only where nothing stands before: "500 words at max. Score: 7" is two sentences.
_OTHER_SCORE = re.compile(
    r"(?:(?<!\w)(?:max(?:imum)?|min(?:imum)?|highest|lowest|possible|perfect|passing|previous|prior)"
    r"|(?:^|[^\w\s]) ?(?:the )?(?:max|min)\.)"
    r"(?: (?:possible|achievable|attainable|obtainable|available|allowed|passing"
    r"|total|overall|final|combined|weighted|evaluation|essay)){0,2}[ -]$",
    re.IGNORECASE,
)
_LOOK_BACK = 50  # characters, more than `_OTHER_SCORE` can take

_PLAIN = re.compile(rf"{_OPEN}(?P<number>-?{_NUMBER}){_CLOSE}")
_SUB_SCORES = re.compile(rf"{_OPEN}([0-9])(?P<gap>, ?| |)([0-9])(?P=gap)([0-9])(?!\.?[0-9]){_CLOSE}")
_POINTS = re.compile(r" ?(?:points?|pts?|stars?|marks?)(?!\w)", re.IGNORECASE)
_DENOMINATOR = re.compile(
    rf" ?\(?(?:/|(?:out )?of(?= )) ?{_OPEN}(?P<number>{_NUMBER}){_CLOSE}", re.IGNORECASE
)
_MOST = r"(?:(?:(?:a|the) )?(?:(?:total|possible|max(?:imum)?\.?|score) ){1,3}(?:of )?)?"
_THINGS = (
    r" (?:(?!(?:as|is|was|has|its|this|plus|points|pts|stars|marks)(?!\w))[^\W\d_]{2,40}s|criteria)(?!\w)"
)
# What `_DENOMINATOR` does not take: 4 [out of 5], 4, out of 5, 4 out of a possible 5. Not 7, out of 20 texts.
_WORDY_DENOMINATOR = re.compile(
    r"(?:(?: ?[(\[] ?| ?)(?:/ ?|(?<!\w)(?:out )?of )|(?P<aside>, ?| ?[-–—]{1,2} ?)out of )"
    rf"{_MOST}{_OPEN}(?P<number>{_NUMBER})(?!\.?[0-9]){_CLOSE}(?(aside)(?!{_THINGS}))",
    re.IGNORECASE,
)
_SCALE_AFTER = re.compile(
    r" ?\(?(?:on|in) (?:a|the) (?:scale (?:of|from) )?(?:[0-9]{1,4} ?(?:-|–|to) ?)?(?P<top>[0-9]{1,4})",
    re.IGNORECASE,
)
_RANGE = r" ?(?:-|–|to) ?"
_REMARK_ENDS = r"(?= ?(?:[)\],;.!]|$))"
# A remark that begins with the scale: 4 (max 5), 4, max. 5, 4 (scale: 1-5), 3 (5-point scale). A bare range
# is one only from 0 or 1 on: in 7 (6-8) it says how sure the judge is.
_SCALE_REMARK = re.compile(
    r"(?: ?[(\[] ?|, ?| ?[-–—]{1,2} ?| )(?:(?:on|in|with|where) )?(?:(?:a|the) )?(?:"
    r"max(?:imum)?\.?(?: (?:possible|total|score|points|is|of)){0,3}(?: ?[:=])? ?(?P<most>[0-9]{1,4})"
    rf"(?:\.0)?(?: ?(?:points?|pts?|stars?|marks?))?{_REMARK_ENDS}|"
    rf"(?P<most_first>[0-9]{{1,4}})(?: points?)? (?:is (?:the )?)?max(?:imum)?{_REMARK_ENDS}|"
    rf"scale(?: of| from| is)?(?: ?[:=])? ?(?:[0-9]{{1,4}}{_RANGE})?(?P<top>[0-9]{{1,4}})|"
    rf"(?:[0-9]{{1,4}}{_RANGE})?(?P<top_first>[0-9]{{1,4}})(?:[- ]points?)? scale(?!\w)|"
    rf"(?P<best>[0-9]{{1,4}}) (?:is|being) (?:the )?(?:best|highest){_REMARK_ENDS}|"
    rf"(?:range:? |from )?[01]{_RANGE}(?P<bare_top>[0-9]{{1,4}})(?:\.0)?(?= ?[)\],;.]))",
    re.IGNORECASE,
)
_REMARK = re.compile(r" ?\([^()]{0,400}\)")
# Anything that makes the number just read a part of something else: 7-8, 7,5, 4 + 3, 7 or 8, 70%, 1 = poor.
_CONTINUES = re.compile(
    r"\w|\.?[^\w\s]?\d| ?[%‰٪+=×]| ?(?:[^\w\s.!?()\[\]]{1,3}|to|or|and)? ?[-+~]?\.?\d", re.IGNORECASE
)
_QUALIFIER_MOST = re.compile(
    rf"(?:out of|/|max\w{{0,5}}\.?(?: of| is| ?[:=])?) ?{_MOST}([0-9]{{1,4}})", re.IGNORECASE
)
_QUALIFIER_SCALE = re.compile(rf"[0-9]{_RANGE}([0-9]{{1,4}})|([0-9]{{1,4}})[- ]points? scale")
_MORE_WORDS = re.compile(r" [^\W\d_]{2}")
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
    if triple and not _is_one_number(line, triple.end()):
        end = _end_of_value(line, triple.end())
        mean = sum(int(digit) for digit in triple.group(1, 3, 4)) / 3
        verdict = _unless_it_continues(line, end, mean)
        return _value(verdict, (triple.start(1), triple.end(4)), end, is_fraction=False)
    if not plain:
        return None
    points = _POINTS.match(line, plain.end())
    after = points.end() if points else plain.end()
    usual = _DENOMINATOR.match(line, after)
    fraction = usual or _WORDY_DENOMINATOR.match(line, after)
    end = _end_of_value(line, fraction.end() if fraction else plain.end())
    number = float(plain["number"])
    if fraction:
        verdict = _rescaled(number, float(fraction["number"]))
        if _is_unclear(line, fraction):
            verdict = Verdict(None, f"whether it is a fraction of {fraction['number']} is not clear")
    else:
        named = _SCALE_AFTER.match(line, plain.end()), _SCALE_REMARK.match(line, after)
        verdict = _qualified(number, qualifier or "", *named)
    if verdict.points is not None:
        verdict = _unless_it_continues(line, end, verdict.points)
    span = plain.start("number"), fraction.end("number") if fraction else plain.end("number")
    value = _value(verdict, span, end, is_fraction=fraction is not None)
    return replace(value, is_in_words=bool(fraction and not usual and not _REMARK.match(line, after)))


def _is_one_number(line: str, end: int) -> bool:
    """Whether three digits up to ``end`` are the numerator of a fraction."""
    wordy = _WORDY_DENOMINATOR.match(line, end)
    of_other = wordy is not None and float(wordy["number"]) != LEGACY_MAXIMUM
    return of_other or _DENOMINATOR.match(line, end) is not None


def _is_unclear(line: str, fraction: re.Match[str]) -> bool:
    """Whether it may be no fraction at all: ``7, out of 20 it read``."""
    return (
        bool(fraction.groupdict().get("aside"))
        and float(fraction["number"]) != LEGACY_MAXIMUM
        and not _POINTS.match(line, fraction.end())
        and _MORE_WORDS.match(line, fraction.end()) is not None
    )


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


def _qualified(
    number: float, qualifier: str, after: re.Match[str] | None, remark: re.Match[str] | None
) -> Verdict:
    """A plain number whose scale is named before or after: ``Score (out of 5): 4``, ``4 on a 1-5 scale``.

    Args:
        number: As written.
        qualifier: What stands in brackets in the label.
        after: Of `_SCALE_AFTER`.
        remark: Of `_SCALE_REMARK`.
    """
    out_of = _QUALIFIER_MOST.search(qualifier)
    most = out_of[1] if out_of else remark and (remark["most"] or remark["most_first"])
    if most and float(most) != LEGACY_MAXIMUM:
        return _rescaled(number, float(most))
    scale = _QUALIFIER_SCALE.search(qualifier) or after or remark
    named = next(filter(None, scale.groups()), None) if scale and not out_of else None
    if named and float(named) != LEGACY_MAXIMUM:
        return Verdict(None, f"it is on a scale up to {named}, and this parser reads 0-10")
    return Verdict(number)


def _stands_alone(line: str, value: _Value) -> bool:
    """Whether the line says the value and no more; a fraction may have a remark after punctuation."""
    if value.is_in_words:
        # An essay that says it so is shown to judges as it is: prompts/verdict_lines.py.
        return False
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
    return _OTHER_SCORE.search(line, max(0, start - _LOOK_BACK), start) is not None
