"""Rows of responses and failures in the results database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from daydreaming.errors import StaleResponseError
from daydreaming.inputs.records import Stage
from daydreaming.store.id_chunks import id_chunks

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine


def upsert_responses(engine: Engine, stage: Stage, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write one row per response; a row with the same ID is replaced, never repeated."""
    if rows:
        with engine.begin() as connection:
            land_responses(connection, stage, rows)


def land_responses(connection: Connection, stage: Stage, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write responses: a row each, the experiments that it serves, and the reading of a verdict."""
    from daydreaming.store.members import add_landed
    from daydreaming.store.scores import replace_scores
    from daydreaming.store.upsert import upsert

    upsert(connection, response_model(stage), rows)
    add_landed(connection, stage, [row[f"{stage}_task_id"] for row in rows])
    if stage == "evaluation":
        replace_scores(connection, rows)


def delete_responses(engine: Engine, stage: Stage, cell_ids: Iterable[str]) -> None:
    """Remove the rows of responses whose file is gone, with all that hangs on them."""
    from sqlalchemy import delete

    from daydreaming.store.members import remove_members
    from daydreaming.store.scores import delete_scores

    key, listed = response_key(stage), list(cell_ids)
    if not listed:
        return
    with engine.begin() as connection:
        for chunk in id_chunks(listed):
            connection.execute(delete(response_model(stage)).where(key.in_(chunk)))
        remove_members(connection, stage, listed)
        if stage == "evaluation":
            delete_scores(connection, listed)


def response_exists(engine: Engine, stage: Stage, cell_id: str) -> bool:
    """Whether a response has its row."""
    from sqlalchemy import select

    with engine.connect() as connection:
        return (
            connection.scalar(select(response_key(stage)).where(response_key(stage) == cell_id)) is not None
        )


def read_responses(
    engine: Engine, stage: Stage, cell_ids: Iterable[str] | None = None
) -> list[dict[str, Any]]:
    """Rows of responses by ID; of all experiments where no IDs are given."""
    from sqlalchemy import select

    table = response_model(stage).__table__
    key = response_key(stage)
    query = select(table).order_by(key)
    with engine.connect() as connection:
        if cell_ids is None:
            return [dict(row) for row in connection.execute(query).mappings()]
        return [
            dict(row)
            for chunk in id_chunks(cell_ids)
            for row in connection.execute(query.where(key.in_(chunk))).mappings()
        ]


def insert_failure(engine: Engine, row: Mapping[str, Any]) -> None:
    """Record a failed attempt."""
    from sqlalchemy import insert

    from daydreaming.store.schema import CellFailure

    with engine.begin() as connection:
        connection.execute(insert(CellFailure), dict(row))


def read_failures(engine: Engine, experiment_id: str) -> list[dict[str, Any]]:
    """Every failed attempt of an experiment, oldest first."""
    from sqlalchemy import select

    from daydreaming.store.schema import CellFailure

    table = CellFailure.__table__
    query = select(table).where(CellFailure.experiment_id == experiment_id).order_by(CellFailure.id)
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]


def experiments_with_attempts(engine: Engine) -> set[str]:
    """IDs of experiments that calls were made for, or failed."""
    from sqlalchemy import select

    from daydreaming.store.schema import CellFailure, LLMCall

    columns = (CellFailure.experiment_id, LLMCall.experiment_id)
    with engine.connect() as connection:
        return {name for column in columns for name in connection.scalars(select(column).distinct())}


def response_model(stage: Stage) -> Any:
    """The table of a stage's responses."""
    from daydreaming.store.schema import EvaluationResponse, GenerationResponse

    return GenerationResponse if stage == "generation" else EvaluationResponse


def response_key(stage: Stage) -> Any:
    """Its primary key."""
    model = response_model(stage)
    return model.generation_task_id if stage == "generation" else model.evaluation_task_id


def finally_failed(engine: Engine, experiment_id: str, stage: Stage) -> set[tuple[str, str]]:
    """(run, cell) pairs whose last recorded failure ended the task instance's try."""
    last: dict[tuple[str, str], bool] = {}
    for row in read_failures(engine, experiment_id):
        if row["stage"] == stage:
            last[row["run_id"], row["cell_id"]] = row["final"]
    return {pair for pair, final in last.items() if final}


def refused_as_stale(engine: Engine, experiment_id: str, stage: Stage) -> set[str]:
    """IDs of cells of which an instance failed at some time because the stored answer was stale."""
    from sqlalchemy import select

    from daydreaming.store.schema import CellFailure

    query = select(CellFailure.cell_id).where(
        CellFailure.experiment_id == experiment_id,
        CellFailure.stage == stage,
        CellFailure.error_class == StaleResponseError.__name__,
    )
    with engine.connect() as connection:
        return set(connection.scalars(query))


def generations_with_essay(engine: Engine, generation_ids: Iterable[str]) -> set[str]:
    """Those of some generations that are answered, and in whose answer an essay was found."""
    from sqlalchemy import select

    from daydreaming.store.schema import GenerationResponse

    key = GenerationResponse.generation_task_id
    query = select(key).where(GenerationResponse.essay_error.is_(None))
    with engine.connect() as connection:
        return {
            i for chunk in id_chunks(generation_ids) for i in connection.scalars(query.where(key.in_(chunk)))
        }


def recorded_verdicts(engine: Engine, generation_ids: Iterable[str]) -> set[str]:
    """IDs of stored verdicts on some generations, without those that a person brought."""
    from sqlalchemy import select

    from daydreaming.store.schema import EvaluationResponse

    judged = EvaluationResponse.generation_task_id
    query = select(EvaluationResponse.evaluation_task_id).where(EvaluationResponse.request_hash.is_not(None))
    with engine.connect() as connection:
        return {
            i
            for chunk in id_chunks(generation_ids)
            for i in connection.scalars(query.where(judged.in_(chunk)))
        }


def list_experiments(engine: Engine) -> list[str]:
    """IDs of all experiments that were started, oldest first."""
    from sqlalchemy import func, select

    from daydreaming.store.schema import Run

    query = select(Run.experiment_id).group_by(Run.experiment_id).order_by(func.min(Run.created_at))
    with engine.connect() as connection:
        return list(connection.scalars(query))


def count_made_by_run(engine: Engine, run_id: str) -> int:
    """Responses that this run called for; those it reused were made by others."""
    from sqlalchemy import func, select

    total = 0
    with engine.connect() as connection:
        for stage in ("generation", "evaluation"):
            model = response_model(stage)
            # A file that a person brought has no request behind it.
            paid = (model.run_id == run_id, model.request_hash.is_not(None))
            query = select(func.count()).select_from(model).where(*paid)
            total += connection.scalar(query) or 0
    return total
