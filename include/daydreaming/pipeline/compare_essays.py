"""Two essays of an experiment side by side: their words, and what each judge gave them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from daydreaming.errors import EssayParseError, StoreError
from daydreaming.pipeline.concept_names import concept_names
from daydreaming.pipeline.reader import find_generation, read_essay_text
from daydreaming.pipeline.shown_texts import MAX_CHARS, visible
from daydreaming.pipeline.text_diff import TextDiff, diff_texts
from daydreaming.pipeline.verdicts_shown import (
    Summary,
    Verdict,
    problem_text,
    summarize_scores,
    verdicts_on,
)
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.files import DataRoot
from daydreaming.store.plans import PlannedCell
from daydreaming.store.results import read_responses


@dataclass(frozen=True)
class ComparedEssay:
    """One of the two.

    Attributes:
        concepts: Names of the concepts in one line.
        problem: Why there is no text; empty where there is one.
        left_out: Characters at the end that are neither compared nor shown.
    """

    cell: PlannedCell
    concepts: str
    text: str
    problem: str
    left_out: int
    summary: Summary


@dataclass(frozen=True)
class JudgeScores:
    """What one judge gave both on one rubric: means over its replicates, in points; None where unscored.

    Attributes:
        difference: Right less left.
    """

    evaluation_template: str
    evaluation_model: str
    left: float | None
    right: float | None
    difference: float | None


@dataclass(frozen=True)
class Comparison:
    """Two essays.

    Attributes:
        diff: None where one of them has no text.
    """

    left: ComparedEssay
    right: ComparedEssay
    diff: TextDiff | None
    scores: Sequence[JudgeScores]


def compare_essays(
    settings: Settings, experiment_id: str, left: str, right: str, now: datetime
) -> Comparison:
    """Compare two essays by their generation IDs.

    Raises:
        InputError: The experiment is not known, or has not planned one of them.
    """
    cells = [find_generation(settings, experiment_id, name)[1] for name in (left, right)]
    concepts = concept_names(settings, experiment_id, {cell.combo_id for cell in cells})
    verdicts = [verdicts_on(settings, experiment_id, cell.cell_id, now) for cell in cells]
    first, second = (
        _side(settings, cell, concepts, summarize_scores(given))
        for cell, given in zip(cells, verdicts, strict=True)
    )
    diff = None if first.problem or second.problem else diff_texts(first.text, second.text)
    return Comparison(first, second, diff, _scores(*verdicts))


def _side(
    settings: Settings, cell: PlannedCell, concepts: Mapping[str, str], summary: Summary
) -> ComparedEssay:
    text, problem = _text(settings, cell)
    return ComparedEssay(
        cell,
        concepts.get(cell.combo_id, cell.combo_id),
        visible(text[:MAX_CHARS]),
        problem,
        max(0, len(text) - MAX_CHARS),
        summary,
    )


def _text(settings: Settings, cell: PlannedCell) -> tuple[str, str]:
    files = DataRoot(settings.data_root)
    rows = read_responses(engine_for(settings), "generation", [cell.cell_id])
    if not rows:
        return "", "It is not answered yet."
    try:
        return read_essay_text(files, cell.cell_id, rows[0]["parser"]), ""
    except EssayParseError as error:
        return "", f"No essay was found in the answer: {error}"
    except StoreError as error:
        return "", problem_text(files, error)


def _scores(left: Sequence[Verdict], right: Sequence[Verdict]) -> list[JudgeScores]:
    first, second = _means(left), _means(right)
    return [_judge(pair, first.get(pair), second.get(pair)) for pair in sorted({*first, *second})]


def _judge(pair: tuple[str, str], left: float | None, right: float | None) -> JudgeScores:
    difference = None if left is None or right is None else right - left
    return JudgeScores(*pair, left=left, right=right, difference=difference)


def _means(verdicts: Sequence[Verdict]) -> dict[tuple[str, str], float | None]:
    scores: dict[tuple[str, str], list[float]] = {}
    for verdict in verdicts:
        pair = str(verdict.cell.evaluation_template), str(verdict.cell.evaluation_model)
        found = scores.setdefault(pair, [])
        if verdict.score is not None:
            found.append(verdict.score)
    return {pair: math.fsum(found) / len(found) if found else None for pair, found in scores.items()}
