"""How answers of the original are read: a parser for each template.

Our own tables decide where they know a template's ID. Else a verdict is read as the original read
it, and an essay by the parser that finds what the original had cut out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from daydreaming.errors import EssayParseError, InputError
from daydreaming.inputs.legacy_templates import LegacyTemplate
from daydreaming.inputs.records import SCORE_PARSERS, Stage
from daydreaming.parsing.essay import parse_essay
from daydreaming.pipeline.import_cells import OurNames

#: The only scale that the original had.
LEGACY_SCALE = (0.0, 10.0)
#: Evaluation templates of the original whose verdicts it read by ``complex``; all others by ``in_last_line``.
COMPLEX_TEMPLATES = frozenset(
    {"creativity-metrics", "daydreaming-verification", "iterative-loops", "scientific-rigor"}
)


@dataclass(frozen=True)
class TemplateParser:
    """How the answers to one template are read.

    Attributes:
        why: What decided, for the report.
    """

    stage: Stage
    template_id: str
    parser: str
    scale: tuple[float, float] | None
    why: str


@dataclass(frozen=True)
class OurTables:
    """What our own inputs know: parser and scale by template ID, the provider's name by model ID."""

    parsers: Mapping[tuple[Stage, str], tuple[str, tuple[float, float] | None]] = field(default_factory=dict)
    models: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> OurNames:
        """Its IDs."""
        ids: dict[Stage, set[str]] = {"generation": set(), "evaluation": set()}
        for stage, template_id in self.parsers:
            ids[stage].add(template_id)
        return OurNames(frozenset(ids["generation"]), frozenset(ids["evaluation"]), self.models)


def read_our_tables(inputs_root: Path) -> OurTables:
    """Our tables of templates and models; those that are missing count as empty.

    Raises:
        InputError: One cannot be read: answers would be read by the wrong parser.
    """
    from daydreaming.inputs.llm_models import LABEL, ModelRow
    from daydreaming.inputs.tables import read_table
    from daydreaming.inputs.templates import FOLDER, EvaluationTemplateRow, GenerationTemplateRow

    problems: list[str] = []

    def rows(label: str, row_type: Any) -> Mapping[str, Any]:
        path = inputs_root / label
        table = read_table(path, label, row_type, problems) if path.exists() else None
        return table.rows if table else {}

    generation = rows(f"{FOLDER}/generation_templates.csv", GenerationTemplateRow)
    evaluation = rows(f"{FOLDER}/evaluation_templates.csv", EvaluationTemplateRow)
    models = rows(LABEL, ModelRow)
    if problems:
        raise InputError(problems)
    parsers: dict[tuple[Stage, str], tuple[str, tuple[float, float] | None]] = {}
    parsers |= {("generation", i): (row.parser, None) for i, row in generation.items()}
    parsers |= {
        ("evaluation", i): (row.parser, (row.score_min, row.score_max)) for i, row in evaluation.items()
    }
    return OurTables(parsers, {i: row.model for i, row in models.items()})


def evaluation_parser(template: LegacyTemplate, ours: OurTables) -> TemplateParser:
    """How verdicts on this template are read."""
    stage: Stage = "evaluation"
    template_id = template.template_id
    known = ours.parsers.get((stage, template_id))
    if known:
        return TemplateParser(stage, template_id, *known, "our evaluation_templates.csv")
    if template.parser in SCORE_PARSERS:
        why = "the folder's evaluation_templates.csv"
        return TemplateParser(stage, template_id, template.parser, LEGACY_SCALE, why)
    # Its first templates had underscores for hyphens.
    is_complex = template_id.replace("_", "-") in COMPLEX_TEMPLATES
    parser = "complex" if is_complex else "in_last_line"
    return TemplateParser(stage, template_id, parser, LEGACY_SCALE, "as the original read this template")


def generation_parser(template_id: str, ours: OurTables, cut: Iterable[tuple[str, str]]) -> TemplateParser:
    """How essays are cut out of answers to this template.

    Args:
        template_id: The template.
        ours: Our tables.
        cut: Answers, each with the essay that the original had cut out of it.
    """
    known = ours.parsers.get(("generation", template_id))
    if known:
        return TemplateParser("generation", template_id, *known, "our generation_templates.csv")
    pairs = list(cut)
    parser = _parser_that_cuts(pairs)
    why = f"fits the essays of the original best ({len(pairs)})" if pairs else "the original cut out no essay"
    return TemplateParser("generation", template_id, parser, None, why)


def _parser_that_cuts(pairs: Sequence[tuple[str, str]]) -> str:
    """The parser that finds most of the original's essays, then the one that finds most essays at all."""
    scores: dict[str, tuple[int, int]] = {}
    for parser in ("xml_tags", "section_headers", "whole"):
        essays = [(_essay(answer, parser), essay.strip()) for answer, essay in pairs]
        same = sum(ours == theirs for ours, theirs in essays)
        # `whole` takes any answer, so that it finds some essay says nothing for it.
        scores[parser] = (same, 0 if parser == "whole" else sum(ours is not None for ours, _ in essays))
    best = max(scores, key=lambda parser: scores[parser])
    return best if scores[best] > (0, 0) else "whole"


def _essay(answer: str, parser: str) -> str | None:
    try:
        return parse_essay(answer, parser)
    except EssayParseError:
        return None
