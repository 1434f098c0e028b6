"""Check what no experiment accounts for: files that nobody planned, rows whose file is gone, combinations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from daydreaming.design.combinations import Combination
from daydreaming.errors import StoreError
from daydreaming.inputs.legacy_combos import UNKNOWN_LEVEL
from daydreaming.inputs.records import Stage
from daydreaming.pipeline.verify_findings import Finding, Kind
from daydreaming.settings import Settings
from daydreaming.store.combo_mappings import read_combo_mappings
from daydreaming.store.database import engine_for
from daydreaming.store.files import DataRoot, list_names
from daydreaming.store.imports import read_combinations

_STAGES: tuple[Stage, ...] = ("generation", "evaluation")


def check_files(
    files: DataRoot, planned: Mapping[Stage, set[str]], rows: Mapping[Stage, set[str]]
) -> Iterator[Finding]:
    """Check all files of both stages, and all rows, by their names alone.

    Args:
        files: The data root.
        planned: IDs of the cells that any run of any experiment planned.
        rows: IDs of the rows of responses.
    """
    for stage in _STAGES:
        answered = files.answered_ids(stage)
        for kind, path, ending in _folders(files, stage):
            for cell_id in sorted(_ids(path, ending)):
                name = files.relative(path / f"{cell_id}{ending}")
                if cell_id not in planned[stage]:
                    yield Finding(Kind.ORPHAN, name, f"{_a(kind)} that no experiment's plan names")
                elif kind in {"record", "essay"} and cell_id not in answered:
                    yield Finding(Kind.LEFTOVER, name, f"{_a(kind)} without a response")
        for cell_id in sorted(rows[stage] - answered):
            subject = f"database: {stage}s/{cell_id}"
            yield Finding(Kind.ROW_WITHOUT_RESPONSE, subject, "a row whose response file is missing")


def _a(kind: str) -> str:
    return f"an {kind}" if kind == "essay" else f"a {kind}"


def check_combo_mappings(settings: Settings) -> Iterator[Finding]:
    """Look for combinations that ``combo_mappings.csv`` does not have, or has otherwise."""
    path = DataRoot(settings.data_root).combo_mappings()
    # The file after the rows: a plan writes it first.
    combinations = read_combinations(engine_for(settings)).values()
    try:
        written = read_combo_mappings(path)
    except StoreError as error:
        yield Finding(Kind.UNREADABLE, path.name, str(error))
        return
    wrong = [c for c in combinations if _is_explained(c) and written.get(c.combo_id) != c.parts]
    if wrong:
        first = min(wrong)
        parts = f"{'+'.join(first.concept_ids)} ({first.description_level}, k_max {first.k_max})"
        detail = f"{len(wrong)} combinations are missing or others; first {first.combo_id}, must be {parts}"
        yield Finding(Kind.TABLE_DIFFERS, path.name, detail)


def _is_explained(combination: Combination) -> bool:
    """Whether all of it is known; of some that were imported it is not, and they are not in the file."""
    is_whole = len(combination.concept_ids) >= combination.k_max > 0
    return is_whole and combination.description_level != UNKNOWN_LEVEL


def count_files(files: DataRoot) -> int:
    """How many files ``check_files`` looks at."""
    return sum(len(_ids(path, ending)) for stage in _STAGES for _, path, ending in _folders(files, stage))


def _folders(files: DataRoot, stage: Stage) -> list[tuple[str, Path, str]]:
    responses = files.response(stage, "x").parent
    folders = [
        ("response", responses, ".txt"),
        ("record", responses, ".json"),
        ("prompt", files.prompt(stage, "x").parent, ".txt"),
    ]
    if stage == "generation":
        folders.append(("essay", files.essay("x").parent, ".txt"))
    return folders


def _ids(folder: Path, ending: str) -> set[str]:
    """IDs in a folder; hidden files are locks and unfinished ones."""
    names = list_names(folder)
    return {name[: -len(ending)] for name in names if name.endswith(ending) and not name.startswith(".")}
