"""Blocks that are no commands: code is run, data is read, saved experiments are planned."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from daydreaming.pipeline.connection_limits import ConnectionLimits
from daydreaming.settings import Settings
from tests.support.documents import Block, all_blocks

_SAVED = re.compile(r"`data/experiments/([\w-]+)\.yaml`")
#: Made step by step by their own tests.
_OF_THEIR_OWN = ("docs/operating.md", "docs/extending.md")


@pytest.mark.parametrize(
    "block", [b for b in all_blocks("python") if b.document not in _OF_THEIR_OWN], ids=str
)
def test_code_runs_beside_a_data_root(block: Block, place: Settings) -> None:
    Path("data").symlink_to(place.data_root)
    exec(compile(block.text, str(block), "exec"), {})


@pytest.mark.parametrize("block", all_blocks("json"), ids=str)
def test_json_can_be_read(block: Block) -> None:
    found = json.loads(block.text)
    assert found
    if "rate_limits" in found:
        assert ConnectionLimits.of_extra("c", found) != ConnectionLimits("c")


@pytest.mark.parametrize("block", all_blocks("yaml"), ids=str)
def test_yaml_can_be_read_and_a_saved_experiment_be_planned(
    block: Block, place: Settings, daydreaming
) -> None:
    assert yaml.safe_load(block.text)
    saved = _SAVED.search(block.intro)
    if saved and block.document not in _OF_THEIR_OWN:
        (place.inputs_root / f"experiments/{saved[1]}.yaml").write_text(block.text, encoding="utf-8")
        code, _, err = daydreaming("plan", saved[1])
        assert code == 0, err
