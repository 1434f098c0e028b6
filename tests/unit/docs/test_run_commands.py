"""The commands in the documents are run, on a finished experiment, where they need nothing but files."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from daydreaming.settings import Settings
from daydreaming.store.files import DataRoot
from tests.support.documents import Block, Command, all_blocks, commands
from tests.support.legacy_folder import make_legacy_folder
from tests.unit.docs.test_parsed_commands import OURS

#: Typed in a real shell (test_typed_commands.py, tests/integration/test_documented_commands.py).
TYPED = ("run", "rejudge", "up", "down", "demo", "migrate", "--install-completion")
#: Pages whose blocks are run by a test of their own, in the order of the page.
OF_THEIR_OWN = ("docs/operating.md", "docs/extending.md", "docs/import.md")
#: Names in the documents, and what has their part here.
STAND_INS: Mapping[str, str] = {
    **dict.fromkeys(("NAME", "EXPERIMENT_ID", "pairs", "versions"), "demo"),
    "F.csv": "scores.csv",
    "creativity-v1": "demo_creativity",
    "claude_haiku_4_5": "local_judge_270m",
    **dict.fromkeys(("gpt_5", "gemma_3_27b"), "local_gemma_270m"),
}
_ESSAY_ID = "combo_v1_0123456789ab_essay_gpt_5"


def _ours(block: Block) -> list[Command]:
    found = [command for command in commands(block) if command.program in OURS]
    return [command for command in found if command.arguments[0] not in TYPED]


BLOCKS = [
    block for block in all_blocks("sh", "console") if block.document not in OF_THEIR_OWN and _ours(block)
]
DOCUMENTED = tuple(command for block in BLOCKS for command in _ours(block))


@pytest.fixture
def files(place: Settings) -> None:
    """What the commands read, in the folder that they are typed in, and beside it."""
    shutil.copyfile(place.data_root / "05_parsing/demo/parsed_scores.csv", "scores.csv")
    Path("verdict.txt").write_text("Sound.\nSCORE: 7\n")
    make_legacy_folder(Path("../old/data"))


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_the_commands_of_a_block_do_what_they_are_shown_to_do(
    block: Block, place: Settings, files: None, daydreaming, monkeypatch: pytest.MonkeyPatch
) -> None:
    essay = next(DataRoot(place.data_root).essay("x").parent.glob("*.txt")).stem
    for command in _ours(block):
        arguments = tuple(STAND_INS.get(a, essay if a == _ESSAY_ID else a) for a in command.arguments)
        if arguments[0] == "restore" and "--check" not in arguments:
            _make_backup(daydreaming, Path(arguments[1]))
            monkeypatch.setenv("DAYDREAMING_DATA_ROOT", str(place.data_root.with_name("empty")))
        code, out, err = daydreaming(*arguments)
        is_refused = command.shown.startswith("Error: ")
        assert code == (2 if is_refused else 0), f"{command}\n{out}{err}"
        assert err.startswith("Error: ") == is_refused
        if command.out:
            Path(command.out).write_text(out)


def _make_backup(daydreaming, path: Path) -> None:
    if not path.exists():
        assert daydreaming("backup", str(path))[0] == 0


#: Those whose words are all given by what we ship.
_EXACT = [
    command
    for block in all_blocks("console")
    for command in commands(block)
    if block.document == "docs/configuration.md"
]


@pytest.mark.parametrize("command", _EXACT, ids=str)
def test_what_a_plan_of_a_shipped_experiment_prints_is_what_is_shown(
    command: Command, place: Settings, daydreaming
) -> None:
    shutil.rmtree(place.data_root)
    _, out, err = daydreaming(*command.arguments)
    assert (out or err) == command.shown
