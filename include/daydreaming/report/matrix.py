"""Two factors at once as a heat map, and how each judge uses the scale."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from daydreaming.charts.heat import NO_VALUE, fair_range, heat_cell, heat_legend
from daydreaming.charts.histogram import Group, histogram
from daydreaming.charts.labels import MISSING, fixed
from daydreaming.report.blocks import RESCALED, Block, Cell, Column, Heading, Paragraph, Section, drawn, table
from daydreaming.report.source import Source

_UNIT = "mean score, 0–10"
#: Columns of a matrix and judges of a chart; the file has all.
_MOST_COLUMNS, _MOST_JUDGES = 40, 40
_BIN = 0.5
_POINTS = 10.0


@dataclass(frozen=True)
class _Matrix:
    """A table of ``final_results`` by two factors."""

    analysis: str
    down: str
    across: str
    title: str
    corner: str


_MATRICES = (
    _Matrix(
        "by_template_and_model",
        "generation_template",
        "generation_model",
        "Generation templates by generators",
        "template",
    ),
    _Matrix(
        "by_generator_and_judge", "generation_model", "evaluation_model", "Generators by judges", "generator"
    ),
)


def matrix_section(source: Source) -> Section:
    """Means of each template with each generator, and of each generator by each judge."""
    blocks: list[Block] = []
    for matrix in _MATRICES:
        rows = [row for row in source.table("final_results") if row["analysis"] == matrix.analysis]
        if any(row["mean_0_10"] is not None for row in rows):
            blocks += _heat_map(source, matrix, rows)
    if not blocks:
        blocks.append(Paragraph("Nothing is scored yet: this waits for the first verdict.", "waiting"))
    return Section("matrix", "Factor matrix", blocks, scale=RESCALED)


def _heat_map(source: Source, matrix: _Matrix, rows: Sequence[Mapping[str, Any]]) -> Iterator[Block]:
    means = [row["mean_0_10"] for row in rows if row["mean_0_10"] is not None]
    low, high = fair_range(means, 0.0, _POINTS)
    cells = {(row[matrix.down], row[matrix.across]): _cell(row, low, high) for row in rows}
    across = _best_first(rows, matrix.across)
    shown = across[:_MOST_COLUMNS]
    columns = [Column(matrix.corner, "code"), *(Column(name, "number") for name in shown)]
    lines = [
        [Cell(name), *(cells.get((name, other), Cell(MISSING, NO_VALUE)) for other in shown)]
        for name in _best_first(rows, matrix.down)
    ]
    yield Heading(matrix.title)
    yield drawn(heat_legend, low, high, unit=_UNIT)
    left = (
        f"; {len(across) - len(shown)} more columns in final_results.csv" if len(across) > len(shown) else ""
    )
    caption = f"Mean score on 0–10; hatched: nothing scored{left}"
    yield table(caption, columns, lines, file=source.file("final_results"))


def _best_first(rows: Sequence[Mapping[str, Any]], factor: str) -> list[str]:
    """Levels by the mean of all their scores, the highest first; those without one last."""
    sums: dict[str, tuple[int, float]] = {}
    for row in rows:
        scores, points = sums.get(row[factor], (0, 0.0))
        mean, more = row["mean_0_10"], row["count"]
        sums[row[factor]] = (scores, points) if mean is None else (scores + more, points + more * mean)
    return sorted(sums, key=lambda name: (not sums[name][0], -sums[name][1] / max(sums[name][0], 1), name))


def _cell(row: Mapping[str, Any], low: float, high: float) -> Cell:
    mean = row["mean_0_10"]
    return Cell(fixed(mean), heat_cell(mean, low, high), f"{row['count']:,} of {row['planned']:,} scored")


def distributions_section(source: Source) -> Section:
    """How each judge uses the scale."""
    title = "Score distributions"
    judges = sorted(source.distributions)
    if not source.scored:
        waiting = Paragraph("Nothing is scored yet: this waits for the first verdict.", "waiting")
        return Section("distributions", title, [waiting])
    shown = judges[:_MOST_JUDGES]
    left = len(judges) - len(shown)
    caption = "Share of each judge's scores; the dashed line is their mean."
    caption += f" {left} more judges in parsed_scores.csv." if left else ""
    figure = drawn(
        histogram,
        [Group(judge, source.distributions[judge]) for judge in shown],
        title="Scores by judge",
        unit="score, 0–10",
        low=0,
        high=10,
        step=_BIN,
        caption=caption,
    )
    note = Paragraph(
        "A judge that gives nearly always the same score tells essays apart badly; one that often gives the "
        "highest or lowest can tell nothing apart there.",
        "note",
    )
    return Section("distributions", title, [note, figure], scale=RESCALED)
