"""The tests that CONTRIBUTING.md has one run: a file of them is run, the others are found."""

from __future__ import annotations

import pytest

from tests.support.documents import ROOT, block_with, typed_lines
from tests.support.shell import plain_environment, type_in_shell

pytestmark = [pytest.mark.integration, pytest.mark.own_processes]

BLOCK = block_with("CONTRIBUTING.md", ".venv/bin/pytest")
QUICK, ONE_FILE, WITH_AIRFLOW = (line for line, _ in typed_lines(BLOCK))
DOCUMENTED = (BLOCK,)


@pytest.mark.parametrize("line", [QUICK, WITH_AIRFLOW], ids=["quick", "with-airflow"])
def test_tests_are_found(line: str) -> None:
    command = line.partition("#")[0]
    out = type_in_shell(f"{command} --collect-only -p no:cacheprovider", ROOT, _environment()).stdout
    found = [name.partition("::")[0] for name in out.splitlines() if "::" in name]
    folders = [word for word in command.split() if word.startswith("tests/")]
    assert {next(f for f in folders if name.startswith(f)) for name in found} == set(folders)


def test_a_file_of_tests_is_run() -> None:
    out = type_in_shell(f"{ONE_FILE.partition('#')[0]} -p no:cacheprovider", ROOT, _environment()).stdout
    assert "[100%]" in out


def _environment() -> dict[str, str]:
    """Not that of a worker of pytest-xdist, which this may be."""
    return {name: value for name, value in plain_environment().items() if not name.startswith("PYTEST_")}
