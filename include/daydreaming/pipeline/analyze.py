"""Analyse a table of scores from anywhere: read it, complete it, make every table of it."""

from __future__ import annotations

import csv
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from daydreaming.errors import InputError
from daydreaming.store.files import write_whole

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

FACTOR_COLUMNS: Final = (
    "generation_template",
    "generation_model",
    "evaluation_template",
    "evaluation_model",
    "combo_id",
)
NEEDED_COLUMNS: Final = (*FACTOR_COLUMNS, "score")
MISSING_SPELLINGS: Final = frozenset({"", "na", "n/a", "nan", "none", "null"})
"""What other tools write for a missing number, in lower case."""

_COUNTED = ("generation_replicate", "evaluation_replicate", "k_max", "essay_chars")
_COMPARED_COLUMNS = (*FACTOR_COLUMNS, "generation_task_id", "evaluation_task_id")
"""Spaces around what they hold make no other judge of a judge."""
_SEPARATOR = "|"
"""Joins factors to IDs where the table has none; the IDs are only compared."""
_SEPARATORS = {";": "semicolons", "\t": "tabs"}
_TABLE_WANTED = "Give a table with the columns of parsed_scores.csv."


def read_scores(path: Path) -> pd.DataFrame:
    """Read a CSV with the columns of ``parsed_scores.csv``, ours or another tool's.

    Columns beyond ``NEEDED_COLUMNS`` may be absent: replicates are then 1, IDs are made of the factors, and
    the scale is 0–10 if every score lies on it.

    Returns:
        As ``parsed_scores`` returns.

    Raises:
        InputError: No such file, no CSV, a column missing, a value that cannot be read, or a row twice.
    """
    from daydreaming.analysis.scores import SCORE_KINDS, parsed_scores

    raw = _read_csv(path)
    _require_columns(path, raw)
    for column, kind in SCORE_KINDS.items():
        if column in raw and kind != "text":
            raw[column] = _numbers(path, raw[column], whole=column in _COUNTED)
    _complete_scale(path, raw)
    _complete_ids(path, raw)
    if "error" not in raw:
        raw["error"] = raw["score"].isna().map({True: "no score in the table", False: ""})
    known = [column for column in SCORE_KINDS if column in raw]
    columns = [raw[column].tolist() for column in known]
    return parsed_scores(dict(zip(known, row, strict=True)) for row in zip(*columns, strict=True))


def analyze(scores: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Every table of ``ANALYSES``, by name."""
    from daydreaming.analysis.tables import ANALYSES

    return {name: make(scores) for name, make in ANALYSES.items()}


def write_tables(folder: Path, tables: Mapping[str, pd.DataFrame]) -> list[Path]:
    """Write each table as ``NAME.csv``; returns the paths.

    Raises:
        InputError: The folder cannot be written to.
    """
    from daydreaming.analysis.export import csv_text

    paths = [folder / f"{name}.csv" for name in tables]
    try:
        for path, table in zip(paths, tables.values(), strict=True):
            write_whole(path, csv_text(table))
    except OSError as error:
        raise InputError(
            f"--out {folder}: {error.strerror or error}. Name a folder that can be written to."
        ) from error
    return paths


def _read_csv(path: Path) -> pd.DataFrame:
    """All cells as text, indexed by the line of the file in which their row begins."""
    import pandas as pd

    records = _read_records(path)
    if not records:
        raise InputError(f"{path}: cannot be read as CSV: it is empty. {_TABLE_WANTED}")
    header = [name.strip() for name in records[0][1]]
    if len(header) == 1 and (other := re.search("[;\t]", header[0])):
        raise InputError(
            f"{path}: its cells are separated by {_SEPARATORS[other[0]]}, not by commas. "
            "Save it as CSV with commas, and with decimal points."
        )
    odd = [(line, cells) for line, cells in records[1:] if len(cells) != len(header)]
    if odd:
        line, cells = odd[0]
        raise InputError(
            f"{path}, row {line}: has {len(cells)} cells, the header has {len(header)}{_more(len(odd))}. "
            "Correct the commas; put a text with commas in double quotes."
        )
    lines = pd.Index([line for line, _ in records[1:]], dtype="int64")
    frame = pd.DataFrame([cells for _, cells in records[1:]], index=lines, columns=header, dtype="str")
    for column in _COMPARED_COLUMNS:
        if header.count(column) == 1:
            frame[column] = frame[column].str.strip()
    return frame


def _read_records(path: Path) -> list[tuple[int, list[str]]]:
    """Rows with the line that each begins in; blank lines are no rows."""
    records: list[tuple[int, list[str]]] = []
    line = 1
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            for cells in reader:
                if len(cells) > 1 or any(cell.strip() for cell in cells):
                    records.append((line, cells))
                line = reader.line_num + 1
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}. Name a CSV file of scores.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: cannot be read as CSV in UTF-8. {_TABLE_WANTED}") from error
    except csv.Error as error:
        raise InputError(
            f"{path}, row {line}: cannot be read as CSV ({error}). Correct the quotes."
        ) from error
    return records


def _require_columns(path: Path, raw: pd.DataFrame) -> None:
    from daydreaming.analysis.scores import SCORE_KINDS

    missing = [column for column in NEEDED_COLUMNS if column not in raw]
    if missing:
        raise InputError(
            f"{path}: no column {', '.join(missing)}; needed are {', '.join(NEEDED_COLUMNS)}. "
            "Add or rename columns."
        )
    twice = sorted({c for c in raw.columns[raw.columns.duplicated()] if c in SCORE_KINDS})
    if twice:
        raise InputError(f"{path}: column {', '.join(twice)} is there twice. Delete one.")
    if raw.empty:
        raise InputError(f"{path}: has a header and no rows. Add one row per evaluation.")
    for column in FACTOR_COLUMNS:
        _refuse(path, raw[column], raw[column].str.strip() == "", "is empty", "Every row needs one.")


def _numbers(path: Path, column: pd.Series[Any], *, whole: bool) -> pd.Series[Any]:
    import pandas as pd

    texts = column.str.strip()
    missing = texts.str.lower().isin(MISSING_SPELLINGS)
    numbers = pd.to_numeric(texts.mask(missing), errors="coerce").astype("float64")
    wrong = ~missing & ~numbers.abs().lt(math.inf)
    _refuse(path, column, wrong, "is not a number", "Use digits and a decimal point, or leave it empty.")
    if whole:
        wrong = numbers.notna() & ((numbers % 1 != 0) | (numbers < 1))
        _refuse(path, column, wrong, "is not a whole number from 1", "Correct it, or leave it empty.")
    return numbers


def _complete_scale(path: Path, raw: pd.DataFrame) -> None:
    from daydreaming.analysis.scores import DEFAULT_SCALE

    low, high = DEFAULT_SCALE
    for bound in ("score_min", "score_max"):
        if bound not in raw:
            raw[bound] = math.nan
    named = raw["score_min"].notna(), raw["score_max"].notna()
    half = named[0] != named[1]
    _refuse(
        path,
        raw["evaluation_template"],
        half,
        "has only one of score_min and score_max",
        "Give both or none.",
    )
    unnamed = ~named[0] & ~named[1]
    _refuse(
        path,
        raw["score"],
        unnamed & raw["score"].notna() & ~raw["score"].between(low, high),
        f"is outside {low:g}-{high:g}, the scale of rows that name none",
        "Add the columns score_min and score_max.",
    )
    wrong = ~unnamed & (raw["score_min"] >= raw["score_max"])
    _refuse(path, raw["score_min"], wrong, "is not below score_max", "Correct the scale.")


def _complete_ids(path: Path, raw: pd.DataFrame) -> None:
    for column in ("generation_replicate", "evaluation_replicate"):
        raw[column] = raw[column].fillna(1) if column in raw else 1.0
    generation = ["combo_id", "generation_template", "generation_model", "generation_replicate"]
    _fill_id(raw, "generation_task_id", generation)
    evaluation = ["generation_task_id", "evaluation_template", "evaluation_model", "evaluation_replicate"]
    repeated = raw.duplicated(evaluation)
    _refuse(
        path,
        raw["generation_task_id"],
        repeated,
        "has this rubric and judge in an earlier row already",
        "Delete copies; number repeats in a column generation_replicate or evaluation_replicate.",
    )
    essays = raw[["generation_task_id", *generation]].drop_duplicates()
    twofold = essays["generation_task_id"].duplicated().reindex(raw.index, fill_value=False)
    _refuse(
        path,
        raw["generation_task_id"],
        twofold,
        "stands for another combination, template, model or replicate in an earlier row",
        "Give each generation its own ID, or delete the column.",
    )
    _fill_id(raw, "evaluation_task_id", evaluation)
    repeated = raw["evaluation_task_id"].duplicated()
    _refuse(
        path, raw["evaluation_task_id"], repeated, "is in an earlier row already", "Give each row its own."
    )


def _fill_id(raw: pd.DataFrame, column: str, parts: list[str]) -> None:
    texts = raw[parts].astype({part: "Int64" for part in parts if "replicate" in part}).astype("str")
    made = texts[parts[0]].str.cat(texts[parts[1:]], sep=_SEPARATOR)
    raw[column] = raw[column].mask(raw[column].str.strip() == "", made) if column in raw else made


def _refuse(path: Path, column: pd.Series[Any], wrong: pd.Series[Any], what: str, remedy: str) -> None:
    if not wrong.any():
        return
    first = int(wrong.to_numpy().argmax())
    value = column.tolist()[first]
    got = repr(value) if isinstance(value, str) else "(empty)" if math.isnan(value) else f"{value:g}"
    told = f"{column.name} {got} {what}{_more(int(wrong.sum()))}"
    raise InputError(f"{path}, row {column.index[first]}: {told}. {remedy}")


def _more(rows: int) -> str:
    """How many rows have what is told of one."""
    return f" (as in {rows - 1} more rows)" if rows > 1 else ""
