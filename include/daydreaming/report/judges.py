"""The judges judged: do they agree, how strict is each, does it prefer its own essays?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from daydreaming.charts.intervals import IntervalRow, Reference, dot_intervals
from daydreaming.charts.labels import MISSING, fixed
from daydreaming.report.blocks import (
    RESCALED,
    Block,
    Cell,
    Column,
    Figure,
    Heading,
    Paragraph,
    Section,
    drawn,
    percent,
    table,
    with_interval,
)
from daydreaming.report.leaderboards import FACTORS
from daydreaming.report.people import people_blocks
from daydreaming.report.source import Rows, Source

_MOST_CHARTED = 40
_AUDIT = ("leniency", "self_preference", "family_preference", "length_slope", "retest_sd")
_SHARES = ("at_minimum", "at_maximum", "parse_failures")
_HABITS: Final[Mapping[str, str]] = {
    "leniency": "leniency",
    "self_preference": "self-preference",
    "family_preference": "family preference",
    "length_slope": "slope on length",
    "retest_sd": "SD when it reads again",
    "at_minimum": "lowest score",
    "at_maximum": "highest score",
    "parse_failures": "no score could be read",
}
_COEFFICIENTS = (
    ("krippendorff_alpha", "ordinal", "alpha, ordinal"),
    ("krippendorff_alpha", "interval", "alpha, interval"),
    ("ICC(A,1)", "", "ICC(A,1)"),
    ("ICC(C,1)", "", "ICC(C,1)"),
    ("ICC(A,k)", "", "ICC(A,k)"),
    ("ICC(C,k)", "", "ICC(C,k)"),
)


def judges_section(source: Source) -> Section:
    """Agreement with each other and with people, leniency, self-preference, the ranking without these."""
    title = "Judge audit"
    if not source.scored:
        waiting = Paragraph("Nothing is scored yet: this waits for the first verdict.", "waiting")
        return Section("judges", title, [waiting])
    audit = source.table("judge_audit")
    habits = [*_leniency(audit), *_preference(audit), *_table(source, audit), *_adjusted(source)]
    blocks = [*_agreement(source), *people_blocks(source), *habits]
    return Section("judges", title, blocks, scale=RESCALED)


def _agreement(source: Source) -> Iterator[Block]:
    yield Heading("Agreement")
    if len(source.design.evaluation_models) < 2:
        yield Paragraph("One judge alone cannot disagree: this waits for a second judge.", "waiting")
        return
    by_rubric: dict[str, list[Mapping[str, Any]]] = {}
    for row in source.table("judge_reliability"):
        by_rubric.setdefault(row["evaluation_template"], []).append(row)
    if not by_rubric:
        yield Paragraph("This waits for essays that two judges have scored by one rubric.", "waiting")
        return
    columns = [Column("rubric", "code"), *(Column(name, "number") for _, _, name in _COEFFICIENTS)]
    columns += [Column("essays", "number"), Column("judges", "number"), Column("note", "note")]
    rows = [[Cell(rubric), *_coefficients(found)] for rubric, found in by_rubric.items()]
    file = source.file("judge_reliability")
    yield table("Would another judge have said the same?", columns, rows, file=file)
    yield Paragraph(
        "1: the judges agree entirely; 0: no better than chance. Alpha above 0.8 is usually called reliable, "
        "below 0.67 too weak to build on. ICC(A,1) is for one judge's score as it is, ICC(C,1) where only "
        "the order of essays matters; with k in the place of 1, the same for the mean of all judges.",
        "note",
    )


def _coefficients(rows: Sequence[Mapping[str, Any]]) -> Iterator[Cell]:
    found = {(row["statistic"], row["level"]): row for row in rows}
    by_name = {row["statistic"]: row for row in rows}
    for statistic, level, _ in _COEFFICIENTS:
        row = found.get((statistic, level)) if level else by_name.get(statistic)
        yield Cell(with_interval(row or {}), "", (row or {}).get("why") or "")
    for name in ("essays", "judges"):
        numbers = [row[name] for row in rows if row[name] is not None]
        yield Cell(f"{max(numbers):,}" if numbers else MISSING)
    yield Cell("; ".join(dict.fromkeys(row["why"] for row in rows if row["value"] is None and row["why"])))


def _leniency(audit: Rows) -> Iterator[Block]:
    rows = _rows_of(audit, "leniency")
    if len(rows) > 1:
        yield Heading("Leniency")
        yield _chart(rows, "Leniency of each judge", "points above the judges' mean on the same essays")


def _preference(audit: Rows) -> Iterator[Block]:
    rows = _rows_of(audit, "self_preference")
    yield Heading("Self-preference")
    if rows:
        unit = "points added to essays of its own, beyond what the others give them"
        yield _chart(rows, "Self-preference of each judge", unit)
        return
    why = next((row["why"] for row in audit if row["statistic"] == "self_preference" and row["why"]), "")
    reason = f" ({why})" if why else ""
    yield Paragraph(
        f"It cannot be told from these scores{reason}: this waits for a judge that is a generator too, "
        "beside others that are not.",
        "waiting",
    )


def _rows_of(audit: Rows, statistic: str) -> list[Mapping[str, Any]]:
    """Rows of single judges that have a value, the highest first."""
    rows = [
        row
        for row in audit
        if row["evaluation_model"] and row["statistic"] == statistic and row["value"] is not None
    ]
    return sorted(rows, key=lambda row: (-row["value"], row["evaluation_model"]))


def _chart(rows: Sequence[Mapping[str, Any]], title: str, unit: str) -> Figure:
    shown = [
        IntervalRow(row["evaluation_model"], row["value"], row["ci_low"], row["ci_high"], row["essays"])
        for row in rows[:_MOST_CHARTED]
    ]
    left = len(rows) - len(shown)
    caption = f"{left} more judges in judge_audit.csv." if left else ""
    none = Reference(0.0, "none")
    return drawn(
        dot_intervals, shown, title=title, unit=unit, reference=none, n_label="essays", caption=caption
    )


def _table(source: Source, audit: Rows) -> Iterator[Block]:
    judges = dict.fromkeys(row["evaluation_model"] for row in audit if row["evaluation_model"])
    if not judges:
        return
    cells = {(row["evaluation_model"], row["statistic"]): row for row in audit}
    columns = [Column("judge", "code")]
    columns += [Column(_HABITS[name], "number") for name in (*_AUDIT, *_SHARES)]
    rows = [
        [
            Cell(judge),
            *(_audited(cells.get((judge, name), {})) for name in _AUDIT),
            *(_share(cells.get((judge, name), {})) for name in _SHARES),
        ]
        for judge in judges
    ]
    yield Heading("All habits")
    caption = "What each judge does beside judging; points on 0–10, shares in percent"
    yield table(caption, columns, rows, file=source.file("judge_audit"))
    yield Paragraph(
        "An interval that holds 0 may be nothing. The slope on length is in points per 1,000 characters; "
        "the SD when it reads again is how far a judge is from itself on the same essay. Why a value is "
        "missing is in judge_audit.csv.",
        "note",
    )


def _audited(row: Mapping[str, Any]) -> Cell:
    return Cell(with_interval(row), "", row.get("why") or "")


def _share(row: Mapping[str, Any]) -> Cell:
    return Cell(percent(row.get("value")), "", row.get("why") or "")


def _adjusted(source: Source) -> Iterator[Block]:
    rows = [row for row in source.table("adjusted_ranking") if row["adjusted_mean"] is not None]
    if not rows:
        return
    columns = [Column("factor"), Column("level", "code")]
    columns += [
        Column(n, "number") for n in ("mean", "rank", "adjusted mean", "adjusted rank", "places gained")
    ]
    columns.append(Column("note", "note"))
    cells = [
        [
            FACTORS[row["factor"]],
            row["level"],
            fixed(row["mean"]),
            str(row["rank"]),
            fixed(row["adjusted_mean"]),
            str(row["adjusted_rank"]),
            f"{row['rank_change']:+d}" if row["rank_change"] else "0",
            row["why"],
        ]
        for row in rows
    ]
    yield Heading("The ranking without these habits")
    caption = "Leniency, self- and family preference taken out, as far as they can be told"
    yield table(caption, columns, cells, file=source.file("adjusted_ranking"))
