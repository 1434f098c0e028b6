"""The essays of an experiment by their scores: the best, the worst, those that judges disagree on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Literal

from daydreaming.analysis.disagreement import sd_over_judges
from daydreaming.errors import InputError
from daydreaming.pipeline.call import CellCall, open_calls
from daydreaming.pipeline.outdated import outdated_ids
from daydreaming.pipeline.rows import read_score
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.files import DataRoot
from daydreaming.store.plans import PlannedCell, cells_of_experiment, combinations_of_experiment
from daydreaming.store.result_queries import EvaluationFilter, read_evaluations

Order = Literal["top", "bottom", "disputed"]
RESCALED = "0-10 (rescaled)"
_COMMON_MAX = 10.0
#: The noise of binary sums ends here, and decides no rank.
_DECIMALS = 9


@dataclass(frozen=True)
class Verdict:
    """A planned evaluation of an essay.

    Attributes:
        score: On the rubric's own scale; None where there is none, or none could be read.
    """

    generation_task_id: str
    judge: str
    score: float | None
    score_min: float
    score_max: float


@dataclass(frozen=True)
class Essay:
    """An answered or planned generation, by its factors."""

    generation_task_id: str
    combo_id: str
    concept_ids: tuple[str, ...]
    template: str
    model: str
    replicate: int


@dataclass(frozen=True)
class RankedEssay:
    """An essay with what its judges gave it.

    Attributes:
        mean: Of its scores, on the ranking's scale; None without a score.
        sd: Over the judges, of each one's mean (n − 1); None below two judges.
        scored: Evaluations that have a score.
        planned: Evaluations that are planned.
    """

    essay: Essay
    mean: float | None
    sd: float | None
    scored: int
    planned: int


@dataclass(frozen=True)
class Ranking:
    """Essays in their order.

    Attributes:
        scale: Of means and SDs: that of all rubrics, or ``RESCALED`` where they differ.
        scored: Essays of the experiment with a score; of one judge alone they are not ranked by dispute.
        unscored: Those without a score; they are not ranked.
    """

    scale: str
    essays: tuple[RankedEssay, ...]
    scored: int
    unscored: int


def ranking_of_experiment(
    settings: Settings, experiment_id: str, order: Order, concept: str | None = None
) -> Ranking:
    """Rank the essays of an experiment, each verdict read as the experiment's tables read it.

    Args:
        settings: The deployment's settings.
        experiment_id: Whose essays.
        order: See ``rank``.
        concept: Only essays whose combination holds it.

    Raises:
        InputError: No combination of the experiment holds this concept.
        StoreError: Frozen inputs are gone, or a response is no UTF-8.
    """
    engine = engine_for(settings)
    planned = cells_of_experiment(engine, experiment_id, "evaluation")
    combinations = combinations_of_experiment(engine, experiment_id)
    concepts = {c.combo_id: c.concept_ids for c in combinations}
    _check_concept(concept, experiment_id, concepts.values())
    generations = cells_of_experiment(engine, experiment_id, "generation")
    cells = {cell_id: cell for cell_id, (_, cell) in generations.items()}
    essays = [_essay(cell, concepts) for cell in cells.values()]
    if concept is not None:
        essays = [essay for essay in essays if concept in essay.concept_ids]
    return rank(essays, _verdicts(settings, experiment_id, planned), order)


def _check_concept(concept: str | None, experiment_id: str, combinations: Iterable[Sequence[str]]) -> None:
    known = sorted({concept_id for combination in combinations for concept_id in combination})
    if concept is not None and concept not in known:
        raise InputError(
            f"No combination of experiment {experiment_id!r} holds the concept {concept!r}. "
            f"Its concepts are: {', '.join(known) or 'none yet'}."
        )


def rank(essays: Iterable[Essay], verdicts: Sequence[Verdict], order: Order) -> Ranking:
    """Rank essays. PURE.

    Args:
        essays: All of the experiment.
        verdicts: All that are planned.
        order: Highest mean first, lowest mean first, or highest SD over judges first; IDs decide ties.
    """
    scales = sorted({(verdict.score_min, verdict.score_max) for verdict in verdicts})
    is_mixed = len(scales) > 1
    by_essay: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        by_essay.setdefault(verdict.generation_task_id, []).append(verdict)
    ranked = [_ranked(essay, by_essay.get(essay.generation_task_id, []), is_mixed) for essay in essays]
    kept = [one for one in ranked if one.mean is not None and (order != "disputed" or one.sd is not None)]
    sign = 1 if order == "bottom" else -1
    kept.sort(
        key=lambda one: (
            sign * ((one.sd if order == "disputed" else one.mean) or 0.0),
            one.essay.generation_task_id,
        )
    )
    scale = RESCALED if is_mixed else "".join(f"{low:g}-{high:g}" for low, high in scales)
    scored = sum(one.mean is not None for one in ranked)
    return Ranking(scale, tuple(kept), scored, len(ranked) - scored)


def _ranked(essay: Essay, verdicts: Sequence[Verdict], is_mixed: bool) -> RankedEssay:
    scores = [(v.judge, _value(v, v.score, is_mixed)) for v in verdicts if v.score is not None]
    sd = sd_over_judges(scores)
    return RankedEssay(
        essay,
        round(fmean(score for _, score in scores), _DECIMALS) if scores else None,
        None if sd is None else round(sd, _DECIMALS),
        len(scores),
        len(verdicts),
    )


def _value(verdict: Verdict, score: float, is_mixed: bool) -> float:
    if not is_mixed:
        return score
    return _COMMON_MAX * (score - verdict.score_min) / (verdict.score_max - verdict.score_min)


def _essay(cell: PlannedCell, concepts: Mapping[str, tuple[str, ...]]) -> Essay:
    return Essay(
        cell.generation_task_id,
        cell.combo_id,
        concepts.get(cell.combo_id, ()),
        cell.generation_template,
        cell.generation_model,
        cell.generation_replicate,
    )


def _verdicts(
    settings: Settings, experiment_id: str, planned: Mapping[str, tuple[str, PlannedCell]]
) -> list[Verdict]:
    calls = open_calls(settings, experiment_id, planned)
    stored = read_evaluations(engine_for(settings), EvaluationFilter(experiments=(experiment_id,)))
    rows = {row["evaluation_task_id"]: row for row in stored}
    for cell_id in outdated_ids(settings, experiment_id, "evaluation", planned):
        rows.pop(cell_id, None)
    return [_verdict(settings, call, rows.get(cell_id)) for cell_id, call in calls.items()]


def _verdict(settings: Settings, call: CellCall, row: Mapping[str, Any] | None) -> Verdict:
    template, cell, files = call.template, call.cell, DataRoot(settings.data_root)
    score = row["score"] if row else None
    read_so = (template.parser, template.score_min, template.score_max)
    if row and (row["parser"], row["score_min"], row["score_max"]) != read_so:
        # Another experiment shares the verdict, and reads it in another way.
        is_there = files.is_answered("evaluation", cell.cell_id)
        score = read_score(files.read_response("evaluation", cell.cell_id), template)[0] if is_there else None
    if template.score_min is None or template.score_max is None:
        raise ValueError("an evaluation template has a scale")
    return Verdict(
        cell.generation_task_id, str(cell.evaluation_model), score, template.score_min, template.score_max
    )
