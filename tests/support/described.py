"""The files that a page describes: each is a block, and the text above it names the file."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support.documents import ROOT, Block

#: Its example is made of nothing but such files.
GUIDE = ROOT / "docs" / "operating.md"
_FILE = re.compile(r"`data/([^`]+)`")


def write_described(block: Block, inputs_root: Path) -> bool:
    """Make the file or line that a block shows and the text above it names; False where it names none."""
    named = _FILE.findall(block.intro)
    if not named or block.language in ("sh", "console"):
        return False
    path = inputs_root / named[-1]
    if "gets the line" in block.intro:
        path.write_text(path.read_text(encoding="utf-8") + block.text, encoding="utf-8")
    else:
        assert not path.exists()
        path.write_text(block.text, encoding="utf-8")
    return True
