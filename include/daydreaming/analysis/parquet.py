"""A frame as a Parquet file: types kept, the same bytes for the same table."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def parquet_bytes(frame: pd.DataFrame) -> bytes:
    """Write a frame as Parquet, without its index.

    Args:
        frame: Columns as ``typed_frame`` makes them.

    Returns:
        One file, compressed with Zstandard. Text stays as it is ('' where missing): no program takes a
        cell of Parquet for a formula. Missing numbers are null. Nothing in it says when or from which
        frame it was made, so the bytes depend on the table and on the version of Arrow alone.
    """
    import pyarrow as pa
    import pyarrow.parquet

    table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
    # Where pandas keeps its text depends on what is installed; the file does not.
    schema = pa.schema(
        [pa.field(f.name, pa.string() if pa.types.is_large_string(f.type) else f.type) for f in table.schema]
    )
    buffer = pa.BufferOutputStream()
    pyarrow.parquet.write_table(table.cast(schema), buffer, compression="zstd")
    return bytes(buffer.getvalue().to_pybytes())
