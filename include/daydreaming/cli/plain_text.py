"""Texts by strangers, made safe for a terminal: models write them, and may write anything."""

from __future__ import annotations

#: What joins letters into one sign; they move nothing.
_JOINERS = "\u200c\u200d"


def plain(text: str) -> str:
    """The text with its line ends and tabs, and every other control character spelt out.

    Escape sequences could move the cursor, change the window's title or the clipboard, and marks of
    writing direction could show the text in another order than it has.
    """
    lines = text.replace("\r\n", "\n").split("\n")
    return "\n".join("".join(_sign(character) for character in line) for line in lines)


def plain_line(text: str) -> str:
    """The same in one line."""
    return " ".join(plain(text).split())


def _sign(character: str) -> str:
    if character.isprintable() or character in _JOINERS or character == "\t":
        return character
    if character.isspace() and character not in "\r\v\f\x1c\x1d\x1e\x1f\x85\u2028\u2029":
        return " "
    return f"\\x{ord(character):02x}" if ord(character) < 256 else f"\\u{ord(character):04x}"
