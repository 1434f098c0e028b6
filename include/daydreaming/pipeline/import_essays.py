"""The essays that the original had cut out: which parser they speak for, and which may be kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from daydreaming.errors import EssayParseError
from daydreaming.inputs.legacy_layout import Unplaced
from daydreaming.inputs.legacy_templates import LegacyTemplate
from daydreaming.parsing.essay import parse_essay
from daydreaming.pipeline.import_parsers import (
    OurTables,
    TemplateParser,
    evaluation_parser,
    generation_parser,
)
from daydreaming.pipeline.import_survey import Found, Survey, read_bytes


@dataclass(frozen=True)
class KeptEssays:
    """What becomes of the essays.

    Attributes:
        differing: Number of kept essays that our parser would cut otherwise.
    """

    kept: tuple[Found, ...]
    unplaced: tuple[Unplaced, ...]
    differing: int


def choose_parsers(survey: Survey, ours: OurTables) -> tuple[TemplateParser, ...]:
    """A parser for each template of the answers that can be placed, by stage and ID."""
    cut: dict[str, list[Found]] = {}
    judged: set[str] = set()
    for (stage, _), found in survey.answers.items():
        if stage == "generation":
            cut.setdefault(found.cell.generation_template, [])
        else:
            judged.add(str(found.cell.evaluation_template))
    for essay in _essays(survey):
        cut[essay.cell.generation_template].append(essay)
    templates = survey.finder.folder.templates["evaluation"]
    return (
        *(generation_parser(i, ours, _pairs(survey, essays)) for i, essays in sorted(cut.items())),
        *(evaluation_parser(templates.get(i, LegacyTemplate(i)), ours) for i in sorted(judged)),
    )


def keep_essays(survey: Survey, parsers: Mapping[str, str]) -> KeptEssays:
    """Which essays of the original stay as they are.

    An essay of an answer in which our parser finds none is not kept: judges see the essay or
    nothing, and the original handed them the whole answer in that case.

    Args:
        survey: What was found.
        parsers: By ID of the generation template.
    """
    kept: list[Found] = []
    unplaced: list[Unplaced] = []
    differing = 0
    for found in _essays(survey):
        try:
            ours = parse_essay(_answer(survey, found), parsers[found.cell.generation_template])
        except EssayParseError as error:
            reason = f"no essay is kept of an answer in which we find none: {error}"
            unplaced.append(Unplaced("essay", found.file.relative, reason))
            continue
        kept.append(found)
        differing += ours != read_bytes(found.file.path).decode().strip()
    return KeptEssays(tuple(kept), tuple(unplaced), differing)


def _essays(survey: Survey) -> Iterator[Found]:
    return (found for found in survey.found if found.file.kind == "essay")


def _pairs(survey: Survey, essays: list[Found]) -> Iterator[tuple[str, str]]:
    """Answer and essay, one pair in memory at a time."""
    for found in essays:
        yield _answer(survey, found), read_bytes(found.file.path).decode()


def _answer(survey: Survey, essay: Found) -> str:
    answer = survey.answers["generation", essay.cell.cell_id]
    return read_bytes(answer.file.path).decode()
