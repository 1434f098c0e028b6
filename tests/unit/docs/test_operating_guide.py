"""The example of the operating guide is made as it is described; its table knows every error."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache

import pytest

from daydreaming import errors
from daydreaming.errors import DaydreamingError
from daydreaming.pipeline.failures_list import ADVICE
from daydreaming.settings import Settings
from tests.support.described import GUIDE, write_described
from tests.support.documents import ROOT, blocks, commands
from tests.support.finished import finished_run

#: What is typed before and after its run.
PLANNED = tuple(block for block in blocks(GUIDE) if block.language == "console")
READ = tuple(
    command
    for block in blocks(GUIDE)
    if block.language == "sh"
    for command in commands(block)
    if command.program == "daydreaming" and command.arguments[0] != "run"
)
DOCUMENTED = (*PLANNED, *READ)
_LEAST_CHARS = 10  # of what a message says in every case


@pytest.fixture
def example(place: Settings, daydreaming) -> Settings:
    """The inputs with the example's files."""
    assert sum(write_described(block, place.inputs_root) for block in blocks(GUIDE)) == 8
    return place


def test_the_example_plans_as_it_is_shown(example: Settings, daydreaming) -> None:
    shown = [command for block in PLANNED for command in commands(block)]
    assert len(shown) == 3
    for command in shown:
        _, out, err = daydreaming(*command.arguments)
        assert (out or err) == command.shown, command


def test_the_example_runs_and_is_read(example: Settings, daydreaming) -> None:
    finished_run(example, "boredom-1", experiment="boredom")
    assert [command.arguments[0] for command in READ] == ["watch", "essays"]
    for command in READ:
        code, out, _ = daydreaming(*command.arguments)
        assert code == 0
        assert "boredom" in out


def _classes() -> set[str]:
    """Every public error of ours, wherever it is."""
    bases = {
        node.name: {ast.unparse(base) for base in node.bases}
        for tree in _trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }
    found: set[str] = set()
    more = {DaydreamingError.__name__}
    while more:
        found |= more
        more = {name for name, known in bases.items() if known & found} - found
    return {name for name in found if not name.startswith("_")}


@cache
def _trees() -> list[ast.Module]:
    return [ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / "include").rglob("*.py")]


def _section(heading: str) -> str:
    return GUIDE.read_text(encoding="utf-8").split(f"### {heading}\n")[1].split("\n### ")[0]


def test_the_table_has_every_class_and_no_other() -> None:
    told = set(re.findall(r"^\| `(\w+)` \|", _section("By class"), flags=re.MULTILINE))
    assert {name for name in vars(errors) if name.endswith("Error")} <= told
    assert set(ADVICE) <= told
    assert told == _classes()


@cache
def _messages() -> list[str]:
    """Every text in the code, with ``…`` for what differs."""
    return [
        "".join(part.value if isinstance(part, ast.Constant) else "…" for part in parts)
        for tree in _trees()
        for node in ast.walk(tree)
        if (parts := _parts(node))
    ]


def _parts(node: ast.AST) -> list[ast.expr]:
    if isinstance(node, ast.JoinedStr):
        return node.values
    return [node] if isinstance(node, ast.Constant) and isinstance(node.value, str) else []


def _told() -> Iterator[str]:
    for heading in ("At the terminal", "Before anything is sent", "At a call", "At the end", "In files"):
        for row in re.findall(r"^\| (.*?) \| ", _section(heading), flags=re.MULTILINE):
            yield from re.findall(r"`([^`]+)`", row)


def test_every_message_of_the_tables_is_one_of_the_code() -> None:
    told = list(_told())
    assert len(told) > 50
    for message in told:
        fixed = [part for part in message.split("…") if part]
        assert len("".join(fixed)) >= _LEAST_CHARS, message
        wanted = re.compile(".*?".join(map(re.escape, fixed)), re.DOTALL)
        assert any(wanted.search(text) for text in _messages()), f"no error says: {message}"
