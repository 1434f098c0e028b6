"""The tables of ``daydream_cross_experiment``: made of the evaluations that a filter finds.

Beside its files each group of tables keeps a digest of what they were made of, so that a run that was
started for nothing new (several experiments end at once, each starts one) writes nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from daydreaming import __version__
from daydreaming.pipeline.query import find_evaluations
from daydreaming.pipeline.query_files import TABLE_SUFFIXES, write_table
from daydreaming.settings import Settings
from daydreaming.store.files import DataRoot, write_whole
from daydreaming.store.result_queries import EvaluationFilter

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
    """SHA-256 over all that the tables depend on: results as last exported, filter and package version."""
    digest = hashlib.sha256(json.dumps([__version__, asdict(wanted)], default=str).encode())
    export = _folder(settings) / "evaluation_results.csv"
    if export.exists():
        with export.open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest()


def are_current(settings: Settings, digest: str) -> bool:
    """Whether every table is there and was made of these sources."""
    folder = _folder(settings)
    return all(
        _read(_digest_path(folder, group)) == digest
        and all((folder / f"{name}{suffix}").exists() for name in names for suffix in TABLE_SUFFIXES)
        for group, names in TABLE_GROUPS.items()
    )


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
    rows: dict[str, int] = {}
    for name in TABLE_GROUPS[group]:
        table = _makers()[name](evaluations)
        write_table(folder, name, table)
        rows[name] = len(table)
    write_whole(_digest_path(folder, group), digest)
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


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""
