"""Tables as files for other programs: CSV, and Parquet beside it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from daydreaming.store.files import write_whole, write_whole_bytes

if TYPE_CHECKING:
    import pandas as pd

TABLE_SUFFIXES = (".csv", ".parquet")


def write_table(folder: Path, name: str, frame: pd.DataFrame) -> None:
    """Write a table whole as ``NAME.csv`` and ``NAME.parquet``."""
    for suffix in TABLE_SUFFIXES:
        write_table_file(folder / f"{name}{suffix}", frame)


def write_table_file(path: Path, frame: pd.DataFrame) -> None:
    """Write a table whole in the format that the file's name ends in, one of ``TABLE_SUFFIXES``."""
    if path.suffix == ".parquet":
        from daydreaming.analysis.parquet import parquet_bytes

        write_whole_bytes(path, parquet_bytes(frame))
        return
    from daydreaming.analysis.export import csv_text

    write_whole(path, csv_text(frame))
