"""Runs and their plans in the results database: written once, read by every task instance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

from daydreaming.design.combinations import Combination
from daydreaming.errors import StoreError
from daydreaming.inputs.records import Stage

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from daydreaming.design.cells import Evaluation, Generation

_INSERT_CHUNK = 5_000


@dataclass(frozen=True)
class RunRecord:
    """One run and its frozen inputs; see ``schema.Run``."""

    run_id: str
    experiment_id: str
    inputs_digest: str
    inputs_path: str
    params: Mapping[str, Any]
    parent_run_id: str | None = None
    shard: int = 1
    shards: int = 1

    @property
    def is_shard_of_another(self) -> bool:
        """Whether another run planned it, and writes the tables."""
        return self.parent_run_id is not None


@dataclass(frozen=True)
class PlannedCell:
    """What one mapped instance is to call; see ``schema.PlannedCall``."""

    stage: Stage
    map_index: int
    cell_id: str
    pool: str
    model_name: str
    generation_task_id: str
    combo_id: str
    generation_template: str
    generation_model: str
    generation_replicate: int
    evaluation_template: str | None = None
    evaluation_model: str | None = None
    evaluation_replicate: int | None = None

    @property
    def model_id(self) -> str:
        """The model that is called, by its ID in llm_models.csv."""
        return self.evaluation_model or self.generation_model

    @property
    def replicate(self) -> int:
        """Replicate number within the cell's own stage, from 1."""
        return self.evaluation_replicate or self.generation_replicate

    def as_generation(self) -> Generation:
        """The planned generation, as the design has it."""
        from daydreaming.design.cells import Generation

        return Generation(
            self.cell_id,
            self.combo_id,
            self.generation_template,
            self.generation_model,
            self.model_name,
            self.generation_replicate,
        )

    def as_evaluation(self) -> Evaluation:
        """The planned evaluation likewise."""
        from daydreaming.design.cells import Evaluation

        return Evaluation(
            self.cell_id,
            self.generation_task_id,
            str(self.evaluation_template),
            str(self.evaluation_model),
            self.model_name,
            self.replicate,
        )


def insert_run(
    engine: Engine, run: RunRecord, now: datetime, *, created_by: str | None = None, code_version: str = ""
) -> RunRecord:
    """Record a run and its experiment; where it is there already, the recorded one stands.

    Args:
        engine: The results database.
        run: The run; its plan never changes.
        now: Its start.
        created_by: Airflow user who triggered it; None where none did.
        code_version: Of the package that starts it.

    Returns:
        The recorded one.
    """
    from sqlalchemy import insert
    from sqlalchemy.exc import IntegrityError

    from daydreaming.store.experiments import note_experiment
    from daydreaming.store.schema import Run

    try:
        with engine.begin() as connection:
            connection.execute(insert(Run), {**asdict(run), "created_at": now})
            if not run.is_shard_of_another:
                note_experiment(connection, run.experiment_id, run.params, now, created_by, code_version)
    except IntegrityError:
        return read_run(engine, run.run_id)
    return run


def read_run(engine: Engine, run_id: str) -> RunRecord:
    """A recorded run.

    Raises:
        StoreError: There is none of this name.
    """
    from sqlalchemy import select

    from daydreaming.store.schema import Run

    with engine.connect() as connection:
        row = connection.execute(select(*_columns(Run, RunRecord)).where(Run.run_id == run_id)).one_or_none()
    if row is None:
        raise StoreError(
            f"Run {run_id!r} is not in the results database: load_inputs has not succeeded for it. "
            "(Where the database is new, `daydreaming rebuild` fills it from the files.)"
        )
    return RunRecord(*row)


def runs_of_experiment(engine: Engine, experiment_id: str) -> list[RunRecord]:
    """All runs of an experiment, oldest first."""
    from sqlalchemy import select

    from daydreaming.store.schema import Run

    query = (
        select(*_columns(Run, RunRecord))
        .where(Run.experiment_id == experiment_id)
        .order_by(Run.created_at, Run.run_id)
    )
    with engine.connect() as connection:
        return [RunRecord(*row) for row in connection.execute(query)]


def read_runs(engine: Engine) -> list[tuple[RunRecord, datetime, str | None]]:
    """All runs of all experiments, oldest first: each with its start and its refusal."""
    from sqlalchemy import select

    from daydreaming.store.schema import Run

    columns = (*_columns(Run, RunRecord), Run.created_at, Run.refusal)
    with engine.connect() as connection:
        rows = connection.execute(select(*columns).order_by(Run.created_at, Run.run_id))
        return [(RunRecord(*row[:-2]), row[-2], row[-1]) for row in rows]


def insert_shards(engine: Engine, shards: Sequence[tuple[RunRecord, datetime]]) -> None:
    """Record the shards of a plan, each with its start: the run itself first, then those that it will start.

    Those that are there stay as they are, for their plans never change.
    """
    from sqlalchemy import update

    from daydreaming.store.schema import Run
    from daydreaming.store.upsert import insert_missing

    (first, _), *others = shards
    with engine.begin() as connection:
        connection.execute(update(Run).where(Run.run_id == first.run_id).values(shards=first.shards))
        if others:
            rows = [{**asdict(run), "created_at": created_at} for run, created_at in others]
            insert_missing(connection, Run, rows)


def runs_of_plan(engine: Engine, run_id: str) -> list[RunRecord]:
    """The run and the shards that it planned, in their order."""
    from sqlalchemy import or_, select

    from daydreaming.store.schema import Run

    family = or_(Run.run_id == run_id, Run.parent_run_id == run_id)
    query = select(*_columns(Run, RunRecord)).where(family).order_by(Run.shard)
    with engine.connect() as connection:
        return [RunRecord(*row) for row in connection.execute(query)]


def set_refusal(engine: Engine, run_id: str, refusal: str | None) -> None:
    """Note that nothing of a run's plan may be sent, and why; None takes it back."""
    from sqlalchemy import or_, update

    from daydreaming.store.schema import Run

    family = or_(Run.run_id == run_id, Run.parent_run_id == run_id)
    with engine.begin() as connection:
        connection.execute(update(Run).where(family).values(refusal=refusal))


def read_created_at(engine: Engine, run_id: str) -> datetime:
    """When a run was recorded.

    Raises:
        StoreError: There is none of this name.
    """
    from sqlalchemy import select

    from daydreaming.store.schema import Run

    with engine.connect() as connection:
        created_at = connection.scalar(select(Run.created_at).where(Run.run_id == run_id))
    if created_at is None:
        raise StoreError(f"Run {run_id!r} is not in the results database.")
    return created_at


def read_refusal(engine: Engine, run_id: str) -> str | None:
    """Why nothing of this run may be sent; None where it may."""
    from sqlalchemy import select

    from daydreaming.store.schema import Run

    with engine.connect() as connection:
        return connection.scalar(select(Run.refusal).where(Run.run_id == run_id))


def insert_plan(engine: Engine, run_id: str, stage: Stage, cells: Sequence[PlannedCell]) -> None:
    """Write a run's plan for one stage, unless it is written; what is answered serves its experiment.

    Raises:
        StoreError: A different plan is there.
    """
    from sqlalchemy.exc import IntegrityError

    from daydreaming.store.members import add_answered
    from daydreaming.store.schema import PlannedCall

    if _same_plan_exists(engine, run_id, stage, cells):
        return
    rows = ({"run_id": run_id, **asdict(cell)} for cell in cells)
    try:
        with engine.begin() as connection:
            insert_rows(connection, PlannedCall, rows)
            add_answered(connection, run_id, stage)
    except IntegrityError:
        # Another process wrote the plan meanwhile; a row of this plan alone that is refused is a defect.
        if not _same_plan_exists(engine, run_id, stage, cells):
            raise


def _same_plan_exists(engine: Engine, run_id: str, stage: Stage, cells: Sequence[PlannedCell]) -> bool:
    from sqlalchemy import select

    from daydreaming.store.schema import PlannedCall

    known = select(PlannedCall.cell_id).where(PlannedCall.run_id == run_id, PlannedCall.stage == stage)
    with engine.connect() as connection:
        existing = list(connection.scalars(known.order_by(PlannedCall.map_index)))
    if existing and existing != [cell.cell_id for cell in cells]:
        raise StoreError(
            f"Run {run_id!r} has another {stage} plan already ({len(existing)} cells; "
            f"got {len(cells)}). A plan is fixed per run: start a new run."
        )
    return bool(existing)


def insert_combinations(engine: Engine, combinations: Iterable[Combination]) -> None:
    """Record combinations that are not there yet."""
    from daydreaming.store.schema import Combination as CombinationRow
    from daydreaming.store.upsert import insert_missing

    rows = [
        {
            "combo_id": combination.combo_id,
            "concept_ids": list(combination.concept_ids),
            "description_level": combination.description_level,
            "k_max": combination.k_max,
        }
        for combination in combinations
    ]
    with engine.begin() as connection:
        insert_missing(connection, CombinationRow, rows)


def combinations_of_experiment(engine: Engine, experiment_id: str) -> list[Combination]:
    """The combinations that an experiment's runs planned, by ID."""
    from sqlalchemy import select

    from daydreaming.store.schema import Combination as CombinationRow
    from daydreaming.store.schema import PlannedCall, Run

    planned = (
        select(PlannedCall.combo_id)
        .join(Run, Run.run_id == PlannedCall.run_id)
        .where(Run.experiment_id == experiment_id, PlannedCall.stage == "generation")
    )
    row = CombinationRow
    columns = (row.combo_id, row.concept_ids, row.description_level, row.k_max)
    query = select(*columns).where(row.combo_id.in_(planned)).order_by(row.combo_id)
    with engine.connect() as connection:
        return [
            Combination(combo_id, tuple(concept_ids), level, k_max)
            for combo_id, concept_ids, level, k_max in connection.execute(query)
        ]


def read_call(
    engine: Engine, run_id: str, stage: Stage, map_index: int
) -> tuple[RunRecord, PlannedCell, tuple[str, ...]]:
    """What a mapped instance is to call: the run, the cell, and the concepts of its combination.

    One query, for every task instance makes it.

    Raises:
        StoreError: The plan has no such instance.
    """
    from sqlalchemy import select

    from daydreaming.store.schema import Combination as CombinationRow
    from daydreaming.store.schema import PlannedCall, Run

    query = (
        select(*_columns(Run, RunRecord), *_columns(PlannedCall, PlannedCell), CombinationRow.concept_ids)
        .join(PlannedCall, PlannedCall.run_id == Run.run_id)
        .join(CombinationRow, CombinationRow.combo_id == PlannedCall.combo_id)
        .where(PlannedCall.run_id == run_id, PlannedCall.stage == stage, PlannedCall.map_index == map_index)
    )
    with engine.connect() as connection:
        row = connection.execute(query).one_or_none()
    if row is None:
        raise StoreError(
            f"The results database has no plan for {stage} {map_index} of run {run_id!r}. "
            f"Clear plan_{stage}s of this run, or start a new run."
        )
    run_fields = len(RunRecord.__dataclass_fields__)
    return RunRecord(*row[:run_fields]), PlannedCell(*row[run_fields:-1]), tuple(row[-1])


def read_planned(
    engine: Engine, experiment_id: str, stage: Stage, cell_id: str
) -> tuple[RunRecord, PlannedCell]:
    """A cell of an experiment, and the run that planned it last.

    Raises:
        StoreError: No run of the experiment planned it.
    """
    from sqlalchemy import select

    from daydreaming.store.schema import PlannedCall, Run

    query = (
        select(*_columns(Run, RunRecord), *_columns(PlannedCall, PlannedCell))
        .join(PlannedCall, PlannedCall.run_id == Run.run_id)
        .where(Run.experiment_id == experiment_id, PlannedCall.stage == stage, PlannedCall.cell_id == cell_id)
        .order_by(Run.created_at.desc(), Run.run_id.desc())
        .limit(1)
    )
    with engine.connect() as connection:
        row = connection.execute(query).one_or_none()
    if row is None:
        raise StoreError(f"No run of experiment {experiment_id} has planned the {stage} {cell_id}.")
    run_fields = len(RunRecord.__dataclass_fields__)
    return RunRecord(*row[:run_fields]), PlannedCell(*row[run_fields:])


@dataclass(frozen=True)
class Plan:
    """A run's whole plan for one stage: it never changes, so that a process may keep it."""

    run: RunRecord
    cells: Mapping[int, PlannedCell]
    concept_ids: Mapping[str, tuple[str, ...]]


def read_plan(engine: Engine, run_id: str, stage: Stage) -> Plan:
    """A run's plan by map index; without cells where it is not planned yet.

    Raises:
        StoreError: There is no such run.
    """
    from sqlalchemy import select

    from daydreaming.store.schema import Combination as CombinationRow
    from daydreaming.store.schema import PlannedCall

    run, cells = read_run(engine, run_id), cells_of_run(engine, run_id, stage)
    planned = select(PlannedCall.combo_id).where(PlannedCall.run_id == run_id, PlannedCall.stage == stage)
    query = select(CombinationRow.combo_id, CombinationRow.concept_ids).where(
        CombinationRow.combo_id.in_(planned)
    )
    with engine.connect() as connection:
        concepts = {combo_id: tuple(ids) for combo_id, ids in connection.execute(query)}
    return Plan(run, {cell.map_index: cell for cell in cells}, concepts)


def _columns(table: Any, record: Any) -> list[Any]:
    return [getattr(table, name) for name in record.__dataclass_fields__]


def cells_of_run(engine: Engine, run_id: str, stage: Stage) -> list[PlannedCell]:
    """A run's plan for one stage, by map index; empty where it has not been planned."""
    from daydreaming.store.schema import PlannedCall

    return _read_cells(engine, PlannedCall.run_id == run_id, PlannedCall.stage == stage)


def cells_of_experiment(
    engine: Engine, experiment_id: str, stage: Stage
) -> dict[str, tuple[str, PlannedCell]]:
    """Every cell that any run of an experiment planned, in the order planned.

    Returns:
        By cell ID: the run that planned it last, and the cell.
    """
    cells: dict[str, tuple[str, PlannedCell]] = {}
    for run in runs_of_experiment(engine, experiment_id):
        for cell in cells_of_run(engine, run.run_id, stage):
            cells[cell.cell_id] = (run.run_id, cell)
    return cells


@dataclass(frozen=True)
class SharedCell:
    """A cell as a run of another experiment planned it."""

    experiment_id: str
    run_id: str
    cell: PlannedCell


def cells_shared_with_others(
    engine: Engine, experiment_id: str, stage: Stage
) -> dict[str, list[tuple[datetime, SharedCell]]]:
    """Cells of an experiment that runs of other experiments planned too.

    Returns:
        By cell ID: start and plan of each of those runs, oldest first.
    """
    from sqlalchemy import select
    from sqlalchemy.orm import aliased

    from daydreaming.store.schema import PlannedCall, Run

    own_call, own_run = aliased(PlannedCall), aliased(Run)
    own = (
        select(own_call.cell_id)
        .join(own_run, own_run.run_id == own_call.run_id)
        .where(own_run.experiment_id == experiment_id, own_call.stage == stage)
    )
    query = (
        select(Run.created_at, Run.experiment_id, Run.run_id, *_columns(PlannedCall, PlannedCell))
        .join(PlannedCall, PlannedCall.run_id == Run.run_id)
        .where(Run.experiment_id != experiment_id, PlannedCall.stage == stage, PlannedCall.cell_id.in_(own))
        .order_by(Run.created_at, Run.run_id)
    )
    shared: dict[str, list[tuple[datetime, SharedCell]]] = {}
    with engine.connect() as connection:
        for created_at, other, run_id, *columns in connection.execute(query):
            cell = PlannedCell(*columns)
            shared.setdefault(cell.cell_id, []).append((created_at, SharedCell(other, run_id, cell)))
    return shared


def planned_ids(engine: Engine, stage: Stage, experiment_id: str | None = None) -> set[str]:
    """IDs of all cells that were planned; of one experiment where it is named."""
    from sqlalchemy import select

    from daydreaming.store.schema import PlannedCall, Run

    query = select(PlannedCall.cell_id).distinct().where(PlannedCall.stage == stage)
    if experiment_id is not None:
        query = query.join(Run, Run.run_id == PlannedCall.run_id).where(Run.experiment_id == experiment_id)
    with engine.connect() as connection:
        return set(connection.scalars(query))


def read_places(engine: Engine, run_id: str, stage: Stage) -> dict[int, tuple[str, str]]:
    """(cell ID, pool) by map index: what the cluster policy needs of a plan."""
    from sqlalchemy import select

    from daydreaming.store.schema import PlannedCall

    columns = (PlannedCall.map_index, PlannedCall.cell_id, PlannedCall.pool)
    query = select(*columns).where(PlannedCall.run_id == run_id, PlannedCall.stage == stage)
    with engine.connect() as connection:
        return {index: (cell_id, pool) for index, cell_id, pool in connection.execute(query)}


def _read_cells(engine: Engine, *where: Any) -> list[PlannedCell]:
    from sqlalchemy import select

    from daydreaming.store.schema import PlannedCall

    query = select(*_columns(PlannedCall, PlannedCell)).where(*where).order_by(PlannedCall.map_index)
    with engine.connect() as connection:
        return [PlannedCell(*row) for row in connection.execute(query)]


def insert_rows(connection: Connection, table: Any, rows: Iterable[Mapping[str, Any]]) -> int:
    """Insert rows of any number, some at a time; returns how many there were."""
    from sqlalchemy import insert

    count, remaining = 0, iter(rows)
    while chunk := list(islice(remaining, _INSERT_CHUNK)):
        connection.execute(insert(table), chunk)
        count += len(chunk)
    return count
