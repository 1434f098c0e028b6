"""The tables of ``daydream_cross_experiment``: made of the evaluations that a filter finds.

Beside its files each group of tables keeps a digest of what they were made of, and of each file: so a run
that was started for nothing new (several experiments end at once, each starts one) writes nothing, and a
table that somebody has changed shows, whatever the filter was that it was made with.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from daydreaming import __version__
from daydreaming.pipeline.experiments import has_results
from daydreaming.pipeline.query import find_evaluations
from daydreaming.pipeline.query_files import TABLE_SUFFIXES, write_table
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.files import DataRoot, file_sha256, write_whole
from daydreaming.store.own_readings import stream_own_readings
from daydreaming.store.result_queries import EvaluationFilter, is_of_one

if TYPE_CHECKING:
    import pandas as pd

#: Tables by the group that one task writes.
TABLE_GROUPS: Mapping[str, tuple[str, ...]] = {
    "filtered_evaluation_results": ("filtered_evaluation_results",),
    "template_version_comparison_pivot": (
        "template_version_comparison_pivot",
        "template_version_differences",
    ),
    "model_performance": ("model_performance_by_combination", "model_performance_over_time"),
}


def digest_of_sources(settings: Settings, wanted: EvaluationFilter) -> str:
    """SHA-256 over all that the tables depend on: results as last exported, filter and package version.

    Of one experiment alone, how it reads verdicts in a way of its own too: the export does not say so.
    """
    digest = hashlib.sha256(json.dumps([__version__, asdict(wanted)], default=str).encode())
    export = _folder(settings) / "evaluation_results.csv"
    if export.exists():
        with export.open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    if is_of_one(wanted) and has_results(settings):
        for row in stream_own_readings(engine_for(settings), wanted.experiments[0]):
            digest.update(json.dumps(row).encode())
    return digest.hexdigest()


def are_current(settings: Settings, digest: str) -> bool:
    """Whether every table was made of these sources, and is as it was written."""
    folder = _folder(settings)
    kept = {group: _read(_digest_path(folder, group)) for group in TABLE_GROUPS}
    return all(text.startswith(digest) for text in kept.values()) and all(
        text == _digests(folder, group, digest) for group, text in kept.items()
    )


def written_tables(settings: Settings) -> dict[Path, str]:
    """SHA-256 that each table had when it was written, by file; without those of an earlier release."""
    folder = _folder(settings)
    found: dict[Path, str] = {}
    for group in TABLE_GROUPS:
        lines = _read(_digest_path(folder, group)).splitlines()[1:]
        written = {name: digest for digest, _, name in (line.partition(" ") for line in lines)}
        found |= {path: written[path.name] for path in _files(folder, group) if path.name in written}
    return found


def write_group(settings: Settings, group: str, wanted: EvaluationFilter, digest: str) -> dict[str, int]:
    """Write the tables of one group, whole, as CSV and Parquet.

    Args:
        settings: The deployment's settings.
        group: A key of ``TABLE_GROUPS``.
        wanted: The evaluations to make them of.
        digest: Of the sources, taken before this call: what lands in between makes them outdated again.

    Returns:
        Rows by table.

    Raises:
        InputError: A name in the filter is not known.
    """
    evaluations = find_evaluations(settings, wanted)
    folder = _folder(settings)
    # Not beside tables of which it is not true.
    _digest_path(folder, group).unlink(missing_ok=True)
    rows: dict[str, int] = {}
    for name in TABLE_GROUPS[group]:
        table = _makers()[name](evaluations)
        write_table(folder, name, table)
        rows[name] = len(table)
    write_whole(_digest_path(folder, group), _digests(folder, group, digest))
    return rows


def _makers() -> dict[str, Callable[[pd.DataFrame], pd.DataFrame]]:
    from daydreaming.analysis.model_performance import (
        model_performance_by_combination,
        model_performance_over_time,
    )
    from daydreaming.analysis.template_versions import (
        template_version_comparison_pivot,
        template_version_differences,
    )

    return {
        "filtered_evaluation_results": lambda evaluations: evaluations,
        "template_version_comparison_pivot": template_version_comparison_pivot,
        "template_version_differences": template_version_differences,
        "model_performance_by_combination": model_performance_by_combination,
        "model_performance_over_time": model_performance_over_time,
    }


def _folder(settings: Settings) -> Path:
    return DataRoot(settings.data_root).cross_experiment()


def _digest_path(folder: Path, group: str) -> Path:
    return folder / f".{group}.digest"


def _digests(folder: Path, group: str, digest: str) -> str:
    """What is kept beside a group of tables: digest of their sources, then of each file as it is."""
    lines = [digest, *(f"{file_sha256(path)} {path.name}" for path in _files(folder, group))]
    return "".join(f"{line}\n" for line in lines)


def _files(folder: Path, group: str) -> list[Path]:
    return [folder / f"{name}{suffix}" for name in TABLE_GROUPS[group] for suffix in TABLE_SUFFIXES]


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
