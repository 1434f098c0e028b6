"""Versions of one template side by side, over the cells that they share."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from daydreaming.analysis.frames import Kind, typed_frame
from daydreaming.analysis.scales import DECIMALS, score_0_10, with_shared_scale

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

FACTORS: Final = ("generation_template", "evaluation_template")
UNVERSIONED: Final = "base"
"""Label of the template whose ID is the base name alone: the version before there were versions."""

CELL_COLUMNS: Final = (
    "combo_id",
    "generation_template",
    "generation_model",
    "generation_replicate",
    "evaluation_template",
    "evaluation_model",
    "evaluation_replicate",
)
DIFFERENCE_KINDS: Final[Mapping[str, Kind]] = {
    "factor": "text",
    "template": "text",
    "version_a": "text",
    "version_b": "text",
    "mean_a": "number",
    "mean_b": "number",
    "difference": "number",
    "sd": "number",
    "n_cells": "integer",
    "n_combinations": "integer",
    "left_out": "integer",
}
_PIVOT_KINDS: Final[Mapping[str, Kind]] = {
    "factor": "text",
    "template": "text",
    **dict.fromkeys(CELL_COLUMNS, "text"),
    "generation_replicate": "integer",
    "evaluation_replicate": "integer",
    "scale": "text",
}
_ESSAY: Final = ("combo_id", "generation_template", "generation_model")
_VERSION = re.compile(r"(?P<base>.*[^._-])[._-]+v(?P<number>\d+(?:\.\d+)*)", re.IGNORECASE)


@dataclass(frozen=True, order=True)
class Version:
    """One version of a template; versions stand in the order of their numbers.

    Attributes:
        number: ``v1.2`` → (1, 2); () for the template without a version.
        label: ``v1.2``; the whole ID where two templates of one base have the same number.
    """

    number: tuple[int, ...]
    label: str
    template_id: str


def template_versions(template_ids: Iterable[str]) -> dict[str, list[Version]]:
    """Find templates of which there is more than one version.

    A version is a suffix of ``-``, ``_`` or ``.``, then ``v`` and a number (``-v2``, ``_v10``, ``_V1.2``);
    what precedes it is the base name. A template that has the base name alone for its ID counts as the
    oldest version.

    Returns:
        By base name, sorted: its versions, oldest first. Bases with a single one are left out.
    """
    families: dict[str, list[Version]] = {}
    for template_id in sorted(set(template_ids)):
        match = _VERSION.fullmatch(template_id)
        base, number = (match["base"], match["number"]) if match else (template_id, "")
        parts = tuple(int(part) for part in number.split(".")) if number else ()
        label = f"v{number}" if number else UNVERSIONED
        families.setdefault(base, []).append(Version(parts, label, template_id))
    return {base: _labelled(versions) for base, versions in sorted(families.items()) if len(versions) > 1}


def template_version_comparison_pivot(evaluations: pd.DataFrame) -> pd.DataFrame:
    """One row per cell that all versions of a template share, one column per version.

    Args:
        evaluations: As ``evaluation_results`` returns. Filtered: the versions that it holds are compared.

    Returns:
        Sorted. Columns:

        - ``factor`` (``generation_template`` or ``evaluation_template``), ``template`` (the base name).
        - the cell (``CELL_COLUMNS``): combination, generator, judge, the other template and replicates; the
          column of the factor itself is empty.
        - ``scale``: of the scores of the row; ``0-10 (rescaled)`` where versions have different scales.
        - per version (``base``, ``v1``, ``v2``, …): its score; empty where the template has no such
          version. A cell in which a version has no score is left out, and a verdict on an essay of which
          nobody can tell any more which replicate it was.
        - per pair of versions: ``v2_minus_v1``, …, the difference of the two scores.

        No rows, and no column after ``scale``, where no template has two versions.
    """
    tables = [_family_cells(*family) for family in _families(evaluations)]
    labels = _in_order(version for _, _, versions in _families_of(evaluations) for version in versions)
    pairs = [f"{later}_minus_{earlier}" for earlier, later in combinations(labels, 2)]
    found = {column for table in tables for column in table.columns}
    kinds: dict[str, Kind] = {**_PIVOT_KINDS, **dict.fromkeys(labels, "number")}
    kinds |= dict.fromkeys((pair for pair in pairs if pair in found), "number")
    rows = (row for table in tables for row in table.to_dict("records"))
    return typed_frame(({str(name): value for name, value in row.items()} for row in rows), kinds)


def template_version_differences(evaluations: pd.DataFrame) -> pd.DataFrame:
    """Compare each two versions of a template over the cells that these two share.

    Args:
        evaluations: As for the pivot.

    Returns:
        One row per pair of versions: ``factor, template, version_a, version_b``; ``mean_a``, ``mean_b`` and
        ``difference`` (b − a), in points on 0–10, of combinations: the cells of a combination depend on
        each other, so they are averaged first; ``sd`` of these differences (n − 1; empty below 2
        combinations); ``n_cells``, ``n_combinations``; ``left_out``: evaluations by the two that are in no
        shared cell or unscored.
    """
    rows: list[dict[str, Any]] = []
    for factor, base, versions, frame in _families(evaluations):
        rescaled = frame.assign(value=score_0_10(frame))
        for earlier, later in combinations(versions, 2):
            names = {"factor": factor, "template": base, "version_a": earlier.label, "version_b": later.label}
            rows.append({**names, **_difference(rescaled, factor, earlier.label, later.label)})
    return typed_frame(rows, DIFFERENCE_KINDS)


def _labelled(versions: Sequence[Version]) -> list[Version]:
    numbers = [version.number for version in versions]
    return sorted(
        version
        if numbers.count(version.number) == 1
        else Version(version.number, version.template_id, version.template_id)
        for version in versions
    )


def _families_of(evaluations: pd.DataFrame) -> Iterator[tuple[str, str, list[Version]]]:
    for factor in FACTORS:
        for base, versions in template_versions(evaluations[factor].unique()).items():
            yield factor, base, versions


def _families(evaluations: pd.DataFrame) -> Iterator[tuple[str, str, list[Version], pd.DataFrame]]:
    """Each template with versions, and its evaluations with the columns of a cell and ``version``."""
    cells = evaluations.rename(columns={"replicate": "evaluation_replicate"})
    cells = cells.assign(generation_replicate=_replicates(cells))
    for factor, base, versions in _families_of(evaluations):
        labels = {version.template_id: version.label for version in versions}
        frame = cells.loc[cells[factor].isin(list(labels))]
        yield factor, base, versions, frame.assign(version=frame[factor].map(labels))


def _replicates(cells: pd.DataFrame) -> pd.Series[Any]:
    """Which replicate each verdict is on; empty where nobody can tell: it is then in no shared cell."""
    known = cells["generation_replicate"]
    # The row of an essay is missing where a person brought the verdict alone, or deleted the response.
    numbers = known.fillna(1)
    essays = cells.assign(generation_replicate=numbers).groupby(
        [*_ESSAY, "generation_replicate"], dropna=False
    )
    # Of two that may be the first, one is not.
    is_only = essays["generation_task_id"].transform("nunique") == 1
    return numbers.where(known.notna() | is_only)


def _family_cells(factor: str, base: str, versions: Sequence[Version], frame: pd.DataFrame) -> pd.DataFrame:
    # Rubrics are never mixed in a row, but the versions of one rubric stand beside each other.
    keys = ["evaluation_template"] if factor == "generation_template" else []
    frame = with_shared_scale(frame, keys)
    names = _cell_names(factor)
    table = _wide(frame, names).reindex(columns=[version.label for version in versions]).dropna()
    for earlier, later in combinations(versions, 2):
        difference = (table[later.label] - table[earlier.label]).round(DECIMALS)
        table[f"{later.label}_minus_{earlier.label}"] = difference
    scales = frame.groupby(names)["scale"].first()
    return table.join(scales).reset_index().assign(factor=factor, template=base)


def _difference(frame: pd.DataFrame, factor: str, earlier: str, later: str) -> dict[str, Any]:
    both = frame.loc[frame["version"].isin([earlier, later])]
    cells = _wide(both, _cell_names(factor)).reindex(columns=[earlier, later]).dropna()
    means = cells.groupby("combo_id").mean()
    differences = means[later] - means[earlier]
    return {
        "mean_a": round(means[earlier].mean(), DECIMALS),
        "mean_b": round(means[later].mean(), DECIMALS),
        "difference": round(differences.mean(), DECIMALS),
        "sd": round(differences.std(), DECIMALS),
        "n_cells": len(cells),
        "n_combinations": len(means),
        "left_out": len(both) - 2 * len(cells),
    }


def _wide(frame: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    return frame.groupby([*names, "version"])["value"].mean().unstack("version")


def _cell_names(factor: str) -> list[str]:
    return [column for column in CELL_COLUMNS if column != factor]


def _in_order(versions: Iterable[Version]) -> list[str]:
    return list(dict.fromkeys(version.label for version in sorted(versions)))
