"""Finds the Essay section in an answer that is divided by headers: markdown, bold, or ``ESSAY:``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["essay", "other", "soft"]

_ESSAY = r"(?:(?:the|my|final|full|complete|revised)\s)?essay(?:\s(?:text|body))?"
# Never part of an essay, at whatever level they stand.
_OTHER = (
    r"thinking(?:\sprocess)?|thoughts|thought\sprocess|scratch\s?pad|end\s?notes?|foot\s?notes?|notes|"
    r"references|bibliography|sources|works\scited|citations|appendix"
)
# An essay may have a subsection of this name: these end it only at its own level or above.
_SOFT = (
    r"analysis|reasoning|brainstorm(?:ing)?|outline|plan(?:ning)?|reflections?|commentary|self[\s-]assessment"
)

_BELOW_MARKDOWN = 7  # the level of bold and plain headers: below '######'
_LONGEST_HEADER = 400  # characters that are looked at to tell a header from prose
_HEADER = re.compile(
    # None of these gives back what it took: what follows begins with a letter.
    r"^\s{0,3}+(?P<hashes>#{1,6}+)?\s{0,3}+(?:\d{1,2}+[.)]\s)?(?P<bold>\*{1,3}+|_{1,3}+)?\s?+"
    rf"(?:(?P<essay>{_ESSAY})|(?P<other>{_OTHER})|(?P<soft>{_SOFT}))"
    r"(?P<end>\s?(?:[*_]{1,3})?\s?(?:[:：]|[–—-](?=\s))?\s?(?:[*_]{1,3})?)(?=\s|$)[ \t]*(?P<rest>.*)$",
    re.IGNORECASE,
)
_RULE = re.compile(r"^[\s*_=-]*$")


@dataclass(frozen=True)
class _Header:
    kind: Kind
    level: int
    rest: str  # text after the colon, the first of its section


def essay_sections(text: str) -> list[str]:
    """The text of each Essay section, in order; empty where no line is an Essay header."""
    sections: list[list[str]] = []
    inside: _Header | None = None
    for line in re.split(r"\r\n|\r|\n", text):
        header = _read_header(line)
        if header and header.kind == "essay":
            inside = header
            sections.append([header.rest])
        elif header and inside and _ends(header, inside):
            inside = None
        elif inside:
            sections[-1].append(line)
    return ["\n".join(_without_rules(section)) for section in sections]


def _read_header(line: str) -> _Header | None:
    match = _HEADER.match(line[:_LONGEST_HEADER])
    if not match:
        return None
    rest = line[match.start("rest") :].strip().rstrip("#").strip()
    marked = bool(match["hashes"] or match["bold"])
    has_colon = ":" in match["end"] or "：" in match["end"]
    has_dash = marked and any(dash in match["end"] for dash in "–—-")
    if rest and (match["soft"] or not (has_colon or has_dash)):
        return None  # a sentence that begins with the word
    name = match["essay"] or match["other"] or match["soft"]
    if not (marked or has_colon or name[0].isupper()):
        return None
    kind: Kind = "essay" if match["essay"] else "other" if match["other"] else "soft"
    return _Header(kind, len(match["hashes"] or "") or _BELOW_MARKDOWN, rest)


def _ends(header: _Header, essay: _Header) -> bool:
    return header.kind == "other" or header.level <= essay.level


def _without_rules(lines: list[str]) -> list[str]:
    """Drop horizontal rules, underlines of the header and blank lines at both ends."""
    first, last = 0, len(lines)
    while first < last and _RULE.match(lines[first]):
        first += 1
    while first < last and _RULE.match(lines[last - 1]):
        last -= 1
    return lines[first:last]
