"""Texts of charts: made visible, measured, cut and broken into lines; numbers as people read them."""

from __future__ import annotations

import math
import re
import unicodedata
from typing import Final

from markupsafe import Markup, escape

ELLIPSIS: Final = "…"
MINUS: Final = "−"
MISSING: Final = "–"
REPLACEMENT: Final = "�"

_CODE = re.compile(r"`([^`\n]+)`")
_LINE_ENDS = re.compile(r"\r\n?|[\u2028\u2029\x85\x0b\x0c]")
#: Control characters, what turns the direction of text round, and halves of characters.
_UNSEEN = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
#: Widths of characters of a rather wide sans-serif face, in parts of the font size.
_THIN, _NARROW, _USUAL, _CAPITAL, _WIDE, _FULL = 0.33, 0.42, 0.62, 0.7, 0.95, 1.05


def visible(text: str) -> str:
    """The text with line ends as LF, and a mark in place of each character that would hide or steer."""
    return _UNSEEN.sub(REPLACEMENT, _LINE_ENDS.sub("\n", text))


def with_code(text: str) -> Markup:
    """The text as safe HTML, visible, and what is between backticks on one line as ``<code>``."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(visible(text)))))  # noqa: S704


def text_width(text: str, size: float) -> float:
    """About how wide a line of text is at a font size, in the same unit; rather too wide than too narrow."""
    return size * sum(map(_width, text))


def shorten(text: str, width: float, size: float) -> str:
    """The text where it fits, else its beginning and an ellipsis."""
    if text_width(text, size) <= width:
        return text
    room = width - text_width(ELLIPSIS, size)
    kept = 0
    for character in text:
        room -= size * _width(character)
        if room < 0:
            break
        kept += 1
    return text[:kept].rstrip() + ELLIPSIS


def wrap(text: str, width: float, size: float, *, lines: int = 2) -> list[str]:
    """The text in at most so many lines, broken at spaces where that fits; the last one is shortened."""
    words, found = text.split(), [""]
    for position, word in enumerate(words):
        longer = f"{found[-1]} {word}".strip()
        if text_width(longer, size) <= width or not found[-1]:
            found[-1] = longer
        elif len(found) < lines:
            found.append(word)
        else:
            found[-1] = " ".join([found[-1], *words[position:]])
            break
    return [shorten(line, width, size) for line in found]


def number(value: float | None, decimals: int = 2) -> str:
    """A number with so many decimals at most and thousands apart; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return MISSING
    text = f"{value:,.{decimals}f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return text.replace("-", MINUS) if text != "-0" else "0"


def fixed(value: float | None, decimals: int = 2) -> str:
    """The same with exactly so many decimals, for columns."""
    if value is None or not math.isfinite(value):
        return MISSING
    text = f"{value:,.{decimals}f}"
    return text.replace("-", MINUS) if float(text.replace(",", "")) else text.lstrip("-")


def _width(character: str) -> float:
    if character in "ilj.,:;!|' ":
        return _THIN
    if character in "tfrI`()[]/-":
        return _NARROW
    if character in "mwMW@%—…":
        return _WIDE
    if character.isascii():
        return _CAPITAL if character.isupper() or character.isdigit() else _USUAL
    return _FULL if unicodedata.east_asian_width(character) in "WF" else _CAPITAL
