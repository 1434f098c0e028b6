"""Check what no experiment accounts for: files that nobody planned, rows whose file is gone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from daydreaming.inputs.records import Stage
from daydreaming.pipeline.verify_findings import Finding, Kind
from daydreaming.store.files import DataRoot, list_names
from daydreaming.store.ratings import read_rating_files

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
                    yield Finding(Kind.ORPHAN, name, f"a {kind} that no experiment's plan names")
                elif kind in {"record", "essay"} and cell_id not in answered:
                    yield Finding(Kind.LEFTOVER, name, f"a {kind} without a response")
        for cell_id in sorted(rows[stage] - answered):
            subject = f"database: {stage}s/{cell_id}"
            yield Finding(Kind.ROW_WITHOUT_RESPONSE, subject, "a row whose response file is missing")


def check_ratings(files: DataRoot) -> Iterator[Finding]:
    """Read all ratings: the tables leave out those that cannot be read."""
    for path, problem in read_rating_files(files.path).problems.items():
        yield Finding(Kind.UNREADABLE, files.relative(path), problem)


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
