"""``combo_mappings.csv``: what each combination ID stands for, over all experiments, append-only."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from daydreaming.design.combinations import Combination, ComboParts, check_collisions
from daydreaming.errors import StoreError
from daydreaming.objects.path import ObjectPath
from daydreaming.store.turns import hold_turn

COLUMNS = ("combo_id", "version", "concept_id", "description_level", "k_max", "created_at")
VERSION = "v1"
#: Long enough for the largest plan to be written by another process.
LOCK_TIMEOUT_S = 120.0


def read_combo_mappings(path: Path) -> dict[str, ComboParts]:
    """What each ID stands for; empty where the file is missing.

    A combination that a crash left with some of its rows only is left out.

    Raises:
        StoreError: A row cannot be read; names file and line.
    """
    return {combo: parts for combo, parts in _read_parts(path).items() if len(parts[0]) >= parts[2]}


def append_combo_mappings(
    path: Path, combinations: Sequence[Combination], now: datetime, results_conn: str = ""
) -> int:
    """Add the combinations that are not there yet, one row per concept. Call it once per plan.

    Holds a lock beside the file, so that two plans at once do not add a combination twice. A line
    torn by a crash is cut off, and a combination of which only some rows landed is completed. The lock of
    a file on an object store is one of the results database, ``results_conn``.

    Returns:
        Number of combinations added or completed.

    Raises:
        DesignError: An ID stands for another combination in the file.
        StoreError: The file cannot be read, or another process holds the lock for too long.
    """
    try:
        with hold_turn(path.with_name(path.name + ".lock"), results_conn, LOCK_TIMEOUT_S):
            return _append(path, combinations, now)
    except TimeoutError as error:
        raise StoreError(
            f"{path}: another process holds its lock for more than {LOCK_TIMEOUT_S:.0f} s. "
            "Try again; if it goes on, look for a plan that hangs."
        ) from error


def _append(path: Path, combinations: Sequence[Combination], now: datetime) -> int:
    _cut_torn_line(path)
    known = _read_parts(path)
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    if not path.exists() or path.stat().st_size == 0:
        writer.writerow(COLUMNS)
    added = 0
    for combination in combinations:
        missing = _missing_concepts(combination, known)
        added += bool(missing)
        writer.writerows(_row(combination, concept, now) for concept in missing)
    _write_end(path, buffer.getvalue())
    return added


def _missing_concepts(combination: Combination, known: Mapping[str, ComboParts]) -> list[str]:
    if combination.combo_id not in known:
        return list(combination.concept_ids)
    concepts, level, k_max = known[combination.combo_id]
    if not concepts <= set(combination.concept_ids) or (level, k_max) != combination[2:]:
        check_collisions([combination], known)
    return [c for c in combination.concept_ids if c not in concepts]


def _row(combination: Combination, concept_id: str, now: datetime) -> tuple[object, ...]:
    level, k_max = combination.description_level, combination.k_max
    return combination.combo_id, VERSION, concept_id, level, k_max, now.isoformat()


def _read_parts(path: Path) -> dict[str, ComboParts]:
    known: dict[str, ComboParts] = {}
    for line, row in _rows(path):
        concept, level, k_max = row["concept_id"], row["description_level"], int(row["k_max"])
        concepts, other_level, other_k = known.get(row["combo_id"], (frozenset[str](), level, k_max))
        if (level, k_max) != (other_level, other_k):
            raise StoreError(
                f"{path}, line {line}: {row['combo_id']} has two levels or two values of k_max. "
                "Restore the file from a backup."
            )
        known[row["combo_id"]] = (concepts | {concept}, level, k_max)
    return known


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    if not path.exists():
        return []
    text = path.read_bytes()
    whole = text[: text.rfind(b"\n") + 1]
    try:
        records = list(csv.reader(io.StringIO(whole.decode("utf-8"), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise StoreError(f"{path}: cannot be read ({error}). Restore it from a backup.") from error
    if not records:
        return []
    if tuple(records[0]) != COLUMNS:
        raise StoreError(
            f"{path}, line 1: the columns must be {','.join(COLUMNS)}; got {','.join(records[0])}. "
            "Move the file away or restore it from a backup."
        )
    return [(line, _checked(path, line, record)) for line, record in enumerate(records[1:], 2) if record]


def _checked(path: Path, line: int, record: list[str]) -> dict[str, str]:
    if len(record) != len(COLUMNS) or not record[COLUMNS.index("k_max")].isdecimal():
        raise StoreError(
            f"{path}, line {line}: a row needs {len(COLUMNS)} cells and a whole number as k_max; "
            f"got {','.join(record)!r}. Delete the line or restore the file from a backup."
        )
    return dict(zip(COLUMNS, record, strict=True))


def _cut_torn_line(path: Path) -> None:
    if isinstance(path, ObjectPath) or not path.exists():  # there a file is put whole
        return
    with path.open("rb+") as file:
        whole = file.read().rfind(b"\n") + 1
        file.truncate(whole)


def _write_end(path: Path, text: str) -> None:
    if not text:
        return
    if isinstance(path, ObjectPath):
        path.bucket.put(path.key, (path.read_bytes() if path.is_file() else b"") + text.encode())
        return
    with path.open("ab") as file:
        file.write(text.encode("utf-8"))
        file.flush()
        os.fsync(file.fileno())
