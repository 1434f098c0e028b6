"""A frame as CSV text: the same bytes for the same table, and safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
from typing import Any, Final

import numpy as np
import pandas as pd

DECIMALS: Final = 6
FORMULA_STARTS: Final = frozenset("=+-@\t\r\n\0＝＋－＠")
"""A spreadsheet takes a cell that begins with one of these for a formula.

Source: OWASP, "CSV Injection"; OWASP ASVS 5.0, requirement 1.2.10.
"""


def csv_text(frame: pd.DataFrame) -> str:
    """Write a frame as CSV, without its index.

    Args:
        frame: Any frame; names of columns and cells of text columns are taken for text that others wrote.

    Returns:
        Comma-separated, a header line, LF at the end of each line, quoted only where needed; always
        encodable as UTF-8. Missing values are empty. A number is never quoted or marked; fractions have at
        most 6 decimals (below 1: at most 6 significant digits), no trailing zeros, no exponent. Text that
        begins as a formula does gets a leading apostrophe, and line ends inside text are LF.
    """
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([_text(str(name)) for name in frame.columns])
    columns = [_cells(frame.iloc[:, position]) for position in range(frame.shape[1])]
    writer.writerows(zip(*columns, strict=True))
    return buffer.getvalue().encode("utf-8", "backslashreplace").decode("utf-8")


def format_number(value: float) -> str:
    """A number as ``csv_text`` writes it: ``0.1 + 0.2`` → ``0.3``, ``2.0`` → ``2``, NaN → ''."""
    if np.isnan(value):
        return ""
    if np.isinf(value):
        return "inf" if value > 0 else "-inf"
    if abs(value) >= 1 or value == 0:
        return f"{value + 0.0:.{DECIMALS}f}".rstrip("0").rstrip(".")
    return np.format_float_positional(value, precision=DECIMALS, unique=False, fractional=False, trim="-")


def _cells(column: pd.Series[Any]) -> list[str]:
    if pd.api.types.is_bool_dtype(column):
        return ["" if missing else str(value) for value, missing in zip(column, column.isna(), strict=True)]
    if pd.api.types.is_integer_dtype(column):
        return ["" if missing else str(value) for value, missing in zip(column, column.isna(), strict=True)]
    if pd.api.types.is_float_dtype(column):
        codes, distinct = pd.factorize(column.to_numpy("float64", na_value=np.nan), use_na_sentinel=False)
        texts = [format_number(value) for value in distinct]
        return [texts[code] for code in codes]
    return [_cell(value) for value in column.astype(object).where(column.notna(), "")]


def _cell(value: object) -> str:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, float):
        return format_number(value)
    return str(value) if isinstance(value, int) else _text(str(value))


def _text(value: str) -> str:
    if "\r" in value:
        value = value.replace("\r\n", "\n").replace("\r", "\n")
    return f"'{value}" if value[:1] in FORMULA_STARTS else value
