"""Prompt templates: a CSV per stage, a text file per template, each rendered once for trial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import model_validator

from daydreaming.errors import InputError
from daydreaming.inputs.records import ESSAY_PARSERS, SCORE_PARSERS, Stage, Template
from daydreaming.inputs.selection import select
from daydreaming.inputs.tables import Flag, Id, Number, Table, TableRow, read_table
from daydreaming.inputs.text_files import read_text
from daydreaming.inputs.wording import did_you_mean, listed, show
from daydreaming.prompts.trial import TrialJob

FOLDER = "01_raw"


class GenerationTemplateRow(TableRow):
    """A row of ``generation_templates.csv``."""

    template_id: Id
    template_name: str
    description: str
    active: Flag
    parser: str

    @model_validator(mode="after")
    def _known_parser(self) -> GenerationTemplateRow:
        _check_parser(self.parser, ESSAY_PARSERS)
        return self


class EvaluationTemplateRow(TableRow):
    """A row of ``evaluation_templates.csv``."""

    template_id: Id
    template_name: str
    description: str
    active: Flag
    parser: str
    score_min: Number
    score_max: Number

    @model_validator(mode="after")
    def _known_parser_and_scale(self) -> EvaluationTemplateRow:
        check_scoring(self.parser, self.score_min, self.score_max)
        return self


_ROW_TYPES: Mapping[Stage, type[GenerationTemplateRow] | type[EvaluationTemplateRow]] = {
    "generation": GenerationTemplateRow,
    "evaluation": EvaluationTemplateRow,
}


@dataclass
class LoadedTemplates:
    """Templates of a stage, and those that are to be tried: all active or selected ones."""

    selected: list[Template] = field(default_factory=list)
    trials: list[TrialJob] = field(default_factory=list)


def load_templates(
    root: Path, stage: Stage, named: Sequence[str], variables: Mapping[str, Any], problems: list[str]
) -> LoadedTemplates:
    """The selected templates of a stage, in the order of the file, and the trials to run.

    Args:
        root: Inputs root.
        stage: Decides the table and its columns.
        named: IDs in the parameter; empty for all active.
        variables: What the trial gives to a template.
        problems: What is wrong is appended, one line each.
    """
    label = f"{FOLDER}/{stage}_templates.csv"
    table: Table[Any] | None = read_table(root / label, label, _ROW_TYPES[stage], problems)
    loaded = LoadedTemplates()
    if table is None:
        return loaded
    active = [template_id for template_id, row in table.rows.items() if row.active]
    selected = select(table, named, active, f"{stage}_templates", problems)
    used = {*selected, *active}
    for template_id in [t for t in table.rows if t in used]:
        file = f"{FOLDER}/{stage}_templates/{template_id}.txt"
        text = read_text(root / file, f"{file} ({label}, row {table.numbers[template_id]})", problems)
        if text is None:
            continue
        # A judge has to be shown the essay. A generator without concepts is a control condition.
        required = "response" if stage == "evaluation" else ""
        loaded.trials.append(TrialJob(file, text, variables, required))
        if template_id in selected:
            loaded.selected.append(_template(table.rows[template_id], text))
    return loaded


def _template(row: TableRow, text: str) -> Template:
    return Template(**row.model_dump(exclude={"active"}), text=text)


def check_scoring(parser: str, score_min: float, score_max: float) -> None:
    """Check that verdicts can be read so.

    Raises:
        ValueError: An unknown parser, no scale, or a scale that the parser does not read.
    """
    _check_parser(parser, SCORE_PARSERS)
    if score_min >= score_max:
        got = f"{score_min:g} and {score_max:g}"
        raise ValueError(f"score_min must be below score_max; got {got}. Correct the scale.")
    if parser != "strict" and (score_min < 0 or score_max > 10):
        raise ValueError(
            f"parser {parser!r} reads scores from 0 to 10; got a scale of {score_min:g} to "
            f"{score_max:g}. Use the parser strict, or another scale."
        )


def read_evaluation_templates(root: Path) -> Mapping[str, EvaluationTemplateRow]:
    """The rows of ``evaluation_templates.csv`` by ID, without their texts.

    Raises:
        InputError: Every problem of the file, one line each.
    """
    problems: list[str] = []
    label = f"{FOLDER}/evaluation_templates.csv"
    table = read_table(root / label, label, EvaluationTemplateRow, problems)
    if problems or table is None:
        raise InputError(problems)
    return table.rows


def _check_parser(parser: str, known: Sequence[str]) -> None:
    if parser not in known:
        raise ValueError(
            f"parser must be one of {listed(known)}; got {show(parser)}."
            f"{did_you_mean(parser, known)} Correct it."
        )
