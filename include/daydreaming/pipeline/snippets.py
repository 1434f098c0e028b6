"""Snippets of found texts, in pieces: what was found and what stands around it. PURE."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from daydreaming.pipeline.shown_texts import visible
from daydreaming.store.text_index import FOUND_END, FOUND_START

#: A text may be one word of any length.
_LONGEST: Final = 300
_FOUND = re.compile(f"{FOUND_START}(.*?){FOUND_END}", re.DOTALL)


@dataclass(frozen=True)
class SnippetPiece:
    """A stretch of a snippet."""

    text: str
    is_found: bool


def snippet_pieces(snippet: str) -> tuple[SnippetPiece, ...]:
    """The pieces of a snippet of the index, each shortened where it is long."""
    pieces = []
    for number, text in enumerate(_FOUND.split(snippet)):
        if text:
            pieces.append(SnippetPiece(visible(_shortened(text)), number % 2 == 1))
    return tuple(pieces)


def _shortened(text: str) -> str:
    half = _LONGEST // 2
    return text if len(text) <= _LONGEST else f"{text[:half]}…{text[-half:]}"
