"""What was asked, and what was planned to answer it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from daydreaming.report.blocks import Block, Column, Facts, Paragraph, Section, count, table
from daydreaming.report.source import Design, Level, Source


def question_section(source: Source) -> Section:
    """What the experiment is about, in the words of whoever wrote it, else by its design."""
    blocks: list[Block] = [Paragraph(source.question)] if source.question else []
    return Section("question", "Question", [*blocks, Paragraph(design_sentence(source.design))])


def design_sentence(design: Design) -> str:
    """The design in words."""
    size = " or ".join(map(str, design.k_max)) or "no"
    level = " or ".join(design.description_levels)
    text = f" ({level} texts)" if level else ""
    essays = (
        f"{count(len(design.combinations), 'combination')} of {size} out of "
        f"{count(len(design.concepts), 'concept')}{text}, written up by "
        f"{count(len(design.generation_models), 'generator')} under "
        f"{count(len(design.generation_templates), 'generation template')}"
    )
    if design.generation_replicates > 1:
        essays += f", {design.generation_replicates} times each"
    judged = (
        f"{count(len(design.evaluation_models), 'judge')} and "
        f"{count(len(design.evaluation_templates), 'rubric')}"
    )
    again = f", {design.evaluation_replicates} times each" if design.evaluation_replicates > 1 else ""
    return (
        f"{essays}: {count(design.essays, 'essay')}. Judged by {judged}{again}: "
        f"{count(design.evaluations, 'evaluation')}."
    )


def design_section(source: Source) -> Section:
    """The factors and their levels."""
    design = source.design
    if not design.evaluations:
        waiting = Paragraph("Nothing is planned yet: this waits for the first run.", "waiting")
        return Section("design", "Design", [waiting])
    factors = {
        "Generation templates": design.generation_templates,
        "Generators": design.generation_models,
        "Rubrics (evaluation templates)": design.evaluation_templates,
        "Judges": design.evaluation_models,
    }
    # By ID, as tables and pages name them; what an ID is called stands in the tables below.
    levels = [(name, _ids(levels)) for name, levels in factors.items()]
    blocks: list[Block] = [Facts([("Concepts", ", ".join(c.name for c in design.concepts)), *levels])]
    blocks += _levels(design)
    columns = [Column("combination", "code"), Column("concepts", "note")]
    rows = [[combo_id, " + ".join(names)] for combo_id, names in sorted(design.combinations.items())]
    file = f"../../02_tasks/{source.experiment_id}/concept_combinations_relationships.csv"
    blocks.append(table("Combinations", columns, rows, file=file, most=25))
    return Section("design", "Design", blocks)


def _ids(levels: Sequence[Level]) -> str:
    return ", ".join(level.id for level in levels)


def _levels(design: Design) -> Iterator[Block]:
    for caption, levels in (
        ("Templates and rubrics", (*design.generation_templates, *design.evaluation_templates)),
        ("Models", _once((*design.generation_models, *design.evaluation_models))),
    ):
        columns = [Column("ID", "code"), Column("name"), Column("what it is", "note")]
        yield table(caption, columns, [[level.id, level.name, level.detail] for level in levels], most=25)


def _once(levels: Sequence[Level]) -> list[Level]:
    return list({level.id: level for level in levels}.values())
