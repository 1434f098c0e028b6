"""A table as CSV text: the same bytes for the same table, and safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
import math
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

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
    columns = [_cells(frame.iloc[:, position]) for position in range(frame.shape[1])]
    return _csv([str(name) for name in frame.columns], zip(*columns, strict=True))


def rows_csv(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """The same for rows that are no frame, of text, numbers and None: pandas need not be loaded for them."""
    return _csv(columns, (["" if value is None else _cell(value) for value in row] for row in rows))


def frame_rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a frame as JSON values: numbers as the CSV has them, missing and infinite ones null."""
    columns = [_values(frame.iloc[:, position]) for position in range(frame.shape[1])]
    names = [str(name) for name in frame.columns]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def format_number(value: float) -> str:
    """A number as ``csv_text`` writes it: ``0.1 + 0.2`` → ``0.3``, ``2.0`` → ``2``, NaN → ''."""
    if math.isnan(value):
        return ""
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    if abs(value) >= 1 or value == 0:
        return f"{value + 0.0:.{DECIMALS}f}".rstrip("0").rstrip(".")
    import numpy as np

    return np.format_float_positional(value, precision=DECIMALS, unique=False, fractional=False, trim="-")


def marked(text: str) -> str:
    """The text as a cell that is no formula: where it begins as one does, with an apostrophe before it.

    A text that begins as such a cell does gets a further one, so that `unmarked` gives each text back.
    """
    return f"'{text}" if _begins_as_formula(text) else text


def unmarked(text: str) -> str:
    """The text that was written as this cell: without the apostrophe that marks it as no formula."""
    return text[1:] if text[:1] == "'" and _begins_as_formula(text) else text


def _begins_as_formula(text: str) -> bool:
    # '' is in no set of characters.
    return (text.lstrip("'") if text[:1] == "'" else text)[:1] in FORMULA_STARTS


def _csv(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([_text(name) for name in columns])
    writer.writerows(rows)
    return _encodable(buffer.getvalue())


def _cells(column: pd.Series[Any]) -> list[str]:
    import numpy as np
    import pandas as pd

    if pd.api.types.is_bool_dtype(column) or pd.api.types.is_integer_dtype(column):
        return ["" if missing else str(value) for value, missing in zip(column, column.isna(), strict=True)]
    if pd.api.types.is_float_dtype(column):
        codes, distinct = pd.factorize(column.to_numpy("float64", na_value=np.nan), use_na_sentinel=False)
        texts = [format_number(value) for value in distinct]
        return [texts[code] for code in codes]
    return [_cell(value) for value in column.astype(object).where(column.notna(), "")]


def _values(column: pd.Series[Any]) -> list[Any]:
    return [None if missing else _value(value) for value, missing in zip(column, column.isna(), strict=True)]


def _value(value: Any) -> Any:
    import numpy as np

    plain = value.item() if isinstance(value, np.generic) else value
    if isinstance(plain, float):
        return None if math.isinf(plain) else float(format_number(plain))
    return plain if isinstance(plain, bool | int) else _encodable(str(plain))


def _cell(value: object) -> str:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, float):
        return format_number(value)
    return str(value) if isinstance(value, int) else _text(str(value))


def _text(value: str) -> str:
    if "\r" in value:
        value = value.replace("\r\n", "\n").replace("\r", "\n")
    return marked(value)


def _encodable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
