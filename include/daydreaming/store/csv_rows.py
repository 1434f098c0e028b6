"""Read a CSV that this package wrote: all of it as it was written, or an error that names the line."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from daydreaming.errors import StoreError


def read_csv_rows(
    path: Path, columns: Sequence[str], convert: Callable[[str, str], Any]
) -> Iterator[dict[str, Any]]:
    """Rows of a file, one at a time.

    Args:
        path: The file, which is there.
        columns: Those that it must have, in their order.
        convert: Turns a column's name and a text in it into the value; may raise ValueError.

    Raises:
        StoreError: The file is no such table.
    """
    line = 1
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.reader(file, strict=True)
            if tuple(next(reader, [])) != tuple(columns):
                raise ValueError(f"the columns must be {','.join(columns)}")
            for record in reader:
                line = reader.line_num
                if len(record) != len(columns):
                    raise ValueError(f"{len(record)} values for {len(columns)} columns")
                yield {name: convert(name, text) for name, text in zip(columns, record, strict=True)}
    except (ValueError, ArithmeticError, csv.Error) as error:
        raise StoreError(
            f"{path}, line {line}: cannot be read ({error}). Restore the file from a backup, or move it away."
        ) from error
