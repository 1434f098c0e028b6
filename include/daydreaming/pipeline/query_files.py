"""Tables as files for other programs: CSV, and Parquet beside it."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from daydreaming.store.files import write_whole

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

        _write_bytes(path, parquet_bytes(frame))
        return
    from daydreaming.analysis.export import csv_text

    write_whole(path, csv_text(frame))


def _write_bytes(path: Path, data: bytes) -> None:
    """As ``write_whole`` does, for what is no text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".~{uuid.uuid4().hex}")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
