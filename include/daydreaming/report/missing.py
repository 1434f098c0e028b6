"""What is missing or failed, and why."""

from __future__ import annotations

from collections.abc import Iterator

from daydreaming.charts.labels import MISSING, fixed, visible
from daydreaming.report.blocks import Block, Cell, Column, Heading, Paragraph, Section, count, table
from daydreaming.report.leaderboards import FACTORS
from daydreaming.report.source import Source

_MESSAGE_CHARS = 300


def missing_section(source: Source) -> Section:
    """Calls by how they stand, failures, unscored evaluations, and what that may do to the ranking."""
    blocks: list[Block] = [*_calls(source), *_failures(source), *_unscored(source), *_ranks(source)]
    return Section("missing", "Missing and failed", blocks)


def _calls(source: Source) -> Iterator[Block]:
    if not source.calls:
        yield Paragraph("Nothing is planned yet: this waits for the first run.", "waiting")
        return
    planned = sum(calls.planned for calls in source.calls)
    answered = sum(calls.answered for calls in source.calls)
    if planned == answered:
        yield Paragraph(f"Every planned call is answered: {planned:,} of {planned:,}.")
    else:
        yield Paragraph(f"{answered:,} of {count(planned, 'planned call')} are answered.")
    columns = [Column("stage"), Column("model", "code")]
    columns += [Column(name, "number") for name in ("planned", "answered", "failed", "waiting")]
    rows = [
        [c.stage, c.model, *(f"{n:,}" for n in (c.planned, c.answered, c.failed, c.waiting))]
        for c in source.calls
    ]
    yield table("Calls by stage and model", columns, rows)


def _failures(source: Source) -> Iterator[Block]:
    yield Heading("Failed attempts")
    if not source.failures:
        given_up = sum(calls.failed for calls in source.calls)
        told = "No attempt has failed."
        if given_up:
            calls = count(given_up, "call")
            told = f"{calls} given up before anything was sent: a cap was reached, or another call failed."
        yield Paragraph(told)
        return
    columns = [Column("stage"), Column("model", "code"), Column("error", "code")]
    columns += [Column("attempts", "number"), Column("calls", "number"), Column("for example", "note")]
    rows = [
        [f.stage, f.model, f.error_class, f"{f.attempts:,}", f"{f.cells:,}", _cut(f.example)]
        for f in source.failures
    ]
    yield Paragraph("An attempt that failed may have been repeated with success.", "note")
    yield table("Failed attempts by kind", columns, rows, file=source.file("errors"))


def _unscored(source: Source) -> Iterator[Block]:
    yield Heading("Evaluations without a score")
    total = sum(number for _, number in source.unscored)
    if not total:
        yield Paragraph("Every planned evaluation has a score." if source.scored else "None is planned.")
        return
    yield Paragraph(f"{total:,} of {count(source.design.evaluations, 'evaluation')} have no score.")
    rows = [[_cut(reason) or "no reason is known", f"{number:,}"] for reason, number in source.unscored]
    columns = [Column("why", "note"), Column("evaluations", "number")]
    yield table("Why there is no score", columns, rows, file=source.file("parsed_scores"), most=15)


def _ranks(source: Source) -> Iterator[Block]:
    rows = [
        row
        for row in source.table("missing_cells")
        if (row["unscored"] or row["not_planned"]) and row["mean"] is not None
    ]
    if not rows:
        return
    yield Heading("Could that turn the ranking round?")
    yield Paragraph(
        "The best rank gives a level 10 points for all that it misses and the others 0, the worst the "
        "reverse. Where both are the same, nothing missing could change the place.",
        "note",
    )
    columns = [Column("factor"), Column("level", "code")]
    names = ("unscored", "cells not planned", "mean", "at worst", "at best", "rank", "best", "worst")
    columns += [Column(name, "number") for name in names]
    cells: list[list[Cell | str]] = [
        [
            FACTORS[row["factor"]],
            Cell(row["level"], hover=source.design.combination(row["level"])),
            f"{row['unscored']:,}",
            f"{row['not_planned']:,}",
            *(fixed(row[name]) for name in ("mean", "mean_worst", "mean_best")),
            *(_rank(row[name]) for name in ("rank", "rank_best", "rank_worst")),
        ]
        for row in rows
    ]
    yield table("Ranks that missing scores leave open", columns, cells, file=source.file("missing_cells"))


def _rank(rank: int | None) -> str:
    return MISSING if rank is None else str(rank)


def _cut(text: str) -> str:
    line = " ".join(visible(text).split())
    return line if len(line) <= _MESSAGE_CHARS else f"{line[: _MESSAGE_CHARS - 1]}…"
