"""The plan as CSVs: what ``02_tasks/<experiment_id>/`` holds.

Rows are streamed into a temporary file that then takes the table's name, so that a table is
there whole or not at all and half a million rows cost no memory.
"""

from __future__ import annotations

import csv
import os
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from daydreaming.design.cells import Evaluation, Generation
from daydreaming.design.combinations import Combination
from daydreaming.objects.path import ObjectPath
from daydreaming.store.csv_rows import read_csv_rows
from daydreaming.store.files import write_whole

COMBINATION_COLUMNS = ("combo_id", "description_level", "k_max", "concept_count")
RELATIONSHIP_COLUMNS = ("combo_id", "concept_id", "position")
_NUMBERS = {"k_max", "concept_count", "position", "replicate"}


def write_generation_csvs(
    folder: Path,
    combinations: Sequence[Combination],
    generations: Iterable[Generation],
    concept_contents: Mapping[str, str],
) -> None:
    """Write combinations, generations, and the text of each concept as the prompts will show it.

    Writing twice leaves the same files.

    Args:
        folder: Made where it is missing.
        combinations: In the plan's order.
        generations: In the plan's order.
        concept_contents: Text by concept ID.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows = ((c.combo_id, c.description_level, c.k_max, len(c.concept_ids)) for c in combinations)
    write_csv(folder / "concept_combinations_combinations.csv", COMBINATION_COLUMNS, rows)
    pairs = ((c.combo_id, concept, i) for c in combinations for i, concept in enumerate(c.concept_ids))
    write_csv(folder / "concept_combinations_relationships.csv", RELATIONSHIP_COLUMNS, pairs)
    write_csv(folder / "generation_tasks.csv", Generation._fields, generations)
    for concept_id, content in concept_contents.items():
        write_whole(folder / "concept_contents" / f"{concept_id}.txt", content)


def write_evaluation_csv(folder: Path, evaluations: Iterable[Evaluation]) -> None:
    """Write the evaluations, in the plan's order; writing twice leaves the same file."""
    folder.mkdir(parents=True, exist_ok=True)
    write_csv(folder / "evaluation_tasks.csv", Evaluation._fields, evaluations)


def read_combinations_of(folder: Path) -> list[Combination]:
    """The combinations that ``write_generation_csvs`` wrote; none where it did not.

    Raises:
        StoreError: A table cannot be read.
    """
    concepts: dict[str, list[tuple[int, str]]] = {}
    pairs = folder / "concept_combinations_relationships.csv"
    for row in read_task_table(pairs, RELATIONSHIP_COLUMNS):
        concepts.setdefault(row["combo_id"], []).append((int(row["position"]), row["concept_id"]))
    combinations = folder / "concept_combinations_combinations.csv"
    return [
        Combination(
            row["combo_id"],
            tuple(concept for _, concept in sorted(concepts.get(row["combo_id"], []))),
            row["description_level"],
            int(row["k_max"]),
        )
        for row in read_task_table(combinations, COMBINATION_COLUMNS)
    ]


def read_task_table(path: Path, columns: Sequence[str]) -> Iterator[dict[str, str]]:
    """Rows of a table of ``02_tasks``; none where it is missing. Numbers in them are checked.

    Raises:
        StoreError: It cannot be read.
    """
    if not path.exists():
        return
    yield from read_csv_rows(path, columns, _checked)


def _checked(name: str, text: str) -> str:
    if name in _NUMBERS:
        int(text)
    return text


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Stream ``rows`` into a CSV (UTF-8, LF) that is there whole or not at all."""
    if isinstance(path, ObjectPath):
        with TemporaryDirectory() as folder:
            made = Path(folder) / "rows"
            _write_rows(made, columns, rows)
            path.bucket.put_file(path.key, made)
        return
    temporary = path.with_name(f".~{uuid.uuid4().hex}")
    try:
        _write_rows(temporary, columns, rows)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _write_rows(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
        file.flush()
        os.fsync(file.fileno())
