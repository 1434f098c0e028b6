"""Texts by strangers on a terminal."""

from __future__ import annotations

import pytest

from daydreaming.cli.plain_text import plain, plain_line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("With ümlauts, 漢字, 🙂.\n\tA tab.\r\nA line.", "With ümlauts, 漢字, 🙂.\n\tA tab.\nA line."),
        # Colours, the window's title, the clipboard, a hyperlink.
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("\x1b]52;c;cm0gLXJm\x07", "\\x1b]52;c;cm0gLXJm\\x07"),
        ("\x9b31m", "\\x9b31m"),
        # What would overwrite the line, or end it.
        ("safe\revil", "safe\\x0devil"),
        ("a\x08b\x7fc\x00d", "a\\x08b\\x7fc\\x00d"),
        ("one\u2028two\x85three\x0bfour", "one\\u2028two\\x85three\\x0bfour"),
        # The other way round.
        ("\u202eabc\u2066", "\\u202eabc\\u2066"),
        # Surrogates cannot be written at all.
        ("\udc80", "\\udc80"),
        # What joins letters is needed; blanks of other kinds are blanks.
        ("می\u200cخواهم 👩\u200d🔬", "می\u200cخواهم 👩\u200d🔬"),
        ("a\u00a0b\u3000c", "a b c"),
        ("[bold]no markup[/bold]", "[bold]no markup[/bold]"),
    ],
)  # fmt: skip
def test_nothing_in_a_text_moves_the_terminal(text, shown):
    assert plain(text) == shown
    assert plain(plain(text)) == shown


def test_every_character_of_unicode_is_harmless_afterwards():
    shown = plain("".join(map(chr, range(0x3000))))
    assert {c for c in shown if not c.isprintable()} == {"\n", "\t", "\u200c", "\u200d"}
    shown.encode()


def test_a_line_is_one_line():
    assert plain_line("  a\n\n b\tc\x1b ") == "a b c\\x1b"
