"""The fenced blocks of the documents, and the commands in them as a shell would take them apart."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from daydreaming.settings import project_root

ROOT = project_root()
_FENCE = re.compile(r"(```+)(\w*)\s*$")
_HEREDOC = re.compile(r"<<-?\s*'?(\w+)'?")
#: The whole of an assignment, which may hold parentheses, or a part of a line, which may not.
_SUBSTITUTION = re.compile(r"(?<=^)(?P<name>\w+=)\$\((?P<whole>.*)\)$|\$\((?P<part>[^()]*)\)", re.DOTALL)
_COMMENT = re.compile(r"(^|\s)#(\s.*)?$")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=.*", re.DOTALL)
_OPERATORS = ("|", "||", "&&", ";", "&")
_REDIRECTIONS = ("<", ">", ">>", "<<", "2>", ">&")


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        document: Relative to the repository.
        line: Of its first fence, from 1.
        language: What follows the fence; '' for nothing.
        intro: The last line with text before it.
    """

    document: str
    line: int
    language: str
    intro: str
    text: str

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"


@dataclass(frozen=True)
class Command:
    """A simple command: a program and its arguments, without redirections.

    Attributes:
        shown: The lines that a console block shows below it, else ''.
        out: The file that its output goes to; '' for none.
    """

    block: Block
    program: str
    arguments: tuple[str, ...]
    shown: str = ""
    out: str = ""

    def __str__(self) -> str:
        return f"{self.block}: {shlex.join([self.program, *self.arguments])}"


#: What a test says that it types: all of a block, or one of its commands.
Claim = Block | Command


def documents() -> list[Path]:
    """Every page that people read, but for decision records, which are not kept up to date."""
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "data/01_raw/README.md"]
    return [*pages, *sorted(p for p in (ROOT / "docs").rglob("*.md") if p.parent.name != "adr")]


def blocks(path: Path) -> Iterator[Block]:
    """The fenced blocks of a page, in order."""
    intro, fence, start, language, text = "", "", 0, "", []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        match = _FENCE.match(line.strip())
        if fence and match and line.strip() == fence:
            name = path.relative_to(ROOT).as_posix()
            yield Block(name, start, language, intro, "\n".join(text) + "\n")
            fence, text = "", []
        elif fence:
            text.append(line)
        elif match:
            fence, language, start = match[1], match[2], number
        elif line.strip():
            intro = line.strip()


def all_blocks(*languages: str) -> list[Block]:
    """The blocks of all documents in some languages."""
    return [block for path in documents() for block in blocks(path) if block.language in languages]


def block_with(document: str, text: str) -> Block:
    """The one block of commands of a page that holds a text, wherever on the page it is."""
    typed = (block for block in blocks(ROOT / document) if block.language in ("sh", "console"))
    [found] = [block for block in typed if text in block.text]
    return found


def replaced(text: str, old: str, new: str) -> str:
    """A text with what stands for something in the place of what the page says, which has to be there."""
    assert old in text, f"{old!r} is not in\n{text}"
    return text.replace(old, new)


def claimed(claims: Iterable[Claim]) -> set[Command]:
    """The commands of what a test says that it types."""
    found: set[Command] = set()
    for claim in claims:
        found |= {claim} if isinstance(claim, Command) else set(commands(claim))
    return found


def commands(block: Block) -> Iterator[Command]:
    """What a block has typed in a shell; in a console block only what follows ``$``."""
    for line, shown in typed_lines(block):
        for inner in _SUBSTITUTION.finditer(line):
            yield from _simple(block, inner["whole"] or inner["part"], "")
        yield from _simple(block, _SUBSTITUTION.sub(r"\g<name>SUBSTITUTED", line), shown)


def typed_lines(block: Block) -> Iterator[tuple[str, str]]:
    """Lines that are typed, continuation lines joined and here-documents left out, and what follows each."""
    text = block.text.replace("\\\n", " ")
    if block.language == "console":
        for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
            line, _, shown = part.partition("\n")
            yield line, shown
        return
    end = ""
    for line in text.splitlines():
        if end:
            end = "" if line == end else end
        elif line.strip():
            heredoc = _HEREDOC.search(line)
            end = heredoc[1] if heredoc else ""
            yield line, ""


def _simple(block: Block, line: str, shown: str) -> Iterator[Command]:
    lexer = shlex.shlex(_COMMENT.sub("", line), posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split, lexer.commenters = True, ""
    words, out, pending = [], "", iter(lexer)
    for word in pending:
        if word in _OPERATORS:
            yield from _command(block, words, shown, out)
            words, out = [], ""
        elif word in _REDIRECTIONS:
            target = next(pending, "")
            out = target if word.startswith(">") else out
        else:
            words.append(word)
    yield from _command(block, words, shown, out)


def _command(block: Block, words: list[str], shown: str, out: str) -> Iterator[Command]:
    rest = list(words)
    while rest and _ASSIGNMENT.fullmatch(rest[0]):
        rest.pop(0)
    if rest:
        yield Command(block, rest[0], tuple(rest[1:]), shown, out)
