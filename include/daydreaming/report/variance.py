"""Where differences between scores come from, and what to run next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from daydreaming.charts.intervals import Reference
from daydreaming.charts.labels import MISSING, fixed, number
from daydreaming.charts.line import Series, line
from daydreaming.charts.shares import Part, stacked_shares
from daydreaming.report.blocks import (
    RESCALED,
    Block,
    Column,
    Heading,
    Items,
    Paragraph,
    Section,
    Table,
    drawn,
    percent,
    table,
    with_interval,
)
from daydreaming.report.leaderboards import FACTORS
from daydreaming.report.source import Rows, Source

TARGET_SE = 0.2
"""The standard error that the advice of ``d_study`` is about, in points on 0–10."""
#: Column of ``d_study`` that holds how many there are of what a change adds.
_COUNTED: Mapping[str, str] = {
    "more combinations": "combinations",
    "more generation replicates": "replicates",
    "more judges": "judges",
    "more rubrics": "rubrics",
    "more evaluation replicates": "evaluation_replicates",
}
#: Points of the scale that all means are on.
_SCALE = 10.0
#: Beyond so many times as many a curve is flat.
_MOST_TIMES = 5.0


def variance_section(source: Source) -> Section:
    """Shares of the variance by source."""
    title = "Where differences come from"
    rows = source.table("g_study")
    told = [row for row in rows if row["share"] is not None]
    if not any(row["share"] > 0 for row in told):
        waiting = Paragraph(
            "This waits for scores that differ: two at least, of more than one essay or judge.", "waiting"
        )
        return Section("variance", title, [waiting])
    parts = [Part(row["component"], row["share"]) for row in told]
    figure = drawn(stacked_shares, parts, title="Shares of the variance of scores")
    note = Paragraph(
        "A large share of essays beside small ones of combinations, templates and generators: luck of the "
        "draw decides, not the design. A large share of judges: they differ in leniency. A large share of "
        "essay x judge or residual: one verdict tells little. Where the interval is wide, the share is a "
        "guess; 25 is the most that scores on 0–10 can vary.",
        "note",
    )
    return Section("variance", title, [figure, note, _components(source, rows)], scale=RESCALED)


def _components(source: Source, rows: Rows) -> Table:
    columns = [Column("component"), Column("levels", "number"), Column("variance (95 % interval)", "number")]
    columns += [Column(name, "number") for name in ("share", "generalizability", "phi")]
    columns.append(Column("warning", "note"))
    cells = [
        [
            row["component"],
            str(row["levels"]),
            with_interval(row, "variance", 3),
            percent(row["share"]),
            fixed(row["generalizability"]),
            fixed(row["phi"]),
            row["warning"],
        ]
        for row in rows
    ]
    return table(
        "Variance components, in squared points on 0–10", columns, cells, file=source.file("g_study")
    )


def next_design_section(source: Source) -> Section:
    """What makes the means surer for the least money, and what the design could have found."""
    title = "What to run next"
    study = source.table("d_study")
    advice = [row["note"] for row in study if row["change"] == "conclusion" and row["note"]]
    blocks: list[Block] = []
    if advice:
        blocks += [Paragraph("For each kind of mean:"), Items(advice)]
        for name in dict.fromkeys(row["object"] for row in study):
            blocks += _curves([row for row in study if row["object"] == name], name)
        blocks.append(_additions(source, study))
    else:
        blocks.append(
            Paragraph(
                "Advice waits for scores of more than one combination, template or generator.", "waiting"
            )
        )
    return Section("next-design", title, [*blocks, *_detectable(source)], scale=RESCALED)


def _curves(rows: Sequence[Mapping[str, Any]], name: str) -> Iterator[Block]:
    now = next((row for row in rows if row["change"] == "as it is"), None)
    if now is None or now["se"] is None:
        return
    series = []
    for change, column in _COUNTED.items():
        points = [
            (row[column] / now[column], row["se"])
            for row in rows
            if row["change"] == change and row["se"] is not None and now[column]
        ]
        near = sorted(point for point in points if point[0] <= _MOST_TIMES)
        if near:
            is_bound = any(row["change"] == change and "at best" in row["note"] for row in rows)
            title = f"{change} (at best)" if is_bound else change
            series.append(Series(title, [(1.0, now["se"]), *near]))
    if series:
        yield Heading(f"{name.capitalize()} means")
        yield drawn(
            line,
            series,
            title=f"Standard error of {name} means",
            x_unit="times as many as now",
            y_unit="standard error of a mean, points on 0–10",
            reference=Reference(TARGET_SE, f"SE {TARGET_SE}"),
        )


def _additions(source: Source, study: Rows) -> Table:
    columns = [Column("means of"), Column("change")]
    names = ("added", "SE", "absolute SE", "generalizability", "further calls", "for $")
    columns += [*(Column(name, "number") for name in names), Column("note", "note")]
    rows = [
        [
            row["object"],
            row["change"],
            number(row["added"]),
            fixed(row["se"], 3),
            fixed(row["se_absolute"], 3),
            fixed(row["generalizability"]),
            _calls(row),
            fixed(row["added_cost_usd"]),
            row["note"],
        ]
        for row in _looked_at(study)
    ]
    caption = "The design as it is, with twice as many of one thing, and with as many as the SE above needs"
    return table(caption, columns, rows, file=source.file("d_study"))


def _looked_at(study: Rows) -> Iterator[Mapping[str, Any]]:
    for row in study:
        column = _COUNTED.get(row["change"])
        is_twice = column is not None and row[column] == 2 * row["added"]
        if row["change"] == "as it is" or is_twice or (column and "reaches" in row["note"]):
            yield row


def _calls(row: Mapping[str, Any]) -> str:
    parts = [row["added_generations"], row["added_evaluations"]]
    known = [part for part in parts if part is not None]
    return number(sum(known), 0) if known else MISSING


def _in_reach(difference: float) -> str:
    return fixed(difference) if difference <= _SCALE else f"more than {_SCALE:.0f}"


def _detectable(source: Source) -> Iterator[Block]:
    rows = [row for row in source.table("detectable_effects") if row["detectable_difference"] is not None]
    if not rows:
        return
    columns = [Column("factor")]
    columns += [Column(n, "number") for n in ("levels", "smallest difference found", "SD of differences")]
    columns += [Column("clusters", "number"), Column("note", "note")]
    cells = [
        [
            FACTORS[row["factor"]],
            str(row["levels"]),
            _in_reach(row["detectable_difference"]),
            fixed(row["sd_of_differences"]),
            f"{row['n_clusters']:,} {row['cluster']}",
            row["why"],
        ]
        for row in rows
    ]
    yield Heading("How small a difference this design finds")
    caption = "Found in 4 of 5 experiments by a paired test at 5 %; points on 0–10"
    yield table(caption, columns, cells, file=source.file("detectable_effects"))
