"""The input CSVs: shape checked line by line, then rows checked by a Pydantic model each."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

import pandas as pd
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationError

from daydreaming.design.ids import id_problem
from daydreaming.inputs.text_files import read_text
from daydreaming.inputs.wording import MOST_TOLD, did_you_mean, listed, reason, show

#: Problems of one kind in one table that are told one by one.
_MOST_PROBLEMS = 100
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")


def _read_id(text: str) -> str:
    problem = id_problem(text)
    if problem:
        raise ValueError(problem)
    return text


def _not_empty(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty")
    return text


def read_flag(text: str) -> bool:
    """``true`` or ``false`` in any case, as spreadsheets write them."""
    if text.lower() not in ("true", "false"):
        raise ValueError("must be true or false")
    return text.lower() == "true"


def read_count(text: str) -> int | None:
    """A whole number of at least 1; None for an empty cell."""
    if not text:
        return None
    if not re.fullmatch(r"[0-9]{1,15}", text) or int(text) < 1:
        raise ValueError("must be a whole number of at least 1, or empty")
    return int(text)


def read_price(text: str) -> float | None:
    """A number of at least 0; None for an empty cell."""
    if not text:
        return None
    value = float(text) if _NUMBER.fullmatch(text) else -1.0
    if not 0 <= value < float("inf"):
        raise ValueError("must be a number of at least 0, or empty")
    return value


def read_number(text: str) -> float:
    """A finite number."""
    value = float(text) if _NUMBER.fullmatch(text) else float("inf")
    if abs(value) == float("inf"):
        raise ValueError("must be a number")
    return value


Id = Annotated[str, AfterValidator(_read_id)]
Text = Annotated[str, AfterValidator(_not_empty)]
Flag = Annotated[bool, BeforeValidator(read_flag)]
Count = Annotated[int | None, BeforeValidator(read_count)]
Price = Annotated[float | None, BeforeValidator(read_price)]
Number = Annotated[float, BeforeValidator(read_number)]


class TableRow(BaseModel):
    """A row of an input table; fields are columns, those with a default may be left out of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def required(cls) -> list[str]:
        """Columns that the file must have."""
        return [name for name, field in cls.model_fields.items() if field.is_required()]


RowT = TypeVar("RowT", bound=TableRow)


@dataclass(frozen=True)
class Table(Generic[RowT]):
    """A table that could be read.

    Attributes:
        label: How messages name the file.
        rows: Rows without problems, by ID.
        numbers: Row in the file of each of ``rows``; the header is row 1.
        ids: All IDs that the file names, those of rows with problems included.
    """

    label: str
    rows: Mapping[str, RowT]
    numbers: Mapping[str, int]
    ids: frozenset[str]


def read_table(path: Path, label: str, row_type: type[RowT], problems: list[str]) -> Table[RowT] | None:
    """Read and check one table; its first required column is its ID.

    Returns:
        None where the file or its header is unusable, so that nothing can be said about its IDs.
    """
    text = read_text(path, label, problems)
    records = [] if text is None else _read_records(text, label, problems)
    if not records or not _check_header(records[0][1], label, row_type, problems):
        return None
    header, body = records[0][1], records[1:]
    if not body:
        problems.append(f"{label}: has a header and no rows. Add at least one row.")
    key = row_type.required()[0]
    frame = _frame(header, _whole_rows(body, header, label, problems))
    _report_duplicates(frame, key, label, problems)
    found = len(problems)
    rows: dict[str, RowT] = {}
    numbers: dict[str, int] = {}
    columns = [column for column in header if column in row_type.model_fields]
    for number, record in zip(frame.index, frame[columns].to_dict("records"), strict=True):
        if len(problems) - found > _MOST_PROBLEMS:
            problems.append(f"{label}: rows from {number} on were not checked. Correct those before first.")
            break
        row = _check_row(record, f"{label}, row {number}", row_type, problems)
        if row is not None:
            rows.setdefault(str(record[key]), row)
            numbers.setdefault(str(record[key]), int(number))
    at = header.index(key)
    return Table(label, rows, numbers, frozenset(cells[at] for _, cells in body if len(cells) > at))


def _frame(header: Sequence[str], body: Sequence[tuple[int, list[str]]]) -> pd.DataFrame:
    """Rows as text (an empty cell is '', never NaN), indexed by their row in the file."""
    rows = [cells for _, cells in body]
    return pd.DataFrame(rows, index=[number for number, _ in body], columns=list(header), dtype=str)


def _whole_rows(
    body: Sequence[tuple[int, list[str]]], header: Sequence[str], label: str, problems: list[str]
) -> list[tuple[int, list[str]]]:
    found = [(number, _shape_problem(cells, header)) for number, cells in body]
    _tell(label, "have other cells than the header", [pair for pair in found if pair[1]], problems)
    return [record for record, (_, problem) in zip(body, found, strict=True) if not problem]


def _shape_problem(cells: Sequence[str], header: Sequence[str]) -> str:
    if not any(cells):
        return "has only empty cells. Delete the row."
    if len(cells) != len(header):
        return (
            f"has {len(cells)} cells, the header has {len(header)}. "
            "Correct the commas; put a text with commas in double quotes."
        )
    return ""


def _tell(label: str, what: str, found: Sequence[tuple[int, str]], problems: list[str]) -> None:
    """Problems of one kind, by row; of very many only the first."""
    problems += [f"{label}, row {number}: {problem}" for number, problem in found[:_MOST_PROBLEMS]]
    if len(found) > _MOST_PROBLEMS:
        problems.append(f"{label}: {len(found) - _MOST_PROBLEMS:,} more rows {what}.")


def _report_duplicates(frame: pd.DataFrame, key: str, label: str, problems: list[str]) -> None:
    first: dict[str, int] = {}
    twice: list[tuple[int, str]] = []
    for number, value in zip(frame.index, frame[key], strict=True):
        if value and first.setdefault(value, int(number)) != number:
            told = f"{key} {show(value)} is in row {first[value]} already. Delete or rename one."
            twice.append((int(number), told))
    _tell(label, f"repeat a {key}", twice, problems)


def _read_records(text: str, label: str, problems: list[str]) -> list[tuple[int, list[str]]]:
    """Rows with the number of their first line; blank lines are no rows."""
    records: list[tuple[int, list[str]]] = []
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    start = 1
    try:
        for cells in reader:
            if cells:
                records.append((start, cells))
            start = reader.line_num + 1
    except csv.Error as error:
        problems.append(f"{label}, row {start}: not valid CSV ({error}). Correct the quotes.")
        return []
    return records


def _check_header(header: Sequence[str], label: str, row_type: type[TableRow], problems: list[str]) -> bool:
    """Whether the rows can be checked, in spite of what is wrong with the header."""
    known = list(row_type.model_fields)
    place = f"{label}, row 1"
    twice = sorted(column for column, count in Counter(header).items() if count > 1)
    problems += [
        f"{place}: column {show(column)} is there twice. Delete one." for column in twice[:MOST_TOLD]
    ]
    unknown = [c for c in dict.fromkeys(header) if c not in known]
    if len(unknown) > MOST_TOLD:
        # Nothing more can be said of such a file, and to take it apart takes long.
        problems.append(f"{place}: {len(unknown):,} columns are unknown. Columns: {listed(known)}.")
        return False
    for column in unknown:
        hint = did_you_mean(column, set(known) - set(header))
        problems.append(
            f"{place}: unknown column {show(column)}.{hint} Rename or delete it; columns: {listed(known)}."
        )
    missing = [c for c in row_type.required() if c not in header]
    if missing:
        problems.append(f"{place}: missing column {', '.join(missing)}. Add it; columns: {listed(known)}.")
    return not twice and row_type.required()[0] in header


def _check_row(
    record: Mapping[Any, Any], place: str, row_type: type[RowT], problems: list[str]
) -> RowT | None:
    try:
        return row_type(**{str(column): cell for column, cell in record.items()})
    except ValidationError as error:
        for field, said, value in reason(error):
            problems.append(
                f"{place}: {f'{field} {said}; got {show(value)}. Correct it.' if field else said}"
            )
        return None
