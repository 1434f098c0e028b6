"""Any text as an answer: read, or refused in one line; never another error, however large it is."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daydreaming.errors import EssayParseError, ParseError
from daydreaming.inputs.records import ESSAY_PARSERS
from daydreaming.parsing.essay import MOST_LINES, parse_essay
from daydreaming.parsing.sections import essay_sections
from daydreaming.parsing.thinking import MOST_SIGNS, answer_spans, strip_thinking, verdict_span
from daydreaming.parsing.verdicts import plain_places, plain_text, verdict_below_header, verdict_in_line
from tests.fuzz.answers import ANSWER_SEEDS, ANSWER_WORDS, run_essay, run_prompt, run_score
from tests.fuzz.base import forget_files

QUICK = settings(max_examples=150, deadline=None)
ODD = st.sampled_from(
    ["\0", "\ud800", "\udfff", "\ufeff", "\u2028", "\x85", "\r", "\r\n", "٣", "ſ", "K", "İ", "ß"]
)
WORDS = st.lists(st.sampled_from([*ANSWER_WORDS, *ANSWER_SEEDS]) | ODD | st.text(max_size=4), max_size=25)
TEXTS = WORDS.map("".join) | st.text(st.characters(), max_size=80)


@pytest.fixture(autouse=True, scope="module")
def _tidy():
    yield
    forget_files()


@QUICK
@given(st.binary(max_size=80) | TEXTS.map(lambda text: text.encode("utf-8", "surrogatepass")))
@pytest.mark.parametrize("run", [run_essay, run_score, run_prompt])
def test_any_bytes_are_read_or_refused(run, data):
    run(data)


@QUICK
@given(TEXTS)
def test_the_pieces_of_the_parsers_take_any_text(text):
    for section in essay_sections(text):
        assert isinstance(section, str)
    first, last = verdict_span(text)
    assert 0 <= first <= last <= len(text)
    plain = plain_text(text)
    assert len(plain_places(text)) == len(plain)
    for verdict in (verdict_in_line(plain, sub_scores=True), verdict_below_header("Score", plain)):
        if verdict and verdict.span:
            assert 0 <= verdict.span[0] < verdict.span[1] <= len(plain)


@QUICK
@given(TEXTS)
def test_what_is_left_of_thinking_was_there(text):
    try:
        spans, left = answer_spans(text), strip_thinking(text)
    except ParseError:
        return
    assert left == "".join(text[start:end] for start, end in spans)


@pytest.mark.parametrize("parser", ESSAY_PARSERS)
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<" * (MOST_SIGNS + 1), "the answer has more than 100,000 '<': this is no essay"),
        ("<think></think>" * MOST_SIGNS, "the answer has more than 100,000 '<'"),
        ("a\n" * (MOST_LINES + 1), "the answer has more than 100,000 lines: this is no essay"),
        ("a\u2028" * (MOST_LINES + 1), "the answer has more than 100,000 lines"),
    ],
)
def test_what_no_essay_has_so_much_of_is_refused_at_once(parser, text, message):
    with pytest.raises(EssayParseError, match=message):
        parse_essay(text, parser)


def test_a_long_essay_within_these_limits_is_read():
    essay = "A line of prose, 1 < 2.\n" * 90_000
    assert parse_essay(f"<essay>{essay}</essay>", "xml_tags") == essay.strip()
