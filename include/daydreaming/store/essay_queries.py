"""Essays of one experiment with what judges said of them: filtered, sorted and cut by the database.

Scores are shares of their rubric's range here, from 0 to 1, so that those of all rubrics can be compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from daydreaming.store.own_readings import own_column
from daydreaming.store.verdict_sums import PRECISION, counted_verdicts, root, verdict_sums

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Engine, Subquery

State = Literal["answered", "unscored", "no_essay"]
Sort = Literal["mean", "sd", "n", "id", "time"]
Order = Literal["asc", "desc"]

_FACTORS = ("generation_template", "generation_model")
_SORTED_BY: Mapping[Sort, str] = {
    "mean": "mean_key",
    "sd": "variance_key",
    "n": "verdicts",
    "id": "generation_task_id",
    "time": "ended_at",
}


@dataclass(frozen=True)
class EssayFilter:
    """Which essays are asked for, and which verdicts on them count; None leaves none out.

    Attributes:
        concept: ID of one that the combination holds.
        combination: A ``combo_id``.
        evaluation_template: Only verdicts by it count; likewise ``evaluation_model``.
        min_score: Lowest mean over the verdicts that count; likewise ``max_score``.
        min_sd: Lowest standard deviation over the judges; see ``EssayRow.sd``.
        state: ``answered``: an essay was found in the answer; ``unscored``: a verdict has no score;
            ``no_essay``: none was found.
    """

    concept: str | None = None
    combination: str | None = None
    generation_template: str | None = None
    generation_model: str | None = None
    generation_replicate: int | None = None
    evaluation_template: str | None = None
    evaluation_model: str | None = None
    min_score: float | None = None
    max_score: float | None = None
    min_sd: float | None = None
    state: State | None = None


@dataclass(frozen=True)
class EssayList:
    """A list of essays before it is cut into pages; scores in ``wanted`` are shares."""

    experiment_id: str
    wanted: EssayFilter
    sort: Sort
    order: Order


@dataclass(frozen=True)
class EssayRow:
    """One generator's answer in a list.

    Attributes:
        essay_error: Why no essay was found in it; None where one was.
        verdicts: How many count, scored or not.
        unscored: How many of them have no score.
        mean: Of their shares; None where there is none.
        sd: Over the judges, of the mean share that each gave (n − 1); None below two judges.
    """

    generation_task_id: str
    combo_id: str
    generation_template: str
    generation_model: str
    replicate: int
    essay_error: str | None
    completion_tokens: int | None
    cost_usd: float | None
    ended_at: datetime | None
    verdicts: int
    unscored: int
    mean: float | None
    sd: float | None


@dataclass(frozen=True)
class Neighbours:
    """Where an essay stands in a list, from 1, and the IDs around it."""

    position: int
    total: int
    previous: str | None
    next: str | None


@dataclass(frozen=True)
class Ranges:
    """The scales of the verdicts that count: lowest and highest of each end."""

    score_min: float
    score_max: float
    is_one: bool


def read_ranges(engine: Engine, experiment_id: str, wanted: EssayFilter) -> Ranges | None:
    """The scales of the verdicts that count; None where there is none."""
    from sqlalchemy import func, select

    from daydreaming.store.schema import EvaluationResponse

    ends = (own_column("score_min"), own_column("score_max"))
    query = select(*(f(end) for end in ends for f in (func.min, func.max)))
    query = query.select_from(EvaluationResponse)
    query = counted_verdicts(query, experiment_id, wanted.evaluation_template, wanted.evaluation_model)
    with engine.connect() as connection:
        low, other_low, high, other_high = connection.execute(query).one()
    if low is None:
        return None
    return Ranges(low, other_high, (low, high) == (other_low, other_high))


def read_essays(engine: Engine, listed: EssayList, *, limit: int, offset: int) -> tuple[list[EssayRow], int]:
    """Rows of a page of the list, and how many the list has."""
    from sqlalchemy import func, select

    essay = _essays(engine, listed)
    names = [*EssayRow.__dataclass_fields__][:-1]
    query = select(*(essay.c[name] for name in names), essay.c.variance, func.count().over())
    query = query.order_by(*_order(essay, listed)).limit(limit).offset(offset)
    with engine.connect() as connection:
        rows = connection.execute(query).all()
        if rows or not offset:
            total = rows[0][-1] if rows else 0
        else:
            total = connection.scalar(select(func.count()).select_from(essay)) or 0
    return [EssayRow(*(*row[:-2], root(row[-2]))) for row in rows], total


def read_neighbours(engine: Engine, listed: EssayList, generation_task_id: str) -> Neighbours | None:
    """Where an essay stands in the list; None where it is not in it."""
    from sqlalchemy import select

    essay = _essays(engine, listed)
    with engine.connect() as connection:
        # Cheaper than window functions over the same rows.
        ids = list(connection.scalars(select(essay.c.generation_task_id).order_by(*_order(essay, listed))))
    if generation_task_id not in ids:
        return None
    place = ids.index(generation_task_id)
    previous = ids[place - 1] if place else None
    return Neighbours(place + 1, len(ids), previous, ids[place + 1] if place + 1 < len(ids) else None)


def read_concept_ids(engine: Engine, combo_ids: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Concept IDs by combination; those that are not known are left out."""
    from sqlalchemy import select

    from daydreaming.store.schema import Combination

    query = select(Combination.combo_id, Combination.concept_ids)
    with engine.connect() as connection:
        found = connection.execute(query.where(Combination.combo_id.in_(set(combo_ids))))
        return {combo_id: tuple(concept_ids) for combo_id, concept_ids in found}


def _essays(engine: Engine, listed: EssayList) -> Subquery:
    from sqlalchemy import and_, func, select

    from daydreaming.store.schema import GenerationResponse as Generation
    from daydreaming.store.schema import Membership

    wanted = listed.wanted
    verdict = verdict_sums(listed.experiment_id, wanted.evaluation_template, wanted.evaluation_model)
    generation_columns = [n for n in EssayRow.__dataclass_fields__ if hasattr(Generation, n)]
    query = (
        select(
            *(getattr(Generation, name) for name in generation_columns),
            func.coalesce(verdict.c.verdicts, 0).label("verdicts"),
            func.coalesce(verdict.c.unscored, 0).label("unscored"),
            verdict.c.mean,
            verdict.c.variance,
            _key(verdict.c.mean).label("mean_key"),
            _key(verdict.c.variance).label("variance_key"),
        )
        .select_from(Membership)
        .join(
            Generation,
            and_(Membership.stage == "generation", Membership.cell_id == Generation.generation_task_id),
        )
        .outerjoin(verdict, verdict.c.generation_task_id == Generation.generation_task_id)
        .where(Membership.experiment_id == listed.experiment_id)
    )
    conditions = [
        getattr(Generation, name) == getattr(wanted, name) for name in _FACTORS if getattr(wanted, name)
    ]
    if wanted.concept:
        conditions.append(Generation.combo_id.in_(_holding(engine, listed.experiment_id, wanted.concept)))
    if wanted.combination:
        conditions.append(Generation.combo_id == wanted.combination)
    if wanted.generation_replicate is not None:
        conditions.append(Generation.replicate == wanted.generation_replicate)
    if wanted.min_score is not None:
        conditions.append(verdict.c.mean >= wanted.min_score - PRECISION)
    if wanted.max_score is not None:
        conditions.append(verdict.c.mean <= wanted.max_score + PRECISION)
    if wanted.min_sd is not None:
        conditions.append(verdict.c.variance >= wanted.min_sd**2 - PRECISION)
    if wanted.state == "unscored":
        conditions.append(verdict.c.unscored > 0)
    elif wanted.state:
        found = Generation.essay_error.is_(None)
        conditions.append(found if wanted.state == "answered" else ~found)
    return query.where(*conditions).subquery("essay")


def _holding(engine: Engine, experiment_id: str, concept_id: str) -> list[str]:
    """Combinations of an experiment's essays that hold a concept."""
    from sqlalchemy import and_, select

    from daydreaming.store.schema import Combination, Membership
    from daydreaming.store.schema import GenerationResponse as Generation

    serves = and_(Membership.stage == "generation", Membership.cell_id == Generation.generation_task_id)
    mine = select(Generation.combo_id).join(Membership, serves)
    query = select(Combination.combo_id, Combination.concept_ids).where(
        Combination.combo_id.in_(mine.where(Membership.experiment_id == experiment_id))
    )
    with engine.connect() as connection:
        # Databases differ in how they look into a list: so that is done here.
        found = connection.execute(query)
        return [combo_id for combo_id, concept_ids in found if concept_id in concept_ids]


def _order(essay: Subquery, listed: EssayList) -> list[ColumnElement[Any]]:
    column = essay.c[_SORTED_BY[listed.sort]]
    directed = column.desc() if listed.order == "desc" else column.asc()
    return [directed.nulls_last(), essay.c.generation_task_id.asc()]


def _key(value: ColumnElement[Any]) -> ColumnElement[Any]:
    """What to sort by, so that equal shares are equal whichever way they were added up."""
    from sqlalchemy import BigInteger, cast

    return cast(value / PRECISION + 0.5, BigInteger)
