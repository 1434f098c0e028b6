"""Rows of the results database as typed frames: every column there, in order, whatever the rows hold."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from daydreaming.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

Kind = Literal["text", "integer", "number"]
"""``text``: str, '' where missing. ``integer``: Int64, NA where missing. ``number``: float64, NaN."""


def typed_frame(
    rows: Iterable[Mapping[str, Any]], kinds: Mapping[str, Kind], required: Collection[str] = ()
) -> pd.DataFrame:
    """Make a frame with exactly the columns of ``kinds``, in their order and type.

    Args:
        rows: One mapping per row; further keys are left out, absent ones are missing values.
        kinds: Type by column.
        required: Text columns that no row may leave empty.

    Raises:
        StoreError: A required value is missing, or a number is none.
    """
    raw = pd.DataFrame(list(rows), columns=list(kinds))
    frame = pd.DataFrame({column: _typed(raw[column], kind) for column, kind in kinds.items()})
    for column in required:
        empty = int((frame[column] == "").sum())
        if empty:
            raise StoreError(
                f"{column} is empty in {empty} of {len(frame)} rows; every row needs one. "
                "Rebuild the results database from the response files."
            )
    return frame


def _typed(column: pd.Series[Any], kind: Kind) -> pd.Series[Any]:
    if kind == "text":
        return _as_text(column)
    try:
        numbers = pd.to_numeric(column)
        return numbers.astype("Int64" if kind == "integer" else "float64")
    except (TypeError, ValueError) as error:
        raise StoreError(
            f"{column.name} must hold {kind}s or nothing; got {_first_wrong(column, kind)!r}. "
            "Rebuild the results database from the response files."
        ) from error


def _as_text(column: pd.Series[Any]) -> pd.Series[Any]:
    if column.dtype != "str":
        column = column.astype(object).map(_iso, na_action="ignore")
    return column.astype("str").fillna("")


def _iso(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value


def _first_wrong(column: pd.Series[Any], kind: Kind) -> object:
    numbers = pd.to_numeric(column, errors="coerce")
    wrong = numbers.isna() & column.notna()
    if kind == "integer":
        wrong |= numbers.notna() & (numbers % 1 != 0)
    return next(iter(column[wrong].tolist()), None)
