"""Answers of 10 MB that are made to keep a parser busy: each must be read or refused in under a second.

Measured is the time of the processor, so that a busy machine changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from daydreaming.errors import ParseError
from daydreaming.inputs.records import ESSAY_PARSERS, SCORE_PARSERS
from daydreaming.parsing.essay import MOST_LINES, parse_essay
from daydreaming.parsing.score import Scale, locate_score, parse_score
from daydreaming.parsing.thinking import MOST_SIGNS, strip_thinking

CHARACTERS = 10_000_000
LIMIT_S = 1.0
_REPEATED = (
    "<", "< ", "</", "<e", "< / ", "<\t", "<b>", "<!--", "&lt;", "<answer ",
    "<essay ", "<essay>", "<essay></essay>", "</essay>", "<essay/>", "<essay x='", "<essay>\n",
    "<thinking>", "<thinking></thinking>", "<thinking/>", "</thinking>", "<thinking ", "<think>a</think>",
    "<think><thinking>", "<think><think></think></think>",
    " ", "\n", "\r", "\r\n", "\t", "\v", " \n", "\x85", "\u2028", "\u3000", "\u00a0", "\ufeff", "\u200b",
    "\0", "\ud800", "é", "🙂", "＝", "→", "a", "a ", "a\n", "Aa ", "9", "0.", "1/", "1. ",
    "SCORE: 7\n", "SCORE: 7 ", "SCORE:", "score ", "score: 1 (", "Score\n", "# Score\n7\n",
    "| score | 7 |\n", "the final score ", "7-8 ", "7 or ",
    "=", "|", "-", "- ", "[", "(", "(a)", "{", '"', "'", "*", "* ", "* * *\n", "_", "`", "```\n", "\\",
    "#", "# ", "# Essay\n", "# Essay a\n", "**Essay**\n", "Essay: a\n", "---\n", "# Notes\n",
)  # fmt: skip
_ROUND = (("", ""), ("<essay>", "</essay>"), ("# Essay\n<thinking>", "</thinking>x\nSCORE: 7"))


def large_answers() -> Iterator[tuple[str, str]]:
    """A name and a text, one at a time."""
    for unit in _REPEATED:
        for before, after in _ROUND:
            count = (CHARACTERS - len(before) - len(after)) // len(unit)
            yield f"{before}{unit!r}…{after}", before + unit * count + after
    # As much work as is not refused, spread over all of the text.
    for unit in ("<essay ", "</think>", "<think></think>", "< ", "<think/>"):
        wide = unit.ljust(CHARACTERS // MOST_SIGNS, " ")
        yield f"wide {unit!r}", wide * (MOST_SIGNS // wide.count("<") - 1)
    for unit in ("# Essay", "# Notes", "   1. *", "Essay:", "SCORE: 7"):
        yield f"wide {unit!r}", (unit.ljust(CHARACTERS // MOST_LINES - 1, "x") + "\n") * (MOST_LINES - 1)
    for opening, closing in (("<thinking>", "</thinking>"), ("<essay>", "</essay>"), ("(", ")"), ("[", "]")):
        half = CHARACTERS // 2 // len(opening)
        yield f"nested {opening}", opening * half + closing * half


def measure_large() -> int:
    """Read each text with each parser, and print what came of it.

    Returns:
        The status of the process: 1 where a reading was slow or raised what it does not declare.
    """
    readers = _readers()
    tried, wrong, slowest = 0, [], (0.0, "")
    for name, text in large_answers():
        for reader, read in readers.items():
            began = time.process_time()
            try:
                read(text)
            except ParseError:
                pass
            except Exception as error:  # noqa: BLE001 (whatever it is, it is the finding)
                wrong.append(f"{reader} raises {type(error).__name__} on {name}")
            seconds = time.process_time() - began
            slowest = max(slowest, (seconds, f"{reader} on {name}"))
            if seconds > LIMIT_S:
                wrong.append(f"{reader} takes {seconds:.1f} s on {name}")
            tried += 1
    print(*wrong, sep="\n")
    print(f"note: {CHARACTERS:,} characters take {slowest[0]:.2f} s at most ({slowest[1]})")
    print(f"stat::number_of_executed_units: {tried}")
    return int(bool(wrong))


def _readers() -> dict[str, Callable[[str], object]]:
    scale = Scale(0, 10)
    readers: dict[str, Callable[[str], object]] = {"thinking": strip_thinking}
    for parser in ESSAY_PARSERS:
        readers[parser] = lambda text, parser=parser: parse_essay(text, parser)
    for parser in SCORE_PARSERS:
        readers[parser] = lambda text, parser=parser: parse_score(text, parser, scale)
    readers["place of a score"] = lambda text: locate_score(text, "complex", scale)
    return readers
