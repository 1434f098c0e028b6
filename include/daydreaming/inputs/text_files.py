"""Input files as text: everything that editors and spreadsheets do to a file, found and named."""

from __future__ import annotations

import codecs
from pathlib import Path

#: A template or a description of this size is a mistake.
MAX_BYTES = 1_000_000


def read_text(path: Path, label: str, problems: list[str]) -> str | None:
    """Read an input file.

    Args:
        path: The file.
        label: How messages name it: below the inputs root.
        problems: What is wrong is appended, one line per problem.

    Returns:
        The text, with a byte order mark and carriage returns taken out so that the rest can be
        checked as well; None where there is nothing to check.
    """
    data = _read_bytes(path, label, problems)
    if data is None:
        return None
    if data.startswith(codecs.BOM_UTF8):
        problems.append(
            f"{label}, row 1: starts with a byte order mark (BOM). "
            "Save it as UTF-8 without BOM (in a spreadsheet: not as 'CSV UTF-8')."
        )
        data = data[len(codecs.BOM_UTF8) :]
    if b"\r" in data:
        row = data[: data.index(b"\r")].count(b"\n") + 1
        problems.append(
            f"{label}, row {row}: has Windows line ends (CRLF). "
            "Save it with Unix line ends (LF), or run dos2unix on it."
        )
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return _decode(data, label, problems)


def _read_bytes(path: Path, label: str, problems: list[str]) -> bytes | None:
    if not path.is_file():
        problems.append(f"{label}: missing. Create the file.")
        return None
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        problems.append(f"{label}: cannot be read ({error.strerror}). Correct its permissions.")
        return None
    if len(data) > MAX_BYTES:
        problems.append(f"{label}: larger than {MAX_BYTES:,} bytes. Shorten it.")
        return None
    if not data.removeprefix(codecs.BOM_UTF8).strip():
        problems.append(f"{label}: empty. Write its text, or delete it and what refers to it.")
        return None
    return data


def _decode(data: bytes, label: str, problems: list[str]) -> str | None:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        row = data[: error.start].count(b"\n") + 1
        problems.append(f"{label}, row {row}: not UTF-8 (byte 0x{data[error.start]:02x}). Save it as UTF-8.")
        return None
    if "\0" in text:
        row = text[: text.index("\0")].count("\n") + 1
        problems.append(f"{label}, row {row}: holds a NUL character. Save it as UTF-8 text.")
        return None
    return text
