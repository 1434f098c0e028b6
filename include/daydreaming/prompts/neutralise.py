"""Takes from an essay what could end it early, or pose as a verdict, in the prompt that shows it to a judge.

An essay is a text by a stranger. Four things in it are changed, visibly and one character at a time, so
that a person can read the essay back; everything else, and an essay without such things, stays as it is
to the byte:

1. Tags that the template uses, tags of essays, roles and thinking, and control tokens of chat models:
   ``</essay>`` becomes ``‹/essay›``, ``<|im_start|>`` becomes ``‹|im_start|›``, ``[INST]`` ``[‹INST›]``.
2. Runs of the characters that the template has next to the essay: ``<<<`` becomes ``‹‹‹``, a fence of
   backticks one of ``ˋ``.
3. Lines that the template has too, and lines like those next to the essay, get ``› `` put before them.
4. In lines that say a score, ``SCORE`` becomes ``S-C-O-R-E``, which no score parser reads.

This hides nothing from a judge and convinces none: see docs/scoring.md, "What gets through".
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from daydreaming.prompts.enclosure import LINE, Enclosure, plain_line, words_of
from daydreaming.prompts.folding import Folded, fold
from daydreaming.prompts.verdict_lines import is_verdict_line, plain_verdict_line

LINE_MARK = "› "
LETTER_MARK = "-"
IN_PLACE_OF = {"<": "‹", ">": "›", "`": "ˋ", "~": "∼", '"': "”", "'": "’"}
"""What takes the place of each character of a delimiter."""

_SPECIAL_TAGS = frozenset({
    "essay", "response",
    "system", "developer", "assistant", "user", "human", "tool", "tool_call", "instructions",
    "s", "bos", "eos", "sys", "start_of_turn", "end_of_turn",
    "thinking", "think", "thoughts", "thought", "reasoning", "scratchpad",
})  # fmt: skip
_LONGEST_LABEL = 200  # characters; a longer line next to the essay is prose
_TAG = re.compile(r"<\s{0,9}/?\s{0,9}([A-Za-z][\w.:-]{0,60})(?![\w.:-])[^<>]{0,200}")
_TOKEN = re.compile(r"<\s?\|[^<>\n]{1,60}\|\s?>")
_BRACKETED = re.compile(r"\[\s?/?\s?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS)\s?\]")
_SCORE = re.compile(r"(?<![^\W_])score(?![^\W_])", re.IGNORECASE)


def neutralise(essay: str, enclosure: Enclosure) -> str:
    """The essay as it may be shown between the marks of a template; unchanged where it holds none of them."""
    folded = fold(essay)
    changed: dict[int, str] = {}
    for index, text in (*_in_place(folded, enclosure), *_spelt_scores(folded)):
        changed[folded.place(index)] = text
    for index in _line_starts(folded, enclosure):
        place = folded.place(index)
        changed[place] = LINE_MARK + changed.get(place, essay[place])
    return _with(essay, changed)


def _with(essay: str, changed: dict[int, str]) -> str:
    pieces, done = [], 0
    for place in sorted(changed):
        pieces += [essay[done:place], changed[place]]
        done = place + 1
    return "".join([*pieces, essay[done:]]) if changed else essay


def _in_place(folded: Folded, enclosure: Enclosure) -> Iterator[tuple[int, str]]:
    """Characters of tags, tokens and runs, and what takes their place."""
    text = folded.text
    if "<" in text:
        yield from _of_tags(text, _SPECIAL_TAGS | enclosure.tags)
    if "[" in text:
        for bracketed in _BRACKETED.finditer(text):
            yield bracketed.start(), "[" + IN_PLACE_OF["<"]
            yield bracketed.end() - 1, IN_PLACE_OF[">"] + "]"
    for character, shortest in enclosure.runs.items():
        for run in re.finditer(f"{character}{{{shortest},}}", text) if character * shortest in text else ():
            yield from ((index, IN_PLACE_OF[character]) for index in range(*run.span()))


def _of_tags(text: str, names: frozenset[str]) -> Iterator[tuple[int, str]]:
    for tag in _TAG.finditer(text):
        if tag[1].lower() in names:
            yield tag.start(), IN_PLACE_OF["<"]
            if text[tag.end() : tag.end() + 1] == ">":
                yield tag.end(), IN_PLACE_OF[">"]
    for token in _TOKEN.finditer(text):
        yield token.start(), IN_PLACE_OF["<"]
        yield token.end() - 1, IN_PLACE_OF[">"]


def _line_starts(folded: Folded, enclosure: Enclosure) -> Iterator[int]:
    """First characters of lines that look like the template's."""
    for line in LINE.finditer(folded.text):
        if _is_of_the_template(line[0], enclosure):
            yield line.start()


def _is_of_the_template(line: str, enclosure: Enclosure) -> bool:
    plain = plain_line(line)
    if not plain:
        return False
    if plain in enclosure.lines or (plain[0] in enclosure.rules and len(set(plain)) == 1 and len(plain) > 2):
        return True
    # "Score:" before more text is the template's "Score:" too.
    beginnings = (plain, plain.partition(":")[0])
    return any(len(text) <= _LONGEST_LABEL and words_of(text) in enclosure.labels for text in beginnings)


def _spelt_scores(folded: Folded) -> Iterator[tuple[int, str]]:
    """Letters of the word score, but its last, in lines that say one."""
    if "score" not in folded.text.casefold():
        return
    lines = [line for line in LINE.finditer(folded.text) if line[0].strip()]
    plain = [plain_verdict_line(line[0]) for line in lines]
    for line, this, below in zip(lines, plain, [*plain[1:], ""], strict=True):
        if "score" in this.casefold() and is_verdict_line(this, below):
            for word in _SCORE.finditer(folded.text, line.start(), line.end()):
                for index in range(word.start(), word.end() - 1):
                    yield index, folded.original[folded.place(index)] + LETTER_MARK
