"""A text as a reader sees it, with the way back to its characters.

Full-width letters are letters here, and characters that nobody sees are not there.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from dataclasses import dataclass


@dataclass(frozen=True)
class Folded:
    """A folded text; what is found in it is changed in the original.

    Attributes:
        original: The text as it is.
        text: The same in compatibility forms (NFKC, character by character), without the characters of
            Unicode's category Cf (zero-width spaces and joiners, soft hyphens, writing directions, tags).
        starts: Where in ``text`` its pieces begin; empty where both texts have the same places.
        origins: Where in ``original`` the same pieces begin, and its end.
    """

    original: str
    text: str
    starts: tuple[int, ...] = ()
    origins: tuple[int, ...] = ()

    def place(self, index: int) -> int:
        """Where in the original the character at ``index`` comes from."""
        if not self.starts:
            return index
        piece = bisect_right(self.starts, index) - 1
        # One character may have become several, which all come from it.
        return min(self.origins[piece] + index - self.starts[piece], self.origins[piece + 1] - 1)


def fold(text: str) -> Folded:
    """Fold a text of any length; most texts stay as they are."""
    differing = {c: shown for c in set(text) if not c.isascii() and (shown := _shown(c)) != c}
    if not differing:
        return Folded(text, text)
    pieces: list[str] = []
    starts: list[int] = []
    origins: list[int] = []
    done = length = 0

    def add(piece: str, origin: int) -> None:
        nonlocal length
        pieces.append(piece)
        starts.append(length)
        origins.append(origin)
        length += len(piece)

    for match in re.finditer("|".join(map(re.escape, differing)), text):
        add(text[done : match.start()], done)
        add(differing[match[0]], match.start())
        done = match.end()
    add(text[done:], done)
    return Folded(text, "".join(pieces), tuple(starts), (*origins, len(text)))


def _shown(character: str) -> str:
    plain = unicodedata.normalize("NFKC", character)
    return "".join(c for c in plain if unicodedata.category(c) != "Cf")
