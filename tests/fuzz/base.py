"""What all targets share: their shape, what they check of messages, and a folder of good inputs."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.support.experiments import make_inputs

#: The longest line that a person is told; a value in it is cut.
LONGEST_LINE = 1_500


@dataclass(frozen=True)
class Target:
    """One thing that is fuzzed.

    Attributes:
        name: On the command line and in the table.
        run: Takes any bytes.
        seeds: Inputs that it begins with.
        words: What the fuzzer puts in beside single bytes.
    """

    name: str
    run: Callable[[bytes], None]
    seeds: tuple[str, ...]
    words: tuple[str, ...] = ()


def text_of(data: bytes) -> str:
    """Any bytes as a text; what is not UTF-8 becomes half a surrogate pair, which JSON may bring too."""
    return data.decode("utf-8", "surrogateescape")


def check_lines(lines: Iterable[str]) -> None:
    """Each problem is one line that a person can read and a file can hold."""
    for line in lines:
        assert line.strip(), "an empty message"
        assert "\n" not in line, line
        assert "\r" not in line, line
        assert len(line) <= LONGEST_LINE, f"{len(line)} characters: {line[:200]}"
        line.encode()


@cache
def inputs_root() -> Path:
    """A small, valid inputs root of this process."""
    return make_inputs(Path(tempfile.mkdtemp(prefix="daydreaming-fuzz-")))


def forget_files() -> None:
    """Delete what ``inputs_root`` made."""
    if inputs_root.cache_info().currsize:
        shutil.rmtree(inputs_root(), ignore_errors=True)
        inputs_root.cache_clear()
