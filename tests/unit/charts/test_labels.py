from __future__ import annotations

import math

import pytest

from daydreaming.charts.labels import fixed, number, shorten, text_width, visible, wrap


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\ttext\nof two lines", "plain\ttext\nof two lines"),
        ("one\r\ntwo\rthree\u2028four\x0bfive", "one\ntwo\nthree\nfour\nfive"),
        ("\x1b[31mred\x00", "\ufffd[31mred\ufffd"),
        ("a\u202egnirts\u2069", "a\ufffdgnirts\ufffd"),
        ("half \ud83d of a sign", "half \ufffd of a sign"),
        ("日本語 😀 é", "日本語 😀 é"),
    ],
)
def test_what_hides_or_steers_is_made_visible(text, shown):
    assert visible(text) == shown
    visible(text).encode()


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (1.5, "1.5"),
        (2.0, "2"),
        (-0.001, "0"),
        (-1.25, "−1.25"),
        (1234.5, "1,234.5"),
        (100, "100"),
        (0.005, "0.01"),
        (None, "–"),
        (math.nan, "–"),
        (math.inf, "–"),
    ],
)
def test_numbers_have_no_idle_zeros(value, shown):
    assert number(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(1.5, "1.50"), (-0.001, "0.00"), (-1.25, "−1.25"), (None, "–"), (1234, "1,234.00")]
)
def test_numbers_of_a_column_have_the_same_decimals(value, shown):
    assert fixed(value) == shown


def test_a_text_that_fits_stays():
    assert shorten("short", 200, 12) == "short"


@pytest.mark.parametrize(
    "text", ["a rather long name of a template", "WWWWWWWWWWWWWWWWWWWW", "日本語日本語日本語日本語"]
)
def test_a_long_text_is_cut_to_its_room_and_says_so(text):
    cut = shorten(text, 80, 12)
    assert cut.endswith("…")
    assert text.startswith(cut[:-1])
    assert 40 < text_width(cut, 12) <= 80


def test_a_name_is_broken_at_a_space():
    assert wrap("Borrowed attention + Quiet critic", 150, 12) == ["Borrowed attention +", "Quiet critic"]


def test_what_does_not_fit_into_two_lines_is_cut_in_the_last():
    lines = wrap("one two three four five six seven eight nine ten eleven", 100, 12)
    assert len(lines) == 2
    assert lines[1].endswith("…")
    assert all(text_width(line, 12) <= 100 for line in lines)


def test_a_word_that_is_wider_than_the_line_is_cut():
    assert wrap("x" * 200, 100, 12)[0].endswith("…")
    assert wrap("", 100, 12) == [""]
