"""The command as it was called, for hints that can be pasted."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path

_NAME = "daydreaming"


def typed_command() -> str:
    """``daydreaming`` where the shell finds this very program by that name, else the path as it was typed."""
    called = sys.argv[0]
    if Path(called).name != _NAME:
        return _NAME
    found = shutil.which(_NAME)
    is_on_path = found is not None and Path(found).resolve() == Path(called).resolve()
    return _NAME if is_on_path or called == _NAME else shlex.quote(called)


def as_typed(text: str) -> str:
    """A message in which commands between backticks begin as this one did."""
    return text.replace(f"`{_NAME} ", f"`{typed_command()} ")
