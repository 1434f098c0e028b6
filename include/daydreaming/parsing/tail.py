"""Reads the end of an answer, however long the answer is, in constant memory."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import BinaryIO

from daydreaming.errors import ScoreParseError

WINDOW_BYTES = 64 * 1024
"""How much of an answer's end is read. A verdict stands there or nowhere; a line that does not fit
in it holds no verdict, and a line that the window cuts is not looked at."""

_BLANK = b" \t\r\n\x0b\x0c"
_LINE_END = re.compile(r"\r\n|\r|\n")
_LINE_END_BYTES = re.compile(rb"[\r\n]")


def tail_of_text(text: str) -> bytes:
    """The last whole lines of ``text`` that fit in the window, as UTF-8; empty for a blank text.

    Raises:
        ScoreParseError: The last line does not fit in the window.
    """
    end = text.rstrip(_BLANK.decode())[-WINDOW_BYTES - 1 :]
    return _whole_lines(end.encode("utf-8", errors="replace"))


def tail_of_file(path: str | os.PathLike[str]) -> bytes:
    """The last whole lines of a file that fit in the window; empty for a blank file.

    Raises:
        OSError: No such file, no permission, or not a regular file.
        ValueError: A path that no file can have.
        ScoreParseError: The last line does not fit in the window.
    """
    # Checked before opening: a FIFO would block and a device never ends.
    if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116 - takes bytes-like paths as they are
        raise OSError(f"{os.fspath(path)} is not a regular file")
    with Path(path).open("rb") as file:
        end = _end_of_content(file)
        start = max(0, end - WINDOW_BYTES - 1)
        file.seek(start)
        return _whole_lines(file.read(end - start))


def start_of_tail(text: str, tail: str) -> int:
    """Place in ``text`` at which its ``tail`` begins, as `tail_of_text` found it and decoded."""
    return len(text.rstrip(_BLANK.decode())) - len(tail)


def line_at(text: str, number: int) -> tuple[int, str]:
    """Line ``number``, from 0, of those that `split_lines` finds, and its place in ``text``."""
    start = 0
    for _ in range(number):
        found = _LINE_END.search(text, start)
        if not found:
            raise ValueError(f"the text has no line {number}")
        start = found.end()
    end = _LINE_END.search(text, start)
    line = text[start : end.start() if end else len(text)]
    begun = line.lstrip().lstrip("\ufeff").lstrip()
    return start + len(line) - len(begun), begun.rstrip().rstrip("\ufeff").rstrip()


def split_lines(text: str) -> list[str]:
    """Lines ended by LF, CRLF or CR only, stripped; empty ones stay."""
    return [line.strip().strip("\ufeff").strip() for line in _LINE_END.split(text)]


def _end_of_content(file: BinaryIO) -> int:
    """Offset after the last byte that is not blank, looked for backwards, block by block."""
    end = file.seek(0, os.SEEK_END)
    while end > 0:
        start = max(0, end - WINDOW_BYTES)
        file.seek(start)
        content = file.read(end - start).rstrip(_BLANK)
        if content:
            return start + len(content)
        end = start
    return 0


def _whole_lines(tail: bytes) -> bytes:
    """Cut ``tail`` to the window; a first line that is cut is dropped whole."""
    if len(tail) <= WINDOW_BYTES:
        return tail
    window = tail[-WINDOW_BYTES - 1 :]
    first_end = _LINE_END_BYTES.search(window)
    if not first_end:
        raise ScoreParseError(
            f"the last line is longer than {WINDOW_BYTES // 1024} KiB: such a line holds no verdict."
        )
    return window[first_end.end() :]
