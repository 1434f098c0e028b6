"""Essays in full: the best, and those that the judges see most differently."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from daydreaming.charts.heat import heat_cell
from daydreaming.charts.labels import number
from daydreaming.report.blocks import (
    Block,
    Cell,
    Column,
    Facts,
    Heading,
    Paragraph,
    Section,
    Table,
    Text,
    count,
    table,
)
from daydreaming.report.source import Design, Essay, EssayScore, Source

ESSAY_CHARS, VERDICT_CHARS = 20_000, 4_000
"""A longer text is cut there, and the report says so."""
_MOST_SCORES = 30


def best_section(source: Source) -> Section:
    """The essays with the highest mean scores."""
    title = "Best essays"
    if not source.best:
        waiting = Paragraph("No essay is scored yet: this waits for the first verdict.", "waiting")
        return Section("best", title, [waiting])
    note = Paragraph(
        f"The {count(len(source.best), 'essay')} with the highest mean score. An essay with fewer than half "
        "of its planned scores comes after all others.",
        "note",
    )
    return _essays("best", title, note, "Mean score", source.best, source.design)


def disputed_section(source: Source) -> Section:
    """The essays on which the judges differ most."""
    title = "Most disputed essays"
    if not source.disputed:
        text = "This waits for an essay to which two judges have given different scores."
        if len(source.design.evaluation_models) == 1:
            text = "One judge alone cannot disagree: this waits for a second judge."
        return Section("disputed", title, [Paragraph(text, "waiting")])
    note = Paragraph(
        "Where the means of the judges lie farthest apart, by their standard deviation; with the verdict "
        "that gave most and the one that gave least.",
        "note",
    )
    return _essays("disputed", title, note, "SD of the judges' means", source.disputed, source.design)


def _essays(key: str, title: str, note: Block, what: str, essays: Sequence[Essay], design: Design) -> Section:
    blocks = [note]
    for place, essay in enumerate(essays, start=1):
        blocks += _essay(place, essay, what, design)
    return Section(key, title, blocks, starts_page=True)


def _essay(place: int, essay: Essay, what: str, design: Design) -> Iterator[Block]:
    yield Heading(f"{place}. {essay.generation_task_id}")
    replicate = f", replicate {essay.generation_replicate}" if essay.generation_replicate > 1 else ""
    yield Facts(
        [
            (what, f"{number(essay.value)} on {essay.scale}"),
            ("Concepts", design.combination(essay.combo_id)),
            ("Template", essay.generation_template),
            ("Generator", f"{essay.generation_model}{replicate}"),
        ]
    )
    yield _scores(essay.scores)
    if essay.text is None:
        yield Paragraph("The file of this essay is missing.", "waiting")
    else:
        yield _text(essay.text, ESSAY_CHARS, "Essay")
    for score in essay.scores:
        if score.evaluation_task_id in essay.verdicts:
            label = f"{score.judge} by {score.rubric}: {number(score.score)} on {_scale(score)}"
            yield _text(essay.verdicts[score.evaluation_task_id], VERDICT_CHARS, label)


def _text(text: str, most: int, label: str) -> Text:
    if len(text) <= most:
        return Text(text, label)
    return Text(text[:most], label, f"Cut after {most:,} of {len(text):,} characters.")


def _scores(scores: Sequence[EssayScore]) -> Table:
    columns = [Column("judge", "code"), Column("rubric", "code"), Column("score", "number"), Column("scale")]
    columns.append(Column("note", "note"))
    rows: list[list[Cell | str]] = [
        [
            score.judge,
            score.rubric,
            Cell(number(score.score), "" if score.share is None else heat_cell(score.share, 0.0, 1.0)),
            _scale(score),
            "; ".join(_notes(score)),
        ]
        for score in scores
    ]
    return table("Its scores", columns, rows, most=_MOST_SCORES)


def _scale(score: EssayScore) -> str:
    return f"{number(score.score_min)}–{number(score.score_max)}"


def _notes(score: EssayScore) -> Iterator[str]:
    if score.replicate > 1:
        yield f"replicate {score.replicate}"
    if score.error:
        yield score.error
