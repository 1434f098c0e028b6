from __future__ import annotations

import io
import math

import pandas as pd
import pytest

from daydreaming.analysis.cross_experiment import evaluation_results
from daydreaming.analysis.frames import typed_frame
from daydreaming.analysis.parquet import parquet_bytes

KINDS = {"name": "text", "count": "integer", "share": "number"}
ROWS = [
    {"name": "=1+1\r\nß", "count": 3, "share": 0.1 + 0.2},
    {"name": None, "count": None, "share": None},
]


def read(data: bytes) -> pd.DataFrame:
    return pd.read_parquet(io.BytesIO(data), dtype_backend="pyarrow")


def test_text_and_numbers_come_back_as_they_were_and_missing_numbers_are_null():
    found = read(parquet_bytes(typed_frame(ROWS, KINDS)))
    assert found["name"].tolist() == ["=1+1\r\nß", ""]
    assert found["count"].isna().tolist() == [False, True]
    assert (found["count"][0], found["share"][0]) == (3, 0.1 + 0.2)
    assert found["share"].isna().tolist() == [False, True]


@pytest.mark.parametrize("rows", [[], ROWS, ROWS[1:]])
def test_types_do_not_depend_on_the_rows(rows):
    found = read(parquet_bytes(typed_frame(rows, KINDS)))
    assert {name: str(kind) for name, kind in found.dtypes.items()} == {
        "name": "string[pyarrow]",
        "count": "int64[pyarrow]",
        "share": "double[pyarrow]",
    }


def test_the_same_table_gives_the_same_bytes_wherever_pandas_keeps_its_text():
    rows = [{"evaluation_task_id": f"e{i}", "score": i / 7, "replicate": 1} for i in range(2000)]
    made = []
    for storage in ("python", "pyarrow"):
        with pd.option_context("mode.string_storage", storage):
            made.append(parquet_bytes(evaluation_results(rows)))
    assert made[0] == made[1]
    assert b"pandas" not in made[0]


def test_infinity_is_no_missing_number():
    found = read(parquet_bytes(typed_frame([{"share": math.inf}], KINDS)))
    assert found["share"].tolist() == [math.inf]
