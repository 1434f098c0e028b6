"""The frame of ``parsed_scores`` read back from the CSV file that it was written to."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Final

from daydreaming.analysis.export import unmarked
from daydreaming.analysis.scores import SCORE_KINDS, parsed_scores
from daydreaming.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

_COLUMNS: Final = list(SCORE_KINDS)
_IS_TEXT: Final = [kind == "text" for kind in SCORE_KINDS.values()]


def scores_of_csv(text: str) -> pd.DataFrame:
    """Read what ``csv_text(parsed_scores(…))`` wrote.

    Every statistic is made of this frame, so that a file and its statistics agree to the last digit:
    the file has 6 decimals, and what was written may have had more.

    Returns:
        As ``parsed_scores`` returns.

    Raises:
        StoreError: The text is something else, because somebody has edited it.
    """
    try:
        records = csv.reader(io.StringIO(text, newline=""), strict=True)
        header = next(records, [])
        if header != _COLUMNS:
            raise StoreError(f"parsed_scores.csv must have the columns {','.join(_COLUMNS)}; got {header}.")
        return parsed_scores(_rows(records))
    except (csv.Error, ValueError) as error:
        raise StoreError(
            f"parsed_scores.csv cannot be read ({error}): it is written anew with the next tables."
        ) from error


def _rows(records: Iterator[list[str]]) -> Iterator[dict[str, str | None]]:
    for record in records:
        cells = zip(_COLUMNS, _IS_TEXT, record, strict=True)
        yield {name: unmarked(cell) if is_text else cell or None for name, is_text, cell in cells}
