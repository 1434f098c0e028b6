"""Where thinking is: the places agree with what the parsers leave out."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daydreaming.errors import ParseError
from daydreaming.parsing.thinking import answer_spans, strip_thinking, verdict_span

PIECES = st.sampled_from(
    ["<think>", "</think>", "<thinking a='b'>", "</THINKING >", "<think/>", "<b>", "words ", "\n", "<", " >"]
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("All essay.", ["All essay."]),
        ("<think>a</think>Essay.", ["", "Essay."]),
        ("before </think>Essay.", ["Essay."]),
        ("One <think>a<thinking>b</thinking></think>two", ["One ", "two"]),
    ],
)
def test_spans_are_what_is_not_thinking(text, expected):
    assert [text[start:end] for start, end in answer_spans(text)] == expected


def test_thinking_without_an_end_has_no_spans():
    with pytest.raises(ParseError, match="<think> is opened and never closed"):
        answer_spans("Essay. <think>and on")


@settings(max_examples=300, deadline=None)
@given(text=st.lists(PIECES, max_size=20).map("".join))
def test_spans_rise_and_hold_what_stripping_leaves(text):
    try:
        expected = strip_thinking(text)
    except ParseError:
        return
    spans = answer_spans(text)
    assert "".join(text[start:end] for start, end in spans) == expected
    places = [place for span in spans for place in span]
    assert places == sorted(places)
    assert places[-1] == len(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<think>SCORE: 1</think> SCORE: 2", " SCORE: 2"),
        ("SCORE: 2\n<think>SCORE: 1", "SCORE: 2\n"),
        ("It has a <think> tag. SCORE: 2", "It has a <think> tag. SCORE: 2"),
        ("a</think>b</think>", ""),
    ],
)
def test_a_verdict_is_what_follows_the_last_thinking(text, expected):
    start, end = verdict_span(text)
    assert text[start:end] == expected
