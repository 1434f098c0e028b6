"""How wide the terminal is that reads what is printed."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterable, Iterator
from typing import TextIO


def terminal_width(out: TextIO) -> int | None:
    """Columns of the terminal; None where the text goes into a pipe or a file."""
    return shutil.get_terminal_size().columns if out.isatty() else None


def wrapped(lines: Iterable[str], width: int | None) -> Iterator[str]:
    """Lines that are broken between words where they are wider; an ID or a URL is never broken.

    Args:
        lines: Without line ends.
        width: Columns of the terminal; None to leave all as it is.
    """
    for line in lines:
        if width is None or len(line) <= width:
            yield line
            continue
        indent = line[: len(line) - len(line.lstrip())]
        yield from textwrap.wrap(
            line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
        )
