"""Every command in the documents is typed by a test, but for the few that are named here with a reason."""

from __future__ import annotations

import importlib
import shlex
from collections.abc import Mapping
from functools import cache

import pytest

from tests.support.documents import ROOT, Command, all_blocks, claimed, commands
from tests.support.shell import type_in_shell

#: They type what their ``DOCUMENTED`` holds: blocks, and commands of blocks that have others too.
MODULES = (
    "tests.browser.test_printed_report",
    "tests.compose.documented",
    "tests.integration.test_documented_calls",
    "tests.integration.test_documented_commands",
    "tests.integration.test_documented_tests",
    "tests.integration.test_migrate",
    "tests.unit.docs.test_exports",
    "tests.unit.docs.test_extending",
    "tests.unit.docs.test_import_page",
    "tests.unit.docs.test_operating_guide",
    "tests.unit.docs.test_run_commands",
    "tests.unit.docs.test_typed_commands",
)
#: Typed by no test, and why.
OF_A_CLUSTER: Mapping[str, str] = dict.fromkeys(
    ("kubectl", "helm", "$k"), "needs a cluster; $k is kubectl, as the line above it says"
)
#: The tests themselves, and what they need: only what `make` would do is looked at.
OF_MAKE: Mapping[str, str] = {
    "make setup": "CI begins with it, on a fresh clone",
    "make check": "CI's first step",
    "make test": "CI's second step, of which this is a part",
    "make bench": "measures this machine; nothing can be wrong with what it finds",
    "make test-faults": "kills services for 40 minutes",
    "make test-faults FIGURES=docs/reliability.md": "the same, and writes into the page",
}
#: What make would do last, by target.
_LAST: Mapping[str, str] = {
    "setup": "touch .venv/.installed",
    "check": ".venv/bin/mypy",
    "test": "exit $(( unit ? unit : real ))",
    "bench": ".venv/bin/python -m tests.bench",
    "test-faults": ".venv/bin/pytest -s tests/faults",
}
TYPED = [command for block in all_blocks("sh", "console") for command in commands(block)]


def _line(command: Command) -> str:
    return shlex.join([command.program, *command.arguments])


@cache
def _claims() -> dict[str, set[Command]]:
    return {name: claimed(importlib.import_module(name).DOCUMENTED) for name in MODULES}


def _is_excepted(command: Command) -> bool:
    return command.program in OF_A_CLUSTER or _line(command) in OF_MAKE


def test_every_command_is_run() -> None:
    run = set().union(*_claims().values())
    assert [str(c) for c in TYPED if c not in run and not _is_excepted(c)] == []


@pytest.mark.parametrize("name", MODULES)
def test_a_module_runs_some(name: str) -> None:
    assert _claims()[name]
    assert _claims()[name] <= set(TYPED)


def test_what_is_excepted_is_typed_nowhere() -> None:
    run = set().union(*_claims().values())
    assert [str(command) for command in run if _is_excepted(command)] == []
    assert {*OF_A_CLUSTER, *OF_MAKE} <= {c.program for c in TYPED} | {_line(c) for c in TYPED}


@pytest.mark.parametrize("line", OF_MAKE)
def test_make_knows_what_it_would_do(line: str) -> None:
    done = type_in_shell(f"{line} --dry-run --always-make", ROOT)
    assert done.stdout.rstrip().endswith(_LAST[line.split()[1]])
