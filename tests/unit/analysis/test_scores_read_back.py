"""`parsed_scores.csv` reads back as the frame that it was written from."""

from __future__ import annotations

import pandas as pd
import pytest

from daydreaming.analysis.export import csv_text
from daydreaming.analysis.score_file import scores_of_csv
from daydreaming.analysis.scores import SCORE_KINDS, parsed_scores
from daydreaming.errors import StoreError

ROW = {
    "combo_id": "combo_v1_0",
    "generation_template": "essay",
    "generation_model": "free",
    "evaluation_template": "rigor",
    "evaluation_model": "judge",
    "evaluation_task_id": "e1",
    "generation_task_id": "g1",
}


def table(**values: object) -> pd.DataFrame:
    return parsed_scores([{**ROW, **values}])


@pytest.mark.parametrize(
    "values",
    [
        {"score": 7.5, "score_min": 0, "score_max": 9, "k_max": 2, "essay_chars": 1200},
        {"score": None, "error": 'no "SCORE:", only\nlines, commas'},
        {"error": "=1+1"},
        {"generation_template": "-dash", "error": "\0zero"},
        {"generation_cost_usd": 0.0000123, "evaluation_cost_usd": None},
    ],
)
def test_a_table_reads_back_as_it_was(values):
    frame = table(**values)
    pd.testing.assert_frame_equal(scores_of_csv(csv_text(frame)), frame)


def test_an_empty_table_keeps_its_columns_and_types():
    frame = parsed_scores([])
    read = scores_of_csv(csv_text(frame))
    assert list(read.columns) == list(SCORE_KINDS)
    pd.testing.assert_frame_equal(read, frame)


def test_what_has_more_decimals_reads_back_as_the_file_has_it_and_is_written_so_again():
    text = csv_text(table(score=1 / 3 * 10))
    read = scores_of_csv(text)
    assert read["score"].tolist() == [3.333333]
    assert csv_text(read) == text


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "must have the columns combo_id,"),
        ("a,b\n1,2\n", r"must have the columns combo_id,.*; got \['a', 'b'\]"),
        (csv_text(table()) + "x\n", "cannot be read"),
        (
            csv_text(table(score=7)).replace(",7,", ",seven,"),
            "score must hold numbers or nothing; got 'seven'",
        ),
        (csv_text(table()) + csv_text(table()).split("\n", 1)[1], "repeat an evaluation_task_id"),
    ],
)
def test_an_edited_file_is_refused_with_the_reason(text, match):
    with pytest.raises(StoreError, match=match):
        scores_of_csv(text)
