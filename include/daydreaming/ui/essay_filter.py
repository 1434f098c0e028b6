"""The query of the essays' list, which their pages pass on: filters, order, and what was typed."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated, Any

from fastapi import Depends, Path, Query
from pydantic import BeforeValidator, Field

from daydreaming.store.essay_queries import EssayFilter, Order, Sort, State

#: No control characters: PostgreSQL takes no text with NUL.
PRINTABLE = r"^[^\x00-\x1f\x7f]+$"
LONGEST_ID = 250

ExperimentId = Annotated[str, Path(max_length=LONGEST_ID, pattern=PRINTABLE)]
GenerationId = Annotated[str, Path(max_length=LONGEST_ID, pattern=PRINTABLE)]


def _none_where_blank(value: Any) -> Any:
    """What a form sends of a field that nobody filled in."""
    return None if isinstance(value, str) and not value.strip() else value


BLANK_IS_NONE = BeforeValidator(_none_where_blank)
_Id = Annotated[str, Field(max_length=LONGEST_ID, pattern=PRINTABLE)]
_Whole = Annotated[int, Field(ge=1, le=1_000_000)]
_Finite = Annotated[float, Field(ge=-1e9, le=1e9, allow_inf_nan=False)]
CellId = Annotated[_Id | None, BLANK_IS_NONE, Query()]
_Replicate = Annotated[_Whole | None, BLANK_IS_NONE, Query()]
_Number = Annotated[_Finite | None, BLANK_IS_NONE, Query()]
_State = Annotated[State | None, BLANK_IS_NONE, Query()]
_Sort = Annotated[Sort | None, BLANK_IS_NONE, Query()]
_Order = Annotated[Order | None, BLANK_IS_NONE, Query()]


@dataclass(frozen=True)
class EssayQuery:
    """What a visitor asks of the list.

    Attributes:
        wanted: Scores in it as typed: points, or per cent where rubrics differ in their range.
    """

    wanted: EssayFilter
    sort: Sort
    order: Order

    @property
    def given(self) -> dict[str, Any]:
        """Parameters that ask for the same list again, without those that say what holds anyway."""
        query = {field.name: getattr(self.wanted, field.name) for field in fields(self.wanted)}
        if (self.sort, self.order) != ("mean", _FIRST_ORDER["mean"]):
            query |= {"sort": self.sort, "order": self.order}
        return {name: value for name, value in query.items() if value is not None}

    def sorted_by(self, sort: Sort) -> dict[str, Any]:
        """Parameters of the list sorted so; turned round where it is sorted so already."""
        order = _FIRST_ORDER[sort]
        if sort == self.sort:
            order = "asc" if self.order == "desc" else "desc"
        return {**self.given, "sort": sort, "order": order}


_FIRST_ORDER: dict[Sort, Order] = {"mean": "desc", "sd": "desc", "n": "desc", "id": "asc", "time": "desc"}


def essay_query(
    concept: CellId = None,
    combination: CellId = None,
    generation_template: CellId = None,
    generation_model: CellId = None,
    generation_replicate: _Replicate = None,
    evaluation_template: CellId = None,
    evaluation_model: CellId = None,
    min_score: _Number = None,
    max_score: _Number = None,
    min_sd: _Number = None,
    state: _State = None,
    sort: _Sort = None,
    order: _Order = None,
) -> EssayQuery:
    """Read the query of a request."""
    wanted = EssayFilter(
        concept,
        combination,
        generation_template,
        generation_model,
        generation_replicate,
        evaluation_template,
        evaluation_model,
        min_score,
        max_score,
        min_sd,
        state,
    )
    chosen: Sort = sort or "mean"
    return EssayQuery(wanted, chosen, order or _FIRST_ORDER[chosen])


EssayQueryDep = Annotated[EssayQuery, Depends(essay_query)]
