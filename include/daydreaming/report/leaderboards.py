"""Which template, generator and combination is better, and how sure that is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from daydreaming.charts.intervals import IntervalRow, Reference, dot_intervals
from daydreaming.charts.labels import MISSING, fixed
from daydreaming.report.blocks import (
    RESCALED,
    Block,
    Cell,
    Column,
    Heading,
    Paragraph,
    Section,
    Table,
    count,
    drawn,
    p_value,
    table,
    with_interval,
)
from daydreaming.report.source import Source

FACTORS: Mapping[str, str] = {
    "generation_template": "Generation templates",
    "generation_model": "Generators",
    "combo_id": "Combinations",
    "evaluation_template": "Rubrics",
    "evaluation_model": "Judges",
}
_RANKED = ("generation_template", "generation_model", "combo_id")
#: Rows of a chart: the first and the last so many of a longer list. It fits on a sheet of paper.
_CHARTED = 12


def leaderboards_section(source: Source) -> Section:
    """Levels by mean score with intervals, and their differences in pairs."""
    blocks: list[Block] = []
    for factor in _RANKED:
        levels = ranked_levels(source, factor)
        if any(row["mean"] is not None for row in levels):
            blocks += _board(source, factor, levels)
    if not blocks:
        waiting = Paragraph("Nothing is scored yet: this waits for the first verdict.", "waiting")
        return Section("leaderboards", "Leaderboards", [waiting])
    explanation = Paragraph(
        "The dot is the mean of all scores, the whiskers say how far it would move with other combinations. "
        "Intervals that overlap do not mean that two levels are alike: both saw the same combinations, and "
        "the comparison in pairs uses that.",
        "note",
    )
    shown = [explanation, *blocks, *_friedman(source)]
    return Section("leaderboards", "Leaderboards", shown, scale=RESCALED)


def ranked_levels(source: Source, factor: str) -> list[Mapping[str, Any]]:
    """Rows of ``factor_levels`` of one factor, best first; those without a mean last."""
    rows = [row for row in source.table("factor_levels") if row["factor"] == factor]
    return sorted(rows, key=lambda row: (row["mean"] is None, -(row["mean"] or 0.0), row["level"]))


def places(levels: Sequence[Mapping[str, Any]]) -> list[int | None]:
    """Places of levels that stand best first, from 1; equal means share one, as in ``missing_cells``."""
    found: list[int | None] = []
    for number, row in enumerate(levels, start=1):
        is_equal = number > 1 and row["mean"] == levels[number - 2]["mean"]
        found.append(None if row["mean"] is None else found[-1] if is_equal else number)
    return found


def _board(source: Source, factor: str, levels: Sequence[Mapping[str, Any]]) -> Iterator[Block]:
    yield Heading(FACTORS[factor])
    shown, left = _ends(levels)
    caption = f"The first and the last {_CHARTED}; {left:,} more are between them." if left else ""
    yield drawn(
        dot_intervals,
        [
            IntervalRow(_name(source, row), row["mean"], row["ci_low"], row["ci_high"], row["n_scores"])
            for row in shown
        ],
        title=f"{FACTORS[factor]} by mean score",
        unit="mean score, 0–10",
        reference=_overall(source),
        n_label="scores",
        caption=caption,
    )
    yield _levels_table(source, factor, levels)
    if factor != "combo_id":
        yield from _pairs(source, factor)


def _name(source: Source, row: Mapping[str, Any]) -> str:
    level: str = row["level"]
    return source.design.combination(level) if row["factor"] == "combo_id" else level


def _ends(levels: Sequence[Mapping[str, Any]]) -> tuple[list[Mapping[str, Any]], int]:
    if len(levels) <= 2 * _CHARTED:
        return list(levels), 0
    return [*levels[:_CHARTED], *levels[-_CHARTED:]], len(levels) - 2 * _CHARTED


def _overall(source: Source) -> Reference | None:
    for row in source.table("final_results"):
        if row["analysis"] == "overall" and row["mean_0_10"] is not None:
            return Reference(row["mean_0_10"], "mean of all")
    return None


def _levels_table(source: Source, factor: str, levels: Sequence[Mapping[str, Any]]) -> Table:
    is_combination = factor == "combo_id"
    noun = "essays" if is_combination else "combinations"
    names = (
        [Column("combination", "code"), Column("concepts", "note")]
        if is_combination
        else [Column("level", "code")]
    )
    numbers = ("mean (95 % interval)", "scores", noun, "unscored")
    columns = [Column("", "number"), *names, *(Column(n, "number") for n in numbers), Column("note", "note")]
    rows = []
    for place, row in zip(places(levels), levels, strict=True):
        cells = [str(place or MISSING), row["level"]]
        cells += [source.design.combination(row["level"])] if is_combination else []
        counts = (row["n_scores"], row["n_clusters"], row["left_out"])
        rows.append([*cells, with_interval(row, "mean"), *(f"{n:,}" for n in counts), row["why"]])
    return table(f"{FACTORS[factor]} by mean score", columns, rows, file=source.file("factor_levels"))


def _pairs(source: Source, factor: str) -> Iterator[Block]:
    pairs = [row for row in source.table("paired_comparisons") if row["factor"] == factor]
    pairs = [row for row in pairs if row["difference"] is not None]
    if not pairs:
        return
    pairs.sort(key=lambda row: (_p(row), -abs(row["difference"]), row["level_a"], row["level_b"]))
    columns = [Column("better", "code"), Column("than", "code")]
    columns += [Column(n, "number") for n in ("by points", "effect size", "p", "p (Holm)", "combinations")]
    rows = [
        [*_signed(row), p_value(row["p_permutation"]), _holm(row), str(row["n_combinations"])]
        for row in pairs
    ]
    caption = f"{FACTORS[factor]} in pairs, where all else is equal; likely differences first"
    yield table(caption, columns, rows, file=source.file("paired_comparisons"), most=25)


def _signed(row: Mapping[str, Any]) -> list[Cell | str]:
    names = (row["level_a"], row["level_b"])
    better, worse = names if row["difference"] >= 0 else reversed(names)
    effect = row["effect_size"]
    return [better, worse, fixed(abs(row["difference"])), fixed(None if effect is None else abs(effect))]


def _holm(row: Mapping[str, Any]) -> Cell:
    return Cell(p_value(row["p_holm"]), "strong" if _p(row) < 0.05 else "", row["why"])


def _p(row: Mapping[str, Any]) -> float:
    return 2.0 if row["p_holm"] is None else float(row["p_holm"])


def _friedman(source: Source) -> Iterator[Block]:
    rows = [row for row in source.table("friedman") if row["kendalls_w"] is not None]
    if not rows:
        return
    columns = [
        Column("factor"),
        *(Column(n, "number") for n in ("levels", "Kendall's W", "p")),
        Column("note", "note"),
    ]
    cells = [
        [
            FACTORS[row["factor"]],
            str(row["levels"]),
            fixed(row["kendalls_w"]),
            p_value(row["p_permutation"]),
            row["why"],
        ]
        for row in rows
    ]
    yield Heading("Do the combinations agree on the order?")
    told = (
        f"{count(len(rows), 'factor')} with three levels or more. W is 1 where all combinations rank alike."
    )
    yield Paragraph(told, "note")
    yield table("Friedman tests", columns, cells, file=source.file("friedman"))
