"""People beside judges: what those who read essays blind gave them. Only where somebody has rated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from daydreaming.charts.intervals import IntervalRow, Reference, dot_intervals
from daydreaming.charts.labels import MISSING, fixed
from daydreaming.report.blocks import (
    Block,
    Cell,
    Column,
    Figure,
    Heading,
    Paragraph,
    drawn,
    table,
    with_interval,
)
from daydreaming.report.source import Source

_TABLE = "human_agreement"
_MOST_CHARTED = 40
_MEAN = "mean of the judges"


def people_blocks(source: Source) -> Iterator[Block]:
    """How far each judge is from people, drawn and as a table; nothing where nobody has rated."""
    rows = source.table(_TABLE)
    if not rows:
        return
    yield Heading("People and judges")
    yield from _chart(source)
    columns = [Column("rubric", "code"), Column("judge", "code")]
    columns += [
        Column(name, "number")
        for name in (
            "essays",
            "people",
            "without a score",
            "judge − people",
            "95 % of differences",
            "ICC(A,1)",
            "alpha, interval",
        )
    ]
    columns.append(Column("note", "note"))
    cells = [_cells(row) for row in rows]
    caption = "Would people who do not know the origin of an essay have said the same? Points on 0–10"
    yield table(caption, columns, cells, file=source.file(_TABLE))
    yield Paragraph(
        "Above 0 the judge gives more than people do; an interval that holds 0 may be nothing. Between the "
        "two limits 95 % of its differences on single essays lie. People were given the essays on which "
        "judges differ most, so on all essays agreement is likely better. Below 20 essays read it as a hint.",
        "note",
    )


def _chart(source: Source) -> Iterator[Figure]:
    told = [row for row in source.table(_TABLE) if row["difference"] is not None]
    if not told:
        return
    shown = [
        IntervalRow(
            f"{row['evaluation_model'] or _MEAN}, {row['evaluation_template']}",
            row["difference"],
            row["ci_low"],
            row["ci_high"],
            row["essays"],
        )
        for row in told[:_MOST_CHARTED]
    ]
    left = len(told) - len(shown)
    caption = f"{left} more in {_TABLE}.csv." if left else ""
    title, unit = "Distance of each judge from people", "points above what people gave the same essays"
    people = Reference(0.0, "people")
    yield drawn(
        dot_intervals, shown, title=title, unit=unit, reference=people, n_label="essays", caption=caption
    )


def _cells(row: Mapping[str, Any]) -> list[Cell | str]:
    limits = (row["limit_low"], row["limit_high"])
    return [
        row["evaluation_template"],
        row["evaluation_model"] or _MEAN,
        f"{row['essays']:,}",
        f"{row['raters']:,}",
        f"{row['left_out']:,}",
        with_interval(row, "difference"),
        MISSING if None in limits else " to ".join(map(fixed, limits)),
        fixed(row["icc_a1"]),
        fixed(row["krippendorff_alpha"]),
        row["why"] or "",
    ]
