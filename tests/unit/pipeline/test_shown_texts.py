"""Texts in pieces: folded thinking, the marked score, nothing hidden."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daydreaming.errors import ScoreParseError
from daydreaming.parsing.score import Scale, locate_score
from daydreaming.pipeline import shown_texts
from daydreaming.pipeline.shown_texts import shown_answer, shown_plain, shown_verdict, visible

TEN = Scale(0, 10)


def pieces(shown):
    return [(p.kind, p.before, p.marked, p.after) for p in shown.passages]


def verdict(text, parser="in_last_line"):
    return shown_verdict(text, locate_score(text, parser, TEN))


def test_a_generators_thinking_is_apart():
    shown = shown_answer("<think>plan</think>\n\nEssay. <think>more</think> End.\n")
    assert pieces(shown) == [
        ("thinking", "<think>plan</think>", "", ""),
        ("text", "Essay.", "", ""),
        ("thinking", "<think>more</think>", "", ""),
        ("text", "End.", "", ""),
    ]


def test_an_answer_whose_thinking_never_ends_is_one_piece():
    assert pieces(shown_answer("Essay. <think>and on")) == [("text", "Essay. <think>and on", "", "")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Sound.\nSCORE: 7\n", [("text", "Sound.\nSCORE: ", "7", "")]),
        (
            "<think>SCORE: 2</think>\nSCORE: 7/10, good",
            [("thinking", "<think>SCORE: 2</think>", "", ""), ("text", "SCORE: ", "7/10", ", good")],
        ),
        (
            "SCORE: 7\n<think>SCORE: 2",
            [("text", "SCORE: ", "7", ""), ("thinking", "<think>SCORE: 2", "", "")],
        ),
    ],
)
def test_a_verdicts_score_is_marked_and_its_thinking_apart(text, expected):
    assert pieces(verdict(text)) == expected


def test_a_score_that_the_window_alone_shows_is_not_folded():
    # The parser sees the end of the text only, and no opening tag at the start of a line there.
    text = "<think>\n" + "reasons\n" * 20_000 + "SCORE: 7"
    shown = verdict(text)
    [passage] = shown.passages
    assert (passage.kind, passage.marked) == ("text", "7")


def test_a_long_text_is_cut_and_a_verdict_keeps_its_end(monkeypatch):
    monkeypatch.setattr(shown_texts, "MAX_CHARS", 10)
    shown = shown_plain("0123456789abc")
    assert (pieces(shown), shown.shown, shown.left_out) == ([("text", "0123456789", "", "")], 10, 3)
    shown = verdict("much more\nSCORE: 7")
    assert (pieces(shown), shown.left_out, shown.is_end) == ([("text", "e\nSCORE: ", "7", "")], 8, True)


def test_control_characters_get_a_picture_and_line_ends_stay():
    assert visible("a\x00b\x1b[0m\x7f\x85\t\r\n") == "a␀b␛[0m␡�\t\r\n"
    assert pieces(verdict("\x00\x01 ok\nSCORE: 7"))[0][1:3] == ("␀␁ ok\nSCORE: ", "7")


@settings(max_examples=200, deadline=None)
@given(
    text=st.lists(
        st.sampled_from(["<think>", "</think>", "SCORE: 7", "\n", " words ", "\x00"]), max_size=12
    ).map("".join)
)
def test_nothing_but_outer_blanks_is_lost(text):
    def squeezed(shown):
        return "".join("".join(passage.text.split()) for passage in shown.passages)

    expected = "".join(visible(text).split())
    assert squeezed(shown_answer(text)) == expected
    assert squeezed(shown_plain(text)) == expected
    try:
        located = locate_score(text, "in_last_line", TEN)
    except ScoreParseError:
        located = None
    shown = shown_verdict(text, located)
    assert squeezed(shown) == expected
    assert [p.marked for p in shown.passages if p.marked] == (["7"] if located else [])
