from __future__ import annotations

import csv
import io
import json
import math

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daydreaming.analysis.export import csv_text, format_number, frame_rows, marked, rows_csv, unmarked


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1 + 0.2, "0.3"),
        (2.0, "2"),
        (-0.0, "0"),
        (7.123456789, "7.123457"),
        (-7.5, "-7.5"),
        (1234567.25, "1234567.25"),
        (1e21, "1000000000000000000000"),
        (0.00001234, "0.00001234"),
        (0.000012345678, "0.0000123457"),
        (0.99999999, "1"),
        (100.0, "100"),
        (math.nan, ""),
        (math.inf, "inf"),
        (-math.inf, "-inf"),
    ],
)
def test_numbers_are_short_exact_to_six_decimals_and_plain(value, text):
    assert format_number(value) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_reads_back_within_its_six_decimals(value):
    text = format_number(value)
    assert float(text) == pytest.approx(value, rel=1e-5, abs=5e-7 if abs(value) >= 1 else 0)
    assert "e" not in text
    assert text != "-0"


@pytest.mark.parametrize(
    "cell",
    ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\n=1", "\0=1", "＝1", "-cmd|' /C calc'!A0"],
)
def test_text_that_begins_as_a_formula_gets_an_apostrophe(cell):
    text = csv_text(pd.DataFrame({"error": [cell]}))
    assert next(csv.DictReader(io.StringIO(text, newline="")))["error"] == f"'{cell}"


def test_a_leading_carriage_return_is_neutralised_as_a_line_end():
    assert csv_text(pd.DataFrame({"error": ["\r=1"]})) == 'error\n"\'\n=1"\n'


def test_negative_numbers_in_number_columns_are_left_alone():
    frame = pd.DataFrame({"score": [-1.5, -2.0], "size": pd.array([-3, None], dtype="Int64")})
    assert csv_text(frame) == "score,size\n-1.5,-3\n-2,\n"


def test_numbers_among_text_are_left_alone():
    assert csv_text(pd.DataFrame({"mixed": pd.Series([-1, -2.5, "-x", None], dtype=object)})) == (
        'mixed\n-1\n-2.5\n\'-x\n""\n'
    )


def test_names_of_columns_are_text_too():
    assert csv_text(pd.DataFrame({"=x": [1]})) == "'=x\n1\n"


def test_missing_values_are_empty_in_every_kind_of_column():
    frame = pd.DataFrame(
        {
            "text": pd.Series(["a", None], dtype="str"),
            "number": [1.0, None],
            "integer": pd.array([1, None], dtype="Int64"),
            "truth": pd.array([True, None], dtype="boolean"),
        }
    )
    assert csv_text(frame) == "text,number,integer,truth\na,1,1,True\n,,,\n"


def test_line_ends_are_lf_inside_and_between_cells():
    text = csv_text(pd.DataFrame({"a": ["x\r\ny\rz"], "b": ['say "hi", twice']}))
    assert text == 'a,b\n"x\ny\nz","say ""hi"", twice"\n'


def test_half_a_surrogate_pair_does_not_stop_the_export():
    assert csv_text(pd.DataFrame({"a": pd.Series(["x\ud83d"], dtype=object)})) == "a\nx\\ud83d\n"


def test_an_empty_frame_is_its_header():
    assert csv_text(pd.DataFrame(columns=["a", "b"])) == "a,b\n"


def test_the_index_is_not_written():
    assert csv_text(pd.DataFrame({"a": [1]}, index=[99])) == "a\n1\n"


@given(st.lists(st.tuples(st.text(), st.text()), max_size=5))
def test_any_text_reads_back_as_one_cell_that_is_no_formula(cells):
    frame = pd.DataFrame(cells, columns=["a", "b"], dtype=object)
    rows = list(csv.reader(io.StringIO(csv_text(frame), newline="")))[1:]
    assert len(rows) == len(cells)
    for read, written in zip(rows, cells, strict=True):
        for got, wanted in zip(read, written, strict=True):
            assert got[:1] not in set("=+-@\t\r")
            assert got.removeprefix("'") == wanted.replace("\r\n", "\n").replace("\r", "\n").removeprefix("'")


def test_rows_without_a_frame_are_written_alike():
    rows = [["=x", 1, 2.50, None], ["a\r\nb", -3, float("nan"), "é"]]
    frame = pd.DataFrame(rows, columns=["a", "b", "c", "d"])
    assert rows_csv(["a", "b", "c", "d"], rows) == csv_text(frame)
    assert rows_csv(["a"], []) == "a\n"


@pytest.mark.parametrize(
    ("column", "values"),
    [
        (pd.Series([0.1 + 0.2, math.nan, math.inf, -math.inf, 2.0]), [0.3, None, None, None, 2.0]),
        (pd.array([3, None], dtype="Int64"), [3, None]),
        (pd.array([True, None], dtype="boolean"), [True, None]),
        (pd.Series(["=x", None], dtype="str"), ["=x", None]),
        (pd.Series(["x\ud83d", 1, 2.5], dtype=object), ["x\\ud83d", 1, 2.5]),
    ],
)
def test_rows_for_json_have_numbers_as_the_csv_and_null_for_what_is_none(column, values):
    rows = frame_rows(pd.DataFrame({"a": column}))
    assert rows == [{"a": value} for value in values]
    json.dumps(rows, allow_nan=False)
    assert [type(row["a"]) for row in rows] == [type(value) for value in values]


@given(st.text() | st.text("'=-+@a\t\r\n\0＝", max_size=6))
def test_any_text_comes_back_from_its_cell(text):
    assert unmarked(marked(text)) == text
    assert marked(text)[:1] not in set("=+-@\t\r\n\0＝")


@pytest.mark.parametrize(("cell", "text"), [("'=x", "=x"), ("'x", "'x"), ("'", "'"), ("", ""), ("x", "x")])
def test_the_mark_of_a_formula_is_taken_off_again(cell, text):
    assert unmarked(cell) == text
