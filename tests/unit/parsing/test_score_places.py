"""Where a score stands in its verdict: always where the parser read it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings

from daydreaming.errors import ScoreParseError
from daydreaming.inputs.records import SCORE_PARSERS
from daydreaming.parsing.score import Scale, locate_score, parse_score
from daydreaming.parsing.tail import WINDOW_BYTES
from daydreaming.parsing.verdicts import plain_places, plain_text
from tests.unit.parsing.test_score import SCALES, TEN, TEXTS
from tests.unit.parsing.test_score_docs import examples

SCORED = [(parser, scale, answer) for parser, scale, answer, score in examples() if score != "unscored"]


def marked(text: str, parser: str, scale: Scale = TEN) -> str:
    found = locate_score(text, parser, scale)
    assert found.points == parse_score(text, parser, scale)
    return text[found.start : found.end]


def points_written(span: str, parser: str) -> list[float]:
    """Every score that the marked digits can mean."""
    numbers = [float(number) for number in re.findall(r"-?[0-9]+(?:\.[0-9]+)?", span)]
    digits = re.sub(r"[, ]", "", span)
    means = [sum(map(int, digits)) / 3] if len(digits) == 3 and digits.isdecimal() else []
    fractions = [10 * numbers[0] / numbers[1]] if len(numbers) == 2 else []
    return [*means, *fractions, *(numbers if len(numbers) == 1 else [])]


@pytest.mark.parametrize(("parser", "scale", "answer"), SCORED)
def test_the_marked_digits_of_each_example_in_the_docs_are_those_of_its_score(parser, scale, answer):
    points = parse_score(answer, parser, Scale.parse(scale))
    span = marked(answer, parser, Scale.parse(scale))
    expected = points_written(span, parser)
    if span == "4" and re.search(r"\((?:out of|max) 5\)", answer):
        expected = [2 * expected[0]]  # the label, or the remark, names the denominator
    assert any(points == pytest.approx(one) for one in expected), span


@pytest.mark.parametrize(
    ("text", "parser", "expected"),
    [
        ("Sound.\r\nSCORE: 7.25\r\n\r\n", "strict", "7.25"),
        ("\ufeffSCORE: -3", "strict", "-3"),
        ("SCORE: 3\nOne.\nTwo.\nThree.\nSCORE: 7", "strict", "7"),
        ("**Score:** <b>7</b>/10 points", "in_last_line", "7</b>/10"),
        ("> *Final* __score__ \u200b： **8\u200b.5**", "in_last_line", "8\u200b.5"),
        ("SCORE: 6\nSCORE: 4, 5, 6", "in_last_line", "4, 5, 6"),
        ("SCORE: 4 (out of 5)", "in_last_line", "4 (out of 5"),
        ("SCORE: 4, out of a total of **5**.", "in_last_line", "4, out of a total of **5"),
        ("SCORE: 4 (max 5)", "in_last_line", "4"),
        ("SCORE: 7\nReason 9.\nReason 8.", "in_last_line", "7"),
        ("Score: 2/10\n## Final Score\n\n- **8/10**\nas said", "complex", "8/10"),
        ("<think>SCORE: 7</think>\nSCORE: 7", "in_last_line", "7"),
        ("reasons " * WINDOW_BYTES + "\r\nSCORE: 7", "strict", "7"),
        ("ä€😀\ud800 " * WINDOW_BYTES + "\nScore: 4/5 €", "complex", "4/5"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_the_mark_covers_what_was_read(text, parser, expected):
    assert marked(text, parser, Scale(-10, 10)) == expected


@pytest.mark.parametrize(
    ("text", "parser", "which"),
    [
        ("<think>SCORE: 7</think>\nSCORE: 7", "in_last_line", "last"),
        ("SCORE: 7\n<think>\nSCORE: 7", "complex", "first"),
        ("SCORE: 7\nOne.\n\nTwo.\nThree.\nSCORE: 7\n", "strict", "last"),
    ],
)
def test_of_equal_lines_the_one_that_counts_is_marked(text, parser, which):
    line = text.index("SCORE: 7") if which == "first" else text.rindex("SCORE: 7")
    assert locate_score(text, parser, TEN).start == line + len("SCORE: ")


@pytest.mark.parametrize("parser", SCORE_PARSERS)
@settings(max_examples=400, deadline=None)
@given(text=TEXTS, scale=SCALES)
def test_whatever_is_scored_is_marked_where_it_stands(parser, text, scale):
    try:
        points = parse_score(text, parser, scale)
    except ScoreParseError as error:
        with pytest.raises(ScoreParseError, match=re.escape(str(error))):
            locate_score(text, parser, scale)
        return
    found = locate_score(text, parser, scale)
    assert found.points == points
    span = text[found.start : found.end]
    assert span[0] in "-0123456789−"
    assert span[-1].isdecimal()
    # Other digits in this place are another score: no parser read them elsewhere.
    other = text[: found.start] + "x" * len(span) + text[found.end :]
    try:
        again = locate_score(other, parser, scale)
    except ScoreParseError:
        return
    assert (again.start, again.end) != (found.start, found.end)


@settings(max_examples=300, deadline=None)
@given(line=TEXTS.map(lambda text: text.replace("\n", " ").replace("\r", " ")))
def test_each_character_of_a_plain_line_has_its_place(line):
    plain, places = plain_text(line), plain_places(line)
    assert len(places) == len(plain)
    assert places == sorted(set(places))
    for character, place in zip(plain, places, strict=True):
        assert character == " " or plain_text(f"a{line[place]}b") == f"a{character}b"


def test_formatting_takes_no_place():
    line = "<b>  a</b>*b*\u3000"
    assert plain_text(line) == "a b"
    assert plain_places(line) == [5, 10, 11]
