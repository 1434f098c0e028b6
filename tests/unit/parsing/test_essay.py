"""The essay in a generator's answer: that, or an error, and never any thinking."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daydreaming.errors import EssayParseError, InputError
from daydreaming.inputs.records import ESSAY_PARSERS
from daydreaming.parsing.essay import parse_essay


@pytest.mark.parametrize(
    "text",
    [
        "<essay>Minds wander.</essay>",
        "<thinking>plan</thinking>\n\n<essay>\nMinds wander.\n</essay>\n\n<endnotes>n</endnotes>",
        'Here it is:\n<Essay title="On minds">\r\nMinds wander.\r\n</ESSAY >\nBye.',
        "< essay >Minds wander.< / essay >",
        "```xml\n<essay>Minds wander.</essay>\n```",
        "<thinking>I write <essay>a draft</essay></thinking><essay>Minds wander.</essay>",
        "<thinking>a <thinking>b</thinking> c <essay>draft</essay></thinking><essay>Minds wander.</essay>",
        "<think>Use <thinking>, <essay> and <endnotes>.</think><essay>Minds wander.</essay>",
        "no opening tag <essay>draft</essay></think><essay>Minds wander.</essay>",
        "<essay>Minds<thinking>: what now?</thinking> wander.</essay>",
        "<essay></essay> comes first: <essay>Minds wander.</essay>",
        "<essay>Minds wander.</essay> and again <essay>\nMinds wander.\n</essay>",
        "<essay>Minds wander.",
        "<thinking>x</thinking><essay>\nMinds wander.\n\n",
        "<essay>Minds wander.</",
        "<essay>Minds wander.\n</essay",
    ],
)
def test_essay_between_tags_is_taken(text):
    assert parse_essay(text, "xml_tags") == "Minds wander."


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Minds wander.", "looked for <essay>…</essay> outside <thinking> and found no opening"),
        ("Minds wander.</essay>", "found no opening <essay> tag"),
        ("<essayist>Minds</essayist>", "found no opening <essay> tag"),
        ("<essay/>", "found no opening <essay> tag"),
        ("<thinking><essay>Minds wander.</essay></thinking>", "found no opening <essay> tag"),
        ("<essay>\n\n</essay>", "the essay is empty"),
        ("<essay>…</essay>", "the essay is empty"),
        ("<essay>", "the essay is empty"),
        ("<essay>Minds wander.\n<endnotes>n</endnotes>", "never closed and a <endnotes> tag follows"),
        ("<essay>Minds wander.\n</response>", "never closed and a <response> tag follows"),
        ("<essay>A</essay><essay>B</essay>", "2 different <essay> blocks where one was expected"),
        ("<essay>A <essay>B</essay>", "opened inside an <essay>"),
        ("<thinking>never closed <essay>Minds wander.</essay>", "<thinking> is opened and never closed"),
        ("<thinking>a <thinking>b</thinking> <essay>draft</essay>", "<thinking> is opened and never closed"),
        ("<think>a </thinking> <essay>draft</essay>", "<think> is opened and never closed"),
        ("<essay>Minds wander.</essay><thinking>after", "<thinking> is opened and never closed"),
        ("", "the answer is empty"),
        (" \n", "the answer is empty"),
    ],
)
def test_essay_that_tags_do_not_show_is_an_error(text, message):
    with pytest.raises(EssayParseError, match=message):
        parse_essay(text, "xml_tags")


@pytest.mark.parametrize(
    "text",
    [
        "# Essay\nMinds wander.",
        "## Essay:\n\nMinds wander.\n\n## Endnotes\n1. n",
        "**Essay**\nMinds wander.\n\n**Notes**\nn",
        "**Essay:** Minds wander.",
        "ESSAY:\nMinds wander.\nREFERENCES:\nr",
        "Essay: Minds wander.\nEndnotes: n",
        "Thinking:\nplan\n\nEssay:\nMinds wander.\n\nEndnotes:\nn",
        "# Thinking\nplan\n# The Essay\nMinds wander.\n# Thinking\nmore",
        "### 2. Final Essay ###\r\nMinds wander.\r\n\r\n---\r\n\r\n### 3. Works Cited\r\nr",
        "Essay\n=====\n\nMinds wander.\n\nNotes\n-----\nn",
        "<thinking>\n# Essay\ndraft\n</thinking>\n# Essay\nMinds wander.",
        "**ESSAY**\nMinds wander.\n# Analysis\na",
    ],
)
def test_essay_section_alone_is_taken(text):
    assert parse_essay(text, "section_headers") == "Minds wander."


@pytest.mark.parametrize(
    "essay",
    [
        "# A Title\n\nMinds wander.\n\n## Conclusion\n\nThey do.",
        "## Analysis\n\nMinds wander.",
        "Essay writing is hard. Notes on it:\n\nThinking machines wander.",
        "note: minds wander.\n- **Notes** are taken",
    ],
)
def test_headers_of_the_essay_itself_stay_in_it(essay):
    assert parse_essay(f"# Essay\n{essay}\n\n# Endnotes\nn", "section_headers") == essay


def test_title_in_the_header_is_kept():
    assert parse_essay("## Essay: The Tax\n\nMinds wander.", "section_headers") == "The Tax\n\nMinds wander."


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Minds wander.", "looked for a header such as '# Essay'"),
        ("# Thinking\nplan\n# Notes\nn", "looked for a header such as '# Essay'"),
        ("Essay writing is hard.\nMinds wander.", "looked for a header such as '# Essay'"),
        ("<essay>Minds wander.</essay>", "looked for a header such as '# Essay'"),
        ("# Essay\n\n---\n# Notes\nn", "the essay is empty"),
        ("# Essay\nA\n# Notes\nn\n# Essay\nB", "2 different Essay sections"),
        ("# Essay\n<thinking>never closed", "never closed"),
    ],
)
def test_essay_section_that_is_not_there_is_an_error(text, message):
    with pytest.raises(EssayParseError, match=message):
        parse_essay(text, "section_headers")


@pytest.mark.parametrize(
    "text",
    [
        "\n Minds wander. \n",
        "\ufeffMinds wander.",
        "<thinking>plan</thinking>\nMinds wander.",
        "<THINK foo='1'>\nplan\n</think >Minds wander.",
        "plan that the prompt opened</think>\n\nMinds wander.",
        "<thinking>a<thinking>b</thinking>c</thinking>Minds wander.",
        "Minds wander.<scratchpad>x</scratchpad>",
        "<thinking/>Minds wander.",
    ],
)
def test_whole_is_everything_but_thinking(text):
    assert parse_essay(text, "whole").removeprefix("<thinking/>") == "Minds wander."


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<thinking>plan", "<thinking> is opened and never closed"),
        ("Minds wander. <think>and", "<think> is opened and never closed"),
        ("<thinking>plan</thinking>\n", "the essay is empty"),
        ("<thi<think>x</think>nking>secret", "cannot be taken apart safely"),
        ("<thinking>" * 5000, "more than 100 thinking tags"),
    ],
)
def test_whole_without_a_safe_essay_is_an_error(text, message):
    with pytest.raises(EssayParseError, match=message):
        parse_essay(text, "whole")


def test_unknown_parser_is_refused_with_the_allowed_ones():
    with pytest.raises(InputError, match="'regex'; allowed: xml_tags, section_headers, whole"):
        parse_essay("x", "regex")


TAGS = "<thinking> </thinking> <think> </think> <essay> </essay> <endnotes> </endnotes> public < > /"
HEADERS = ["# Essay", "\n", "\n# Thinking\n", "\n# Notes\n", "Essay:\n", " ", "**Essay**\n", "<essay a='b'>"]
PIECES = st.sampled_from([*TAGS.split(" "), *HEADERS])


@pytest.mark.parametrize("parser", ESSAY_PARSERS)
@settings(max_examples=400, deadline=None)
@given(text=st.one_of(st.text(max_size=200), st.lists(PIECES, max_size=20).map("".join)))
def test_any_answer_gives_an_essay_without_thinking_tags_or_an_error(parser, text):
    try:
        essay = parse_essay(text, parser)
    except EssayParseError:
        return
    assert essay == essay.strip()
    assert any(character.isalnum() for character in essay)
    assert not any(tag in essay for tag in ("<thinking>", "</thinking>", "<think>", "</think>"))


@settings(max_examples=300, deadline=None)
@given(
    secret=st.lists(PIECES.filter(lambda piece: piece not in ("</thinking>", "<thinking>")), max_size=12).map(
        "".join
    ),
    parser=st.sampled_from(ESSAY_PARSERS),
)
def test_what_stands_in_thinking_never_reaches_the_essay(secret, parser):
    text = f"<thinking>{secret} SECRET {secret}</thinking>\n# Essay\n<essay>public</essay>"
    with contextlib.suppress(EssayParseError):
        assert "SECRET" not in parse_essay(text, parser)


@pytest.mark.parametrize("parser", ESSAY_PARSERS)
@pytest.mark.parametrize(
    "unit", ["<", "< ", "<essay ", "<thinking ", "</think>", "# ", "*", "</essay>", "Essay:\n"]
)
def test_hostile_repetition_ends(parser, unit):
    # With any quadratic pattern these would take minutes: the suite's own limit is the assertion.
    text = unit * (1_000_000 // len(unit)) + "x"
    with contextlib.suppress(EssayParseError):
        parse_essay(text, parser)
