"""Finds a model's thinking in its answer, so that no judge sees it and no score is read from it."""

from __future__ import annotations

import re

from daydreaming.errors import ParseError

THINKING_TAGS = ("thinking", "think", "thoughts", "thought", "reasoning", "scratchpad")

_DEEPEST = 100  # no model nests so; bounds the work on hostile text
MOST_SIGNS = 100_000  # of '<' in an answer: each may begin a tag, and no essay has so many

# A tag ends before the next "<", and no repeat gives back what it took: linear on any text.
_NAMES = "|".join(THINKING_TAGS)
_TAG = re.compile(
    rf"<\s*+(?P<slash>/|)\s*+(?P<name>{_NAMES})(?=[\s/>])(?P<rest>[^<>]*)>",
    re.IGNORECASE,
)
_OPENING_AT_LINE_START = re.compile(
    rf"^[ \t]{{0,8}}<(?:{_NAMES})(?:\s[^<>]*)?>",
    re.IGNORECASE | re.MULTILINE,
)


def strip_thinking(text: str) -> str:
    """Remove every thinking block, nested ones included.

    A closing tag that nothing opened ends thinking that began before the text did (chat templates
    of several reasoning models open it in the prompt), so all that stands before it goes as well.

    Raises:
        ParseError: Thinking that is never closed, or a thinking tag that is still there afterwards.
    """
    spans = answer_spans(text)
    if spans == [(0, len(text))]:
        return text
    remaining = "".join(text[start:end] for start, end in spans)
    if _has_tag(remaining):
        raise ParseError("thinking tags are broken or nested in a way that cannot be taken apart safely.")
    return remaining


def answer_spans(text: str) -> list[tuple[int, int]]:
    """Where a generator's answer is not thinking: first and past-the-last place of each piece, in order.

    Raises:
        ParseError: Thinking that is never closed, or more '<' than any essay has.
    """
    if text.count("<") > MOST_SIGNS:
        raise ParseError(f"the answer has more than {MOST_SIGNS:,} '<': this is no essay.")
    kept: list[tuple[int, int]] = []
    opened: list[str] = []  # names, outermost first
    position = 0
    for tag in _TAG.finditer(text):
        if tag["rest"].rstrip().endswith("/"):
            continue
        name = tag["name"].lower()
        if not tag["slash"]:
            if not opened:
                kept.append((position, tag.start()))
            opened.append(name)
            if len(opened) > _DEEPEST:
                raise ParseError(f"more than {_DEEPEST} thinking tags are opened inside each other.")
            continue
        if not opened:
            kept.clear()
        elif name in opened:
            # Whatever was opened inside and not closed was a mention of the tag, not a block.
            del opened[len(opened) - 1 - opened[::-1].index(name) :]
        position = tag.end()
    if opened:
        raise ParseError(
            f"<{opened[0]}> is opened and never closed, so nothing after it can be told from thinking. "
            "The answer was probably cut off: raise the token limit and generate again."
        )
    return [*kept, (position, len(text))]


def verdict_span(text: str) -> tuple[int, int]:
    """Where a judge's answer is not thinking: its first place, and the one past its last.

    ``text`` may start in the middle of thinking. More lenient than `strip_thinking`: a judge may mention
    an opening tag in a sentence, so an unclosed one counts only at the start of a line, and what stands
    before it stays.
    """
    end_of_thinking = 0
    for tag in _TAG.finditer(text):
        if tag["slash"]:
            end_of_thinking = tag.end()
    unclosed = _OPENING_AT_LINE_START.search(text[end_of_thinking:])
    return end_of_thinking, end_of_thinking + unclosed.start() if unclosed else len(text)


def _has_tag(text: str) -> bool:
    return any(not tag["rest"].rstrip().endswith("/") for tag in _TAG.finditer(text))
