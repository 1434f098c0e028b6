"""Whatever is typed becomes a query that SQLite understands, or none."""

from __future__ import annotations

import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daydreaming.store.search_terms import match_expression


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("moat", '"moat"'),
        ("  moat   search ", '"moat" "search"'),
        ("dream*", '"dream"*'),
        ('"moats meet" search', '"moats meet" "search"'),
        ('"moats mee"*', '"moats mee"*'),
        ('"moats meet', '"moats meet"'),
        ("mind-wandering", '"mind-wandering"'),
        ("a OR b NOT c", '"a" "OR" "b" "NOT" "c"'),
        ("NEAR(a b)", '"NEAR(a" "b)"'),
        ("essay: {x} ^y", '"essay:" "{x}" "^y"'),
        ('** -- "" \' ( )', ""),
        ("", ""),
        ("a\x00b\x02c", '"a b c"'),
        ("über*", '"über"*'),
    ],
)
def test_terms_are_quoted(typed, expected):
    assert match_expression(typed) == expected


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        st.text(max_size=60),
        st.lists(st.sampled_from([*"ab\"*^(){}:+-, '\\\x00", "AND", "OR", "NEAR"]), max_size=20).map("".join),
    )
)
def test_no_text_is_a_syntax_error(typed):
    expression = match_expression(typed)
    if not expression:
        return
    with sqlite3.connect(":memory:") as connection:
        connection.execute("CREATE VIRTUAL TABLE t USING fts5(a, b)")
        connection.execute("SELECT * FROM t WHERE t MATCH ?", (f"{{a b}} : ({expression})",)).fetchall()
    connection.close()
