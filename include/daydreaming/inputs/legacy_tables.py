"""CSVs and texts of the Dagster original, read leniently: columns came and went over its years."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from daydreaming.inputs.legacy_layout import LegacyLayout, Unplaced


def read_legacy_rows(
    layout: LegacyLayout, path: Path, required: Sequence[str], problems: list[Unplaced]
) -> list[dict[str, str]]:
    """Rows of one table, cells stripped, '' where a row is short; none where the file is missing.

    Args:
        layout: The folder that the table is of.
        path: The table.
        required: Columns without which it says nothing.
        problems: What is wrong is appended.
    """
    text = read_legacy_text(layout, path, "table", problems)
    if text is None:
        return []
    try:
        records = [record for record in csv.reader(io.StringIO(text, newline=""), strict=True) if any(record)]
    except csv.Error as error:
        problems.append(Unplaced("table", layout.relative(path), f"not valid CSV ({error}). Correct it."))
        return []
    header = [name.strip() for name in records[0]] if records else []
    missing = [name for name in required if name not in header]
    if missing:
        reason = f"has no column {', '.join(missing)}, so that it cannot be used; got {', '.join(header)}."
        problems.append(Unplaced("table", layout.relative(path), reason))
        return []
    width = len(header)
    return [
        dict(zip(header, [cell.strip() for cell in [*record, *[""] * width][:width]], strict=True))
        for record in records[1:]
    ]


def read_legacy_text(layout: LegacyLayout, path: Path, kind: str, problems: list[Unplaced]) -> str | None:
    """A text file without its byte order mark; None where it is missing or cannot be read.

    Args:
        layout: The folder that the file is of.
        path: The file.
        kind: How a problem is filed.
        problems: What is wrong is appended.
    """
    if not path.is_file():
        return None
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        problems.append(Unplaced(kind, layout.relative(path), f"cannot be read ({error.strerror})."))
    except UnicodeDecodeError as error:
        problems.append(Unplaced(kind, layout.relative(path), f"not UTF-8 (byte {error.start})."))
    return None
