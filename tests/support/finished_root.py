"""A data root as finished runs leave it, with all that a rebuild must bring back."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select

from daydreaming.errors import DaydreamingError, LLMTransientError, MissingResponseError, StaleResponseError
from daydreaming.inputs.records import Stage
from daydreaming.pipeline.call import (
    CellCall,
    build_request,
    failure_row,
    open_call,
    settle_stored,
    store_answer,
)
from daydreaming.pipeline.import_legacy import import_legacy
from daydreaming.pipeline.plan import note_refusal, set_cap
from daydreaming.pipeline.rescore import rescore
from daydreaming.pipeline.tables import write_all_tables
from daydreaming.settings import Settings
from daydreaming.store.admission import CallEnd, admit_calls, end_calls
from daydreaming.store.database import engine_for, writing_engine
from daydreaming.store.ledger import Settlement
from daydreaming.store.plans import cells_of_run
from daydreaming.store.ratings import RatingRecord, write_rating
from daydreaming.store.replace_tables import rebuilt_tables
from daydreaming.store.results import list_experiments
from tests.support.attempts import call_order
from tests.support.experiments import ESSAY, NOW, VERDICT, edit_input, make_answer, planned_run
from tests.support.legacy_folder import make_legacy_folder

RATING = RatingRecord(
    rating_id="0123456789abcdef0123456789abcdef",
    generation_task_id="g",
    evaluation_template="rigor",
    rater="ada",
    score=6.5,
    score_min=0,
    score_max=9,
    rated_at=NOW,
    comment="Well put.",
    response_sha256="f" * 64,
)


def make_finished_root(settings: Settings, folder: Path) -> None:
    """Run, fail, refuse, judge anew, import, rate and delete, then write every table.

    Experiments: ``demo`` (two replicates, four shards, then a second run with another scale, then another
    parser by a rescore), ``other`` (shares answers with it, later, on a scale of its own), ``stale`` (another
    temperature: its stored answers are refused), ``planned`` (a dry run), ``legacy`` (an import).

    Args:
        settings: Of a small tree and an empty data root; its inputs are edited.
        folder: For the folder that is imported.
    """
    planned_run(
        settings, "manual__2026-03-01T12:00:00+00:00", generation_replicates=2, shard_size=2, max_cost_usd=5.0
    )
    first = "manual__2026-03-01T12:00:00+00:00"
    for run_id in (first, *(f"{first}~shard-{number}-of-4" for number in (2, 3, 4))):
        buy_all(settings, run_id)
    edit_input(settings.inputs_root, "01_raw/evaluation_templates.csv", "strict,0,9", "strict,0,10")
    planned_run(settings, "run-2", now=_later(1))
    edit_input(settings.inputs_root, "01_raw/evaluation_templates.csv", "strict,0,10", "strict,0,8")
    planned_run(
        settings,
        "run-3",
        now=_later(2),
        experiment_id="other",
        generation_templates=["essay"],
        evaluation_templates=["rigor"],
    )
    planned_run(settings, "run-4", now=_later(3), experiment_id="stale", generation_temperature=0.9)
    refuse_stale(settings, "run-4")
    planned_run(settings, "run-5", now=_later(4), experiment_id="planned", evaluation_replicates=2)
    note_refusal(settings, "run-5", "Too dear.")
    import_legacy(settings, make_legacy_folder(folder), now=_later(5))
    set_cap(settings, "demo", None)
    set_cap(settings, "other", 2.5)
    rescore(settings, "demo", ["style"], "complex", None, now=_later(6))
    write_rating(engine_for(settings), settings.data_root, RATING)
    delete_answer(settings, first, "evaluation", 3)
    bring_without_record(settings, first, "generation", 1)
    for experiment_id in list_experiments(engine_for(settings)):
        if experiment_id != "planned":
            write_all_tables(settings, experiment_id)


def _later(hours: int) -> datetime:
    return NOW + timedelta(hours=hours)


def buy_all(settings: Settings, run_id: str) -> None:
    """Answer a run as the desk would: first attempts at some cells fail, one cell fails for good."""
    texts: Mapping[tuple[Stage, int], str] = {
        ("generation", 3): "No essay tag.",
        ("evaluation", 1): "No score in here.",
        ("evaluation", 2): "SCORE: 9.5",
        ("evaluation", 5): "Fine.\nSCORE: 10",
    }
    for cell in cells_of_run(engine_for(settings), run_id, "generation"):
        call = open_call(settings, run_id, "generation", cell.map_index)
        if cell.map_index == 0:
            fail(call, LLMTransientError("busy"), final=False)
        buy(call, texts.get(("generation", cell.map_index), ESSAY))
    for cell in cells_of_run(engine_for(settings), run_id, "evaluation"):
        call = open_call(settings, run_id, "evaluation", cell.map_index)
        if cell.map_index == 4:
            fail(call, LLMTransientError("timed out", is_outcome_unknown=True), final=True)
        elif cell.map_index == 6:
            fail(call, MissingResponseError("nothing to judge"), final=True, attempt=0)
        else:
            buy(call, texts.get(("evaluation", cell.map_index), VERDICT))


def buy(call: CellCall, text: str) -> None:
    """Answer a call, with its attempt in the ledger."""
    try:
        request = build_request(call)
    except DaydreamingError as error:
        fail(call, error, final=True, attempt=0)
        return
    order = _order(call)
    engine = writing_engine(call.settings)
    with engine.begin() as connection:
        [admission] = admit_calls(connection, [order])
    assert admission.outcome == "go"
    ended_at = NOW + timedelta(seconds=2, microseconds=call.cell.map_index)
    row = store_answer(call, request, make_answer(text), attempts=1, started_at=NOW, ended_at=ended_at)
    settlement = Settlement(
        order.start.call_id, "answered", ended_at, 1_234_567, "llm_models.csv", 100, 200, "Upstream"
    )
    with engine.begin() as connection:
        end_calls(
            connection,
            [CallEnd(settlement, release=order.lease, response=(call.stage, row), start=order.start)],
        )


def fail(
    call: CellCall, error: DaydreamingError, *, final: bool, attempt: int = 1, now: datetime = NOW
) -> None:
    """Record a failed attempt; one that was sent with its row in the ledger."""
    failure = failure_row(call, error, attempt=attempt, final=final, now=now)
    engine = writing_engine(call.settings)
    if not attempt:
        with engine.begin() as connection:
            end_calls(connection, [CallEnd(failure=failure)])
        return
    order = _order(call)
    with engine.begin() as connection:
        admit_calls(connection, [order])
    state = "unknown" if getattr(error, "is_outcome_unknown", False) else "failed"
    settlement = Settlement(
        order.start.call_id, state, now, 0, "not billed", error_class=type(error).__name__
    )
    with engine.begin() as connection:
        end_calls(connection, [CallEnd(settlement, release=order.lease, failure=failure, start=order.start)])


def _order(call: CellCall) -> Any:
    order = call_order(
        uuid.uuid4().hex,
        nanousd=987_654_321,
        experiment_id=call.run.experiment_id,
        model=call.model.model,
        stage=call.stage,
        cell_id=call.cell.cell_id,
        owner=uuid.uuid4().hex,
    )
    row = {**order.reservation.row, "run_id": call.run.run_id}
    return replace(order, reservation=replace(order.reservation, row=row))


def refuse_stale(
    settings: Settings, run_id: str, stage: Stage = "generation", *, now: datetime = NOW
) -> None:
    """Refuse each stored answer that answers another request than this run's; ``now`` is after they came."""
    for cell in cells_of_run(engine_for(settings), run_id, stage):
        call = open_call(settings, run_id, stage, cell.map_index)
        try:
            settle_stored(call, build_request(call))
        except StaleResponseError as error:
            fail(call, error, final=True, attempt=0, now=now)


def delete_answer(settings: Settings, run_id: str, stage: Stage, map_index: int) -> None:
    """Delete a response file, as a person does who wants another answer."""
    call = open_call(settings, run_id, stage, map_index)
    call.files.response(stage, call.cell.cell_id).unlink()


def bring_without_record(settings: Settings, run_id: str, stage: Stage, map_index: int) -> None:
    """Put another text in the place of an answer, and take its record away."""
    call = open_call(settings, run_id, stage, map_index)
    call.files.provenance(stage, call.cell.cell_id).unlink()
    call.files.response(stage, call.cell.cell_id).write_text("Brought by hand.")


def read_tables(settings: Settings) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table that a rebuild makes, but for the numbers that the database gives."""
    tables = {}
    with engine_for(settings).connect() as connection:
        for table in rebuilt_tables():
            columns = [c for c in table.__table__.columns if c.autoincrement is not True]
            found = connection.execute(select(*columns)).all()
            tables[table.__tablename__] = sorted(map(tuple, found), key=repr)
    return tables
