"""How `daydreaming analyze` looks. Independent of typer."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from daydreaming.pipeline.analyze import analyze, read_scores, write_tables

if TYPE_CHECKING:
    import pandas as pd


def run_analyze(file: Path, folder: Path | None, as_json: bool, out: TextIO) -> None:
    """Analyse one table of scores and print what came out.

    Args:
        file: CSV with the columns of ``parsed_scores.csv``.
        folder: Where one CSV per table is written; None for nowhere.
        as_json: One JSON object, keyed by table, instead of text.
        out: Where the text goes.

    Raises:
        InputError: The file cannot be analysed or the folder not be written; nothing is printed then.
    """
    scores = read_scores(file)
    tables = analyze(scores)
    written = write_tables(folder, tables) if folder else []
    if as_json:
        out.write(tables_json(tables) + "\n")
        return
    out.write(f"{counts_line(scores)}\n\n{reliability_text(tables['judge_reliability'])}\n")
    out.write(advice_text(tables["d_study"]))
    if written:
        out.write(f"\n{len(written)} tables are in {folder}.\n")


def tables_json(tables: Mapping[str, pd.DataFrame]) -> str:
    """One object: by table name the list of its rows, each an object; null for a missing number."""
    return json.dumps({name: _records(table) for name, table in tables.items()}, allow_nan=False)


def counts_line(scores: pd.DataFrame) -> str:
    """How many rows there are, how many count, and of what."""
    scored = int(scores["score"].notna().sum())
    essays = scores["generation_task_id"].nunique()
    rubrics, judges = scores["evaluation_template"].nunique(), scores["evaluation_model"].nunique()
    return (
        f"{len(scores)} evaluations: {scored} scored, {len(scores) - scored} unscored and left out; "
        f"{essays} essays, {rubrics} rubrics, {judges} judges."
    )


def reliability_text(table: pd.DataFrame) -> str:
    """The agreement of the judges, aligned for a terminal."""
    lines: list[tuple[str, ...]] = [
        ("rubric", "statistic", "level", "value", "95 % CI", "essays", "judges", "left out")
    ]
    notes: list[str] = []
    for row in table.to_dict("records"):
        lines.append(
            (
                str(row["evaluation_template"]),
                str(row["statistic"]),
                str(row["level"]),
                _number(row["value"]),
                _interval(row["ci_low"], row["ci_high"]),
                *(str(row[name]) for name in ("essays", "judges", "left_out")),
            )
        )
        notes.append(str(row["why"]) if math.isnan(row["value"]) else "")
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    texts = [
        "  ".join(
            cell.ljust(width) if i < 3 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    ]
    noted = [f"{text}  {note}".rstrip() for text, note in zip(texts, ["", *notes], strict=True)]
    return "\n".join(["Do the judges agree?", *noted])


def advice_text(table: pd.DataFrame) -> str:
    """What the D-study concludes for each kind of mean; '' where it has nothing to conclude from."""
    notes = table.loc[table["change"] == "conclusion", "note"].tolist()
    return "\n".join(["", "What would make the means more certain?", *notes, ""]) if notes else ""


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.2f}"


def _interval(low: float, high: float) -> str:
    return "–" if math.isnan(low) else f"{low:.2f} to {high:.2f}"


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    plain = table.astype(object).where(table.notna(), None)
    return [{str(name): value for name, value in row.items()} for row in plain.to_dict("records")]
