"""Judges' scores: what docs/scoring.md does not show in a table, and what must hold for any text."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daydreaming.errors import InputError, ScoreParseError
from daydreaming.inputs.records import SCORE_PARSERS
from daydreaming.parsing.score import Scale, parse_score
from daydreaming.parsing.tail import WINDOW_BYTES

TEN = Scale(0, 10)


@pytest.mark.parametrize(
    ("text", "minimum", "maximum"),
    [
        ("0-9", 0, 9),
        ("1 - 5", 1, 5),
        ("-5-5", -5, 5),
        ("-5--1", -5, -1),
        ("0.5-1.5", 0.5, 1.5),
        ("0–10", 0, 10),
    ],
)
def test_scale_is_read(text, minimum, maximum):
    assert Scale.parse(text) == Scale(minimum, maximum)


@pytest.mark.parametrize(
    "text", ["", "10", "a-b", "0-", "-", "0:10", "0-1e3", "0-inf", "nan-1", "0-9-", "٠-٩"]
)
def test_nonsense_scale_is_refused_with_an_example(text):
    with pytest.raises(InputError, match="minimum-maximum, such as 0-10"):
        Scale.parse(text)


@pytest.mark.parametrize("text", ["9-0", "5-5", "0-" + "9" * 400])
def test_scale_without_room_is_refused(text):
    with pytest.raises(InputError, match="two finite numbers, the lower one first"):
        Scale.parse(text)


def test_unknown_parser_is_refused_with_the_allowed_ones():
    with pytest.raises(InputError, match="'best'; allowed: in_last_line, complex, strict"):
        parse_score("SCORE: 7", "best", TEN)


@pytest.mark.parametrize("parser", SCORE_PARSERS)
@pytest.mark.parametrize("text", ["", " \n\t\r\n"])
def test_empty_answer_is_unscored(text, parser):
    with pytest.raises(ScoreParseError, match="the answer is empty"):
        parse_score(text, parser, TEN)


@pytest.mark.parametrize("parser", SCORE_PARSERS)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_of_every_system_are_read(parser, end):
    assert parse_score(end.join(["Reasoning.", "", "SCORE: 7  ", "", ""]), parser, TEN) == 7.0


@pytest.mark.parametrize(
    ("text", "parser", "message"),
    [
        (
            "no",
            "strict",
            "the last line must be 'SCORE: x' and nothing else, x a plain number on 0-10; got 'no'",
        ),
        ("SCORE: 11", "strict", "score 11 is outside the scale 0-10"),
        ("SCORE: 1\nSCORE: 2", "strict", "2 'SCORE: x' lines among the last 3"),
        ("no", "in_last_line", "no score in the last 3 non-empty lines.*the last line is 'no'"),
        ("SCORE: 11", "in_last_line", "score 11 is outside the scale 0-10; got 'SCORE: 11'"),
        ("SCORE: 7-8", "in_last_line", "part of a range"),
        ("SCORE: high", "in_last_line", "no number after the label"),
        ("Score: 1/0", "complex", "a fraction of 0"),
        ("Score (1-7): 4", "complex", "on a scale up to 7, and this parser reads 0-10"),
        ("no", "complex", "no score in the last 30 lines"),
        ("## Score\n11", "complex", "outside the scale 0-10; got '## Score 11'"),
        ("<think>\nSCORE: 7", "complex", "nothing after its thinking"),
        ("x" * 500, "strict", "x…'"),
    ],
)
def test_error_says_what_is_wrong(text, parser, message):
    with pytest.raises(ScoreParseError, match=message):
        parse_score(text, parser, TEN)


def test_legacy_score_outside_the_templates_scale_is_unscored_not_clamped():
    with pytest.raises(
        ScoreParseError, match=r"9\.5 is outside the scale 0-9: in_last_line and complex read 0-10"
    ):
        parse_score("SCORE: 9.5", "in_last_line", Scale(0, 9))


@pytest.mark.parametrize(("filler", "score"), [(29, 6.0), (30, None)])
def test_complex_looks_at_thirty_lines(filler, score):
    text = "Total Score: 6/10\n" + "and more\n" * filler
    if score is not None:
        assert parse_score(text, "complex", TEN) == score
    else:
        with pytest.raises(ScoreParseError, match="last 30 lines"):
            parse_score(text, "complex", TEN)


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("Thinking it over: SCORE: 2</think>\nSCORE: 7", 7.0),
        ("<thinking>SCORE: 2</thinking>SCORE: 7", 7.0),
        ("It has a <thinking> part.\nSCORE: 7", 7.0),
        ("SCORE: 7\n<think>\nSCORE: 2", 7.0),
    ],
)
def test_thinking_is_not_the_verdict(text, score):
    assert parse_score(text, "in_last_line", TEN) == score


@pytest.mark.parametrize("separator", ["—", "->", "→", "=>", "is", "was", ":=", "-- "])
def test_other_separators_are_read(separator):
    assert parse_score(f"Final score {separator} 8", "in_last_line", TEN) == 8.0


@pytest.mark.parametrize(
    "line",
    [
        "scores: 7", "Subscore: 7", "underscore: 7", "Scoring: 7", "Rating: 7", "Perfect score: 10",
        "The score is 2 points lower than last time.", "If the score is 7, I am content.",
        "A flawless essay would get a score of 10.", "I scored 7 essays.", "| Criterion | Score |",
    ],
)  # fmt: skip
def test_prose_about_scores_is_not_a_verdict(line):
    with pytest.raises(ScoreParseError, match="no score in the last 3"):
        parse_score(line, "in_last_line", TEN)


@pytest.mark.parametrize(
    "value",
    [
        "4 (max 5)", "4 (max. 5)", "4 (a maximum of 5 points)", "4 (5 points max)", "4, max 5", "4 - max. 5",
        "4 of a maximum of 5", "4 of max. 5", "4/max 5", "4 out of a possible 5", "4 (out of a possible 5)",
        "4 out of the total of 5", "4, out of 5", "4, out of 5 points", "4 - out of 5", "4 — out of 5",
        "4 [out of 5]", "4 [/5]", "4 points [of 5]",
    ],
)  # fmt: skip
@pytest.mark.parametrize("parser", ["in_last_line", "complex"])
def test_points_out_of_five_are_not_taken_for_points_out_of_ten(parser, value):
    assert parse_score(f"Sound.\nSCORE: {value}", parser, TEN) == 8.0
    ten = value.replace("5", "10").replace("4", "7")
    assert parse_score(f"Sound.\nSCORE: {ten}", parser, TEN) == 7.0


@pytest.mark.parametrize(
    "value",
    [
        "4 (1-5)", "4 [1-5]", "4 (0 to 5)", "4 (from 1 to 5)", "4 (range: 1-5)", "4 (scale: 1-5)",
        "4 (scale 1 to 5)", "4 (scale of 1 to 5)", "4, on a scale from 1 to 5", "4 - scale 1-5",
        "4 (1-5 scale)", "4 points on a scale of 1 to 5", "4 (5-point scale)", "4 (on a 5 point scale)",
        "4 (5 is the best)",
    ],
)  # fmt: skip
@pytest.mark.parametrize("parser", ["in_last_line", "complex"])
def test_a_remark_that_names_another_scale_makes_the_row_unscored(parser, value):
    with pytest.raises(ScoreParseError, match="on a scale up to 5, and this parser reads 0-10"):
        parse_score(f"SCORE: {value}", parser, TEN)
    assert parse_score(f"SCORE: {value.replace('5', '10')}", parser, TEN) == 4.0


@pytest.mark.parametrize(
    ("label", "score"),
    [("max. 5", 8.0), ("max: 5", 8.0), ("maximum of 5", 8.0), ("out of a possible 5", 8.0), ("of", 4.0)],
)
def test_a_label_may_name_its_maximum_in_many_words(label, score):
    assert parse_score(f"Score ({label}): 4", "in_last_line", TEN) == score


def test_a_label_that_names_a_scale_by_its_points_is_unscored():
    with pytest.raises(ScoreParseError, match="on a scale up to 5"):
        parse_score("Score (5-point scale): 3", "in_last_line", TEN)


@pytest.mark.parametrize(
    "remark",
    [
        " (6-8)", " (range 6-8)", " (improved by 1-2 points)", " (1-2 sentences more would help)",
        " (Originality 3/5)", " (originality 4 out of 5)", " (3 of 5 criteria met)", " (previous score: 5)",
        " (max 3 points deducted)", " (5 points max deducted)", " (max 500 words)",
        " (9 is the highest so far)", " [8]", " [see 3/4]", ", out of 20 essays the best",
        " - out of 5 claims 3 hold", " - out of scope", "; out of 5 claims 3 hold", " points in the 3 areas",
        " (Max. score: 10)", ", maximum score: 10", " (confidence 4/5)", " - max effort",
    ],
)  # fmt: skip
@pytest.mark.parametrize("parser", ["in_last_line", "complex"])
def test_a_remark_about_something_else_leaves_the_score(parser, remark):
    assert parse_score(f"SCORE: 7{remark}", parser, TEN) == 7.0


def test_a_whole_line_without_a_separator_is_a_verdict_where_the_remark_is_in_brackets():
    with pytest.raises(ScoreParseError, match="no score in the last 3"):
        parse_score("Final score 4 out of a possible 5", "in_last_line", TEN)
    assert parse_score("Final score 4 (out of a possible 5)", "in_last_line", TEN) == 8.0
    assert parse_score("Final score 4 (max 5)", "in_last_line", TEN) == 8.0


def test_out_of_what_it_is_must_be_clear():
    with pytest.raises(ScoreParseError, match="whether it is a fraction of 20 is not clear"):
        parse_score("SCORE: 7, out of 20 it read", "in_last_line", TEN)
    assert parse_score("SCORE: 7, out of 10 it read", "in_last_line", TEN) == 7.0


@pytest.mark.parametrize(
    ("value", "score"),
    [("4, 5, 6, out of 10", 5.0), ("4, 5, 6 (0-9)", 5.0), ("456, out of 1000", 4.56), ("456 [/1000]", 4.56)],
)
def test_three_sub_scores_stay_three_unless_they_are_of_another_whole(value, score):
    assert parse_score(f"SCORE: {value}", "in_last_line", TEN) == pytest.approx(score)


@pytest.mark.parametrize(
    "first", ["Maximum", "Max", "Max.", "Minimum", "Min.", "Highest", "Perfect", "Previous"]
)
@pytest.mark.parametrize("between", ["", " total", " overall", " final", " achievable", " possible total"])
@pytest.mark.parametrize("start", ["", "- ", "1. ", "(", "The ", "| "])
def test_what_scores_could_be_or_were_is_not_the_verdict(start, first, between):
    line = f"{start}{first}{between} score: 10"
    for parser in ("in_last_line", "complex"):
        assert parse_score(f"SCORE: 7\n{line}", parser, TEN) == 7.0
        assert parse_score(f"SCORE: 7 - it is sound. {first}{between} score: 10", parser, TEN) == 7.0
    with pytest.raises(ScoreParseError, match="no score in the last 3"):
        parse_score(line, "in_last_line", TEN)


@pytest.mark.parametrize(
    "line",
    [
        "It has 500 words max. Score: 9", "It is not the highest. Score: 9", "Not perfect so score: 9",
        "Compared with the previous essay the score: 9", "Better than the previous essay. Score: 9",
        "Total score: 9", "Climax total score: 9", "Minimum length is met, score: 9",
    ],
)  # fmt: skip
def test_a_verdict_after_such_words_is_still_one(line):
    assert parse_score(line, "in_last_line", TEN) == 9.0


@pytest.mark.parametrize(
    "value",
    [
        "7th",
        "7²",
        "7½",
        "٧",
        "7٫5",
        "7·5",
        "7.5.2",
        "7~8",
        "7 8",
        "8/10/10",
        "10/12/2024",
        "7 | 9",
        "1 = poor",
    ],
)
def test_number_that_is_part_of_something_else_is_unscored(value):
    with pytest.raises(ScoreParseError, match="the last verdict cannot be read"):
        parse_score(f"SCORE: {value}", "in_last_line", TEN)


def test_verdict_after_a_long_answer_is_found_and_lines_beyond_the_window_are_not():
    assert parse_score("reasons " * WINDOW_BYTES + "\nSCORE: 7", "strict", TEN) == 7.0
    with pytest.raises(ScoreParseError, match="the last line is longer than 64 KiB"):
        parse_score("reasons " * WINDOW_BYTES + "SCORE: 7", "in_last_line", TEN)


# Pieces that judges' answers are made of, so that random texts come near the rules.
WORDS = "SCORE Score final is or max points scale to a possible out\u00a0of e3 nan 7 10 456 0 2024 -1 ٧ ½"
SIGNS = ': - – / , . ( ) [ ] | ** # = % + " `'
INVISIBLE = ["\ufeff", "\u200b", "\x00", "\u2028", "\ud800"]
PIECES = st.sampled_from(
    [*WORDS.split(" "), *SIGNS.split(" "), "<think>", "</think>", " ", "\n", "\r\n", *INVISIBLE]
)
TEXTS = st.one_of(st.text(max_size=200), st.lists(PIECES, max_size=30).map("".join))
SCALES = st.sampled_from([TEN, Scale(0, 9), Scale(-5, 5), Scale(1, 5), Scale(0, 100)])


@pytest.mark.parametrize("parser", SCORE_PARSERS)
@settings(max_examples=400, deadline=None)
@given(text=TEXTS, scale=SCALES)
def test_any_text_gives_a_score_on_the_scale_or_a_parse_error(parser, text, scale):
    try:
        score = parse_score(text, parser, scale)
    except ScoreParseError:
        return
    assert scale.minimum <= score <= scale.maximum


@settings(max_examples=200, deadline=None)
@given(points=st.decimals(min_value=0, max_value=10, places=2), before=st.text(max_size=80))
def test_strict_reads_back_what_a_judge_writes_unrounded(points, before):
    text = f"{before}\nreason one\nreason two\nSCORE: {points}"
    assert parse_score(text, "strict", TEN) == float(points)


@pytest.mark.parametrize(
    "unit",
    [
        "score ", "score: 1 (", "Aa ", "<b", "score(((", "score|", "[[", "<think ", "é:", "\n",
        "max. total score: 1 (max ", "score: 4, out of a possible total ", "score: 4 (scale ", "the max. ",
    ],
)  # fmt: skip
@pytest.mark.parametrize("parser", SCORE_PARSERS)
def test_hostile_repetition_ends_and_never_crashes(parser, unit):
    # With any quadratic pattern these would take minutes: the suite's own limit is the assertion.
    with contextlib.suppress(ScoreParseError):
        parse_score(unit * (WINDOW_BYTES // len(unit.encode()) - 1) + "x", parser, TEN)
