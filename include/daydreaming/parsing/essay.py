"""Cuts the essay out of a generator's answer, by the parser that its template names.

The rule behind every choice here: judges see the essay or nothing. An answer in which the essay
cannot be told apart with certainty is a parse failure, never the whole reply and never thinking.

Source: docs/scoring.md, "Essays".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from daydreaming.errors import EssayParseError, InputError, ParseError
from daydreaming.inputs.records import ESSAY_PARSERS
from daydreaming.parsing.sections import essay_sections
from daydreaming.parsing.thinking import strip_thinking

if TYPE_CHECKING:
    from collections.abc import Callable

OTHER_TAGS = (
    "endnotes", "endnote", "footnotes", "notes", "references", "sources", "bibliography",
    "analysis", "outline", "plan", "reflection", "commentary", "answer", "response", "output", "document",
)  # fmt: skip

MOST_LINES = 100_000
_LINE_ENDS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
_LETTER_OR_DIGIT = re.compile(r"[^\W_]")

_ESSAY_TAG = re.compile(r"<\s*+(?P<slash>/|)\s*+essay(?=[\s/>])(?P<rest>[^<>]*)>", re.IGNORECASE)
_OTHER_TAG = re.compile(rf"<\s*+/?(?P<name>{'|'.join(OTHER_TAGS)})(?=[\s/>])[^<>]*>", re.IGNORECASE)
# What a stop sequence or the end of the answer leaves of "</essay>".
_BROKEN_CLOSING = re.compile(r"</?(?:e(?:s(?:s(?:ay?)?)?)?)?$", re.IGNORECASE)


def parse_essay(text: str, parser: str) -> str:
    """Return the essay in a generator's answer, stripped, without any thinking.

    Args:
        text: The answer as the model gave it.
        parser: ``xml_tags`` (inside ``<essay>…</essay>``), ``section_headers`` (the section under
            an Essay header) or ``whole`` (all of the answer but thinking).

    Raises:
        EssayParseError: No essay, an empty one, more than one, thinking that never ends, or an answer
            with more lines or '<' than any essay has, on which the work would take long.
        InputError: An unknown parser.
    """
    if parser not in _PARSERS:
        raise InputError(f"unknown essay parser {parser!r}; allowed: {', '.join(ESSAY_PARSERS)}.")
    if not text.strip():
        raise EssayParseError("the answer is empty: there is no essay in it.")
    if sum(map(text.count, _LINE_ENDS)) > MOST_LINES:
        raise EssayParseError(f"the answer has more than {MOST_LINES:,} lines: this is no essay.")
    try:
        answer = strip_thinking(text)
    except ParseError as error:
        raise EssayParseError(str(error)) from error
    essay = _PARSERS[parser](answer).strip().strip("\ufeff").strip()
    if not _has_words(essay):
        raise EssayParseError(
            f"the essay is empty: parser {parser} found no words where the essay should be."
        )
    return essay


def _whole(answer: str) -> str:
    return answer


def _section_headers(answer: str) -> str:
    sections = essay_sections(answer)
    if not sections:
        raise EssayParseError(
            "no essay: looked for a header such as '# Essay', '**Essay**' or 'ESSAY:' on a line of its own. "
            "Ask for it in the template, or use another parser."
        )
    return _only(sections, "Essay sections")


def _xml_tags(answer: str) -> str:
    blocks, unclosed_from = _essay_blocks(answer)
    if blocks:
        return _only(blocks, "<essay> blocks")
    if unclosed_from is None:
        raise EssayParseError(
            "no essay: looked for <essay>…</essay> outside <thinking> and found no opening <essay> tag. "
            "Ask for the tags in the template, or use another parser."
        )
    rest = answer[unclosed_from:]
    other = _OTHER_TAG.search(rest)
    if other:
        raise EssayParseError(
            f"<essay> is never closed and a <{other['name'].lower()}> tag follows, "
            "so where the essay ends is unknown."
        )
    return _BROKEN_CLOSING.sub("", rest.rstrip())


def _essay_blocks(answer: str) -> tuple[list[str], int | None]:
    """Texts of the closed blocks, and where an unclosed one begins.

    Raises:
        EssayParseError: An <essay> tag inside an essay.
    """
    blocks: list[str] = []
    start: int | None = None
    for tag in _ESSAY_TAG.finditer(answer):
        if tag["rest"].rstrip().endswith("/"):
            continue
        if not tag["slash"]:
            if start is not None:
                raise EssayParseError(
                    "an <essay> tag is opened inside an <essay> that is not closed: "
                    "which of them is the essay is unknown."
                )
            start = tag.end()
        elif start is not None:
            blocks.append(answer[start : tag.start()])
            start = None
    return blocks, start


def _only(candidates: list[str], what: str) -> str:
    """The one candidate with words in it; repeated copies count once."""
    distinct = list(dict.fromkeys(c.strip() for c in candidates if _has_words(c)))
    if len(distinct) > 1:
        raise EssayParseError(
            f"{len(distinct)} different {what} where one was expected: which of them is the essay is unknown."
        )
    return distinct[0] if distinct else ""


def _has_words(text: str) -> bool:
    return _LETTER_OR_DIGIT.search(text) is not None


_PARSERS: dict[str, Callable[[str], str]] = {
    "xml_tags": _xml_tags,
    "section_headers": _section_headers,
    "whole": _whole,
}
