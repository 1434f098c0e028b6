"""The essays of one experiment as a list: what a page of it shows, and where an essay stands in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeGuard

from daydreaming.pipeline.concept_names import combination_labels, concept_names, names_by_concept
from daydreaming.pipeline.experiments import choose_experiments
from daydreaming.pipeline.frozen import inputs_of_experiment
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.essay_queries import (
    EssayFilter,
    EssayList,
    EssayRow,
    Neighbours,
    Order,
    Ranges,
    Sort,
    read_essays,
    read_neighbours,
    read_ranges,
)
from daydreaming.store.plans import combinations_of_experiment

_PERCENT = 100


@dataclass(frozen=True)
class Choice:
    """One level of a factor, for a form."""

    value: str
    text: str


@dataclass(frozen=True)
class ListPage:
    """One page of the list.

    Attributes:
        total: Essays on all pages.
        ranges: Scales of the verdicts that count; None where there is none.
        as_share: Whether scores are shares of their rubric's range, because these differ.
        concepts: Names of the concepts by combination.
    """

    rows: Sequence[EssayRow]
    total: int
    ranges: Ranges | None
    as_share: bool
    concepts: Mapping[str, str]


def list_essays(
    settings: Settings,
    experiment_id: str,
    wanted: EssayFilter,
    sort: Sort,
    order: Order,
    page: int,
    size: int,
) -> ListPage:
    """A page of the essays that a filter leaves.

    Args:
        settings: The deployment's settings.
        experiment_id: Whose essays.
        wanted: Scores in it are points; per cent of the range where rubrics differ in theirs.
        sort: What the rows are sorted by.
        order: Which way.
        page: From 1.
        size: Rows per page.

    Returns:
        Scores in its rows are points where all verdicts that count are on one scale, else shares.

    Raises:
        InputError: Nobody has started the experiment.
    """
    choose_experiments(settings, experiment_id)
    ranges = read_ranges(engine_for(settings), experiment_id, wanted)
    listed = _listed(experiment_id, wanted, ranges, sort, order)
    rows, total = read_essays(engine_for(settings), listed, limit=size, offset=(page - 1) * size)
    concepts = concept_names(settings, experiment_id, {row.combo_id for row in rows})
    if _is_one(ranges):
        rows = [_in_points(row, ranges) for row in rows]
    return ListPage(rows, total, ranges, ranges is not None and not ranges.is_one, concepts)


def place_in_list(
    settings: Settings,
    experiment_id: str,
    wanted: EssayFilter,
    sort: Sort,
    order: Order,
    generation_task_id: str,
) -> Neighbours | None:
    """Where an essay stands in the list; None where the filter leaves it out. Arguments as above."""
    engine = engine_for(settings)
    has_bounds = any(bound is not None for bound in (wanted.min_score, wanted.max_score, wanted.min_sd))
    ranges = read_ranges(engine, experiment_id, wanted) if has_bounds else None
    return read_neighbours(engine, _listed(experiment_id, wanted, ranges, sort, order), generation_task_id)


def list_choices(settings: Settings, experiment_id: str) -> dict[str, tuple[Choice, ...]]:
    """The levels of each factor that the experiment has, by the filter's field."""
    inputs = inputs_of_experiment(settings, experiment_id)
    plain: dict[str, Iterable[str]] = {
        "generation_template": (t.template_id for one in inputs for t in one.generation_templates),
        "generation_model": (m.id for one in inputs for m in one.generation_models),
        "evaluation_template": (t.template_id for one in inputs for t in one.evaluation_templates),
        "evaluation_model": (m.id for one in inputs for m in one.evaluation_models),
    }
    replicates = max((one.params.get("generation_replicates") or 1 for one in inputs), default=1)
    found = {name: tuple(Choice(v, v) for v in dict.fromkeys(values)) for name, values in plain.items()}
    names = names_by_concept(inputs)
    combinations = combinations_of_experiment(engine_for(settings), experiment_id)
    used = {concept for combination in combinations for concept in combination.concept_ids}
    found["concept"] = _by_text({concept: names.get(concept, concept) for concept in used})
    found["combination"] = _by_text(combination_labels(combinations, names))
    found["generation_replicate"] = tuple(Choice(str(n), str(n)) for n in range(1, replicates + 1))
    return found


def _by_text(texts: Mapping[str, str]) -> tuple[Choice, ...]:
    ordered = sorted((text, value) for value, text in texts.items())
    return tuple(Choice(value, text) for text, value in ordered)


def _listed(
    experiment_id: str, wanted: EssayFilter, ranges: Ranges | None, sort: Sort, order: Order
) -> EssayList:
    """The list, with the scores of its filter as shares."""
    low, span = (ranges.score_min, ranges.score_max - ranges.score_min) if _is_one(ranges) else (0, _PERCENT)
    given = {name: getattr(wanted, name) for name in ("min_score", "max_score")}
    shares = {name: (value - low) / span for name, value in given.items() if value is not None}
    if wanted.min_sd is not None:
        shares["min_sd"] = wanted.min_sd / span
    return EssayList(experiment_id, replace(wanted, **shares), sort, order)


def _is_one(ranges: Ranges | None) -> TypeGuard[Ranges]:
    return ranges is not None and ranges.is_one


def _in_points(row: EssayRow, ranges: Ranges) -> EssayRow:
    span = ranges.score_max - ranges.score_min
    mean = None if row.mean is None else ranges.score_min + row.mean * span
    return replace(row, mean=mean, sd=None if row.sd is None else row.sd * span)
