"""A copy of the package with the changes that a document describes, for other processes to import."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from tests.support.documents import ROOT, Block

_FILE = re.compile(r"`(include/[^`]+\.py)`")


class ChangedPackage:
    """The copy below ``folder``.

    Attributes:
        changed: Files that were written or changed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.changed = folder, set[Path]()
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "include" / "daydreaming", folder / "include" / "daydreaming", ignore=ignored)

    def apply(self, blocks: Iterable[Block]) -> None:
        """Write the new files and make the changes, in the file that the text above each names last."""
        for block in blocks:
            named = _FILE.findall(block.intro)
            if not named:
                continue
            path = self.folder / named[-1]
            self.changed.add(path)
            if block.language == "python":
                assert not path.exists(), f"{block}: {path} is there already"
                path.write_text(block.text, encoding="utf-8")
            elif block.language == "diff":
                text = path.read_text(encoding="utf-8")
                for hunk in re.split(r"^@@\n", block.text, flags=re.MULTILINE):
                    text = _patched(text, hunk, block)
                path.write_text(text, encoding="utf-8")

    def run(self, *arguments: str, **environment: str) -> str:
        """Run Python with the copy in the place of the package; what it prints."""
        path = os.pathsep.join((str(self.folder / "include"), str(ROOT)))
        env = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", **environment}
        run = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 0, run.stderr[-3000:]
        return run.stdout


def _patched(text: str, hunk: str, block: Block) -> str:
    """A part of a file with one change: lines that stay, that go (``-``) and that come (``+``)."""
    lines = hunk.splitlines(keepends=True)
    old = "".join(line[1:] for line in lines if line[:1] in " -")
    new = "".join(line[1:] or "\n" for line in lines if line[:1] in " +")
    assert text.count(old) == 1, f"{block}: the file has {text.count(old)} times\n{old}"
    return text.replace(old, new)
