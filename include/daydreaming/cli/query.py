"""How `daydreaming query` looks. Independent of typer."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO

from daydreaming.cli.terminal import terminal_width
from daydreaming.errors import InputError
from daydreaming.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

TEXT_COLUMNS: Final = (
    "experiments",
    "combo_id",
    "generation_template",
    "generation_model",
    "evaluation_template",
    "evaluation_model",
    "evaluation_timestamp",
    "score",
)
"""What a terminal shows unless columns are chosen."""
_LEFT_OUT_FIRST: Final = ("evaluation_timestamp", "combo_id", "experiments")
"""Of these, as many as a narrow terminal asks for."""
_SHORT_NAMES: Final = {
    "generation_template": "template",
    "generation_model": "generator",
    "evaluation_template": "rubric",
    "evaluation_model": "judge",
}
"""Heads where even what is left is too wide."""
_TIMES: Final = ("generation_timestamp", "evaluation_timestamp")
_SECOND_CHARS: Final = len("2026-03-01T12:00:00")


@dataclass(frozen=True)
class Output:
    """How the evaluations are given out.

    Attributes:
        columns: Chosen columns, by comma; '' for all (on a terminal: ``TEXT_COLUMNS``).
        limit: Rows that a terminal shows, at most.
        file: CSV or Parquet file to write; None for the standard output.
    """

    as_csv: bool = False
    as_json: bool = False
    columns: str = ""
    limit: int = 50
    file: Path | None = None


def run_query(settings: Settings, filters: Mapping[str, Any], output: Output, out: TextIO) -> None:
    """Find evaluations over all experiments and print or write them.

    Args:
        settings: The deployment's settings.
        filters: By names of ``FILTER_NAMES``.
        output: In which form.
        out: Where the text goes.

    Raises:
        InputError: A filter, column or file that cannot be; nothing is printed or written then.
    """
    from daydreaming.pipeline.query import find_evaluations, read_filter

    _check(output)
    evaluations = find_evaluations(settings, read_filter(filters))
    chosen = _choose(evaluations, output.columns)
    if output.file:
        _write(output.file, chosen)
        out.write(f"{counts_line(evaluations)} Written to {output.file}.\n")
    elif output.as_json:
        out.write(json.dumps(_records(chosen), allow_nan=False) + "\n")
    elif output.as_csv:
        from daydreaming.analysis.export import csv_text

        out.write(csv_text(chosen))
    else:
        shown = chosen if output.columns else chosen[list(TEXT_COLUMNS)]
        shown = _to_the_second(shown.head(output.limit))
        out.write((_text(shown) if output.columns else _fitted(shown, terminal_width(out))) + "\n")
        out.write(counts_line(evaluations) + _more(len(evaluations), output.limit) + "\n")


def counts_line(evaluations: pd.DataFrame) -> str:
    """How many evaluations there are, how many are scored, and their mean on 0–10."""
    from daydreaming.analysis.scales import score_0_10

    scored = int(evaluations["score"].notna().sum())
    mean = f", mean {score_0_10(evaluations).mean():.2f} on 0-10" if scored else ""
    return f"{len(evaluations)} evaluations: {scored} scored{mean}, {len(evaluations) - scored} unscored."


def _check(output: Output) -> None:
    from daydreaming.pipeline.query_files import TABLE_SUFFIXES

    if sum((output.as_csv, output.as_json, output.file is not None)) > 1:
        raise InputError("--csv, --json and --out exclude each other: give one of them.")
    if output.file is None:
        return
    if output.file.suffix not in TABLE_SUFFIXES:
        raise InputError(f"--out must end in {' or '.join(TABLE_SUFFIXES)}; got {str(output.file)!r}.")
    if not output.file.absolute().parent.is_dir():
        raise InputError(f"--out {output.file}: there is no folder {output.file.parent}. Make it first.")


def _choose(evaluations: pd.DataFrame, columns: str) -> pd.DataFrame:
    from daydreaming.inputs.wording import did_you_mean

    names = list(dict.fromkeys(name.strip() for name in columns.split(",") if name.strip()))
    known = [str(name) for name in evaluations.columns]
    problems = [
        f"--columns: there is no column {name!r}.{did_you_mean(name, known)} Columns: {', '.join(known)}."
        for name in names
        if name not in known
    ]
    if problems:
        raise InputError(problems)
    return evaluations[names] if names else evaluations


def _write(path: Path, table: pd.DataFrame) -> None:
    from daydreaming.pipeline.query_files import write_table_file

    try:
        write_table_file(path, table)
    except OSError as error:
        raise InputError(
            f"--out {path}: {error.strerror or error}. Name a file that can be written."
        ) from error


def _to_the_second(table: pd.DataFrame) -> pd.DataFrame:
    times = {name: table[name].str[:_SECOND_CHARS] for name in _TIMES if name in table}
    return table.assign(**times)


def _fitted(table: pd.DataFrame, width: int | None) -> str:
    """The table, with fewer columns and shorter heads where the terminal is too narrow."""
    for left_out in range(len(_LEFT_OUT_FIRST) + 1):
        text = _text(table.drop(columns=list(_LEFT_OUT_FIRST[:left_out])))
        if width is None or max(map(len, text.splitlines())) <= width:
            return text
    return _text(table.drop(columns=list(_LEFT_OUT_FIRST)).rename(columns=_SHORT_NAMES))


def _text(table: pd.DataFrame) -> str:
    """Aligned columns; numbers to the right, as far as the columns' types tell."""
    from pandas.api.types import is_numeric_dtype

    right = [is_numeric_dtype(table[name]) for name in table.columns]
    lines = [[str(name) for name in table.columns], *([_cell(v) for v in row] for row in table.to_numpy())]
    widths = [max(len(line[i]) for line in lines) for i in range(len(right))]
    return "\n".join(_line(line, widths, right) for line in lines)


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    aligned = [
        cell.rjust(width) if to_right else cell.ljust(width)
        for cell, width, to_right in zip(cells, widths, right, strict=True)
    ]
    return "  ".join(aligned).rstrip()


def _cell(value: Any) -> str:
    import pandas as pd

    from daydreaming.analysis.export import format_number

    if isinstance(value, str):
        # One line per row, and nothing that moves the terminal's cursor.
        return "".join(c if c.isprintable() else " " for c in value)
    if pd.isna(value):
        return "–"
    return format_number(float(value))


def _more(rows: int, limit: int) -> str:
    return f" {limit} are shown: see --limit, --csv and --out." if rows > limit else ""


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    plain = table.astype(object).where(table.notna(), None)
    return [{str(name): value for name, value in row.items()} for row in plain.to_dict("records")]
