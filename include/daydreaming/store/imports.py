"""Combinations that an import brings: some without concepts, some that later imports explain."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from daydreaming.design.combinations import Combination

if TYPE_CHECKING:
    from sqlalchemy import Engine


def read_combinations(engine: Engine) -> dict[str, Combination]:
    """Every combination of the results database, by ID."""
    from sqlalchemy import select

    from daydreaming.store.schema import Combination as CombinationRow

    row = CombinationRow
    query = select(row.combo_id, row.concept_ids, row.description_level, row.k_max)
    with engine.connect() as connection:
        return {
            combo_id: Combination(combo_id, tuple(concept_ids), level, k_max)
            for combo_id, concept_ids, level, k_max in connection.execute(query)
        }


def generations_by_combination(engine: Engine) -> dict[str, set[str]]:
    """IDs of every answered generation, by the ID of its combination."""
    from sqlalchemy import select

    from daydreaming.store.schema import GenerationResponse

    found: dict[str, set[str]] = {}
    with engine.connect() as connection:
        query = select(GenerationResponse.combo_id, GenerationResponse.generation_task_id)
        for combo_id, generation_id in connection.execute(query):
            found.setdefault(combo_id, set()).add(generation_id)
    return found


def write_combinations(engine: Engine, combinations: Iterable[Combination]) -> None:
    """Write combinations, each whole, over what is there."""
    from daydreaming.store.schema import Combination as CombinationRow
    from daydreaming.store.upsert import upsert

    rows = [{**c._asdict(), "concept_ids": list(c.concept_ids)} for c in combinations]
    with engine.begin() as connection:
        upsert(connection, CombinationRow, rows)
