"""What an experiment crosses with what: the levels of its factors, and how many cells each pairing has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from daydreaming.inputs.records import Stage

if TYPE_CHECKING:
    from sqlalchemy import Engine


@dataclass(frozen=True)
class Crossing:
    """Planned cells of an experiment that differ in nothing but their combination.

    Attributes:
        cells: How many; one that several runs planned counts once.
    """

    stage: Stage
    generation_template: str
    generation_model: str
    generation_replicate: int
    evaluation_template: str | None
    evaluation_model: str | None
    evaluation_replicate: int | None
    cells: int

    @property
    def model(self) -> str:
        """The model that is called."""
        return self.evaluation_model or self.generation_model


def read_crossings(engine: Engine, experiment_id: str) -> list[Crossing]:
    """All crossings that an experiment's runs planned, generations first."""
    from sqlalchemy import distinct, func, select

    from daydreaming.store.schema import PlannedCall, Run

    names = [name for name in Crossing.__dataclass_fields__ if name != "cells"]
    keys = [getattr(PlannedCall, name) for name in names]
    query = (
        select(*keys, func.count(distinct(PlannedCall.cell_id)).label("cells"))
        .join(Run, Run.run_id == PlannedCall.run_id)
        .where(Run.experiment_id == experiment_id)
        .group_by(*keys)
        .order_by(PlannedCall.stage.desc(), *keys[1:])
    )
    with engine.connect() as connection:
        return [Crossing(**row) for row in connection.execute(query).mappings()]


def count_planned(engine: Engine, experiment_id: str) -> int:
    """Rows of an experiment's plans in all its runs: they are only ever added to."""
    from sqlalchemy import func, select

    from daydreaming.store.schema import PlannedCall, Run

    query = select(func.count()).select_from(PlannedCall).join(Run, Run.run_id == PlannedCall.run_id)
    with engine.connect() as connection:
        return connection.scalar(query.where(Run.experiment_id == experiment_id)) or 0
