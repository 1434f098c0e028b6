from __future__ import annotations

import pytest

from daydreaming.report.blocks import Column, count, p_value, percent, table, with_interval

COLUMNS = [Column("name"), Column("n", "number")]


def test_a_short_table_is_whole():
    made = table("Levels", COLUMNS, [[str(i), "1"] for i in range(100)], file="levels.csv")
    assert (len(made.rows), made.gap, made.tail) == (100, "", ())


def test_a_long_table_shows_both_ends_and_says_what_is_between():
    made = table("Levels", COLUMNS, [[str(i), "1"] for i in range(1234)], file="../05/levels.csv")
    assert [row[0].text for row in made.rows] == [str(i) for i in range(50)]
    assert [row[0].text for row in made.tail] == [str(i) for i in range(1184, 1234)]
    assert made.gap == "1,134 more in levels.csv"


def test_notes_without_a_note_are_no_column():
    columns = [Column("name"), Column("note", "note")]
    assert len(table("t", columns, [["a", ""], ["b", ""]]).columns) == 1
    assert len(table("t", columns, [["a", ""], ["b", "rough"]]).columns) == 2


@pytest.mark.parametrize(
    ("row", "shown"),
    [
        ({"value": 6.2, "ci_low": 5.9, "ci_high": 6.48}, "6.20 (5.90 to 6.48)"),
        ({"value": -0.5, "ci_low": -1, "ci_high": 0}, "−0.50 (−1.00 to 0.00)"),
        ({"value": 6.2, "ci_low": None, "ci_high": None}, "6.20"),
        ({"value": None, "ci_low": None, "ci_high": None}, "–"),
        ({}, "–"),
    ],
)
def test_an_estimate_is_shown_with_its_interval_where_there_is_one(row, shown):
    assert with_interval(row) == shown


@pytest.mark.parametrize(
    ("p", "shown"), [(0.0004, "<\u00a00.001"), (0.031, "0.031"), (1, "1.000"), (None, "–")]
)
def test_p_values_are_written_as_papers_do(p, shown):
    assert p_value(p) == shown


def test_shares_and_counts():
    assert [percent(0.256), percent(None), percent(1.0, 0)] == ["25.6\u00a0%", "–", "100\u00a0%"]
    assert [count(1, "judge"), count(2, "judge"), count(1234, "essay")] == [
        "1 judge",
        "2 judges",
        "1,234 essays",
    ]
