"""The batches of a run: who is in one, what is sent, and what becomes of it as a whole.

Blocking functions for the task that waits for the batch. What became of a single member is landed
by the member's own instance (``pipeline/batch_landing.py``).
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from daydreaming.errors import BudgetError, DaydreamingError
from daydreaming.inputs.records import LLMModel, Stage
from daydreaming.llm.batch_result import redacted_lines
from daydreaming.llm.price import to_nanousd
from daydreaming.llm.redaction import forms_of, hide_in_excerpt
from daydreaming.llm.request import ChatRequest
from daydreaming.pipeline.call import (
    CellCall,
    build_request,
    failure_row,
    open_call_of_plan,
    settle_stored,
    write_prompt,
)
from daydreaming.pipeline.frozen import frozen_inputs
from daydreaming.pipeline.pricing import batch_price, reserved_nanousd
from daydreaming.settings import Settings
from daydreaming.store.admission import CallEnd, end_calls
from daydreaming.store.batch_admission import MemberOrder, NotAdmitted, admit_batch, keep_batch
from daydreaming.store.batches import Batch, Member, deliver, next_folder, read_batches, write_batch
from daydreaming.store.database import engine_for, writing_engine
from daydreaming.store.files import DataRoot, write_whole
from daydreaming.store.ledger import CallState, Reservation, Settlement, budget_day
from daydreaming.store.plans import cells_of_run, read_run

#: Providers end a batch after 24 hours, with what it has by then; ours is a little more.
BATCH_TIMEOUT_S = 26 * 3600
#: Members' leases outlast the batch, and the retries of the task that waits for it.
HELD_S = BATCH_TIMEOUT_S + 2 * 3600.0
#: Whose API differs; all others are taken for OpenAI's.
_ANTHROPIC = "anthropic"


class BatchBusy(Exception):  # noqa: N818 - no error: the task comes back
    """The money that a batch may take is reserved by calls in flight."""


@dataclass(frozen=True)
class BatchOrder:
    """A batch that may be sent.

    Attributes:
        requests: Of the members, in their order.
    """

    batch: Batch
    requests: tuple[dict[str, Any], ...]


def models_to_batch(settings: Settings, run_id: str) -> list[str]:
    """IDs of a run's models that are called in batches, in either stage."""
    run = read_run(engine_for(settings), run_id)
    return list(frozen_inputs(settings.data_root, run).batched_models)


def connection_of(settings: Settings, run_id: str, model_id: str) -> str:
    """The Airflow connection that a run's model is called through."""
    inputs = frozen_inputs(settings.data_root, read_run(engine_for(settings), run_id))
    models = (*inputs.generation_models, *inputs.evaluation_models)
    return next(model.conn_id for model in models if model.id == model_id)


def batch_folder_of(call: CellCall) -> Path:
    """Folder of the batches that a call may be in."""
    return call.files.batches(call.run.experiment_id, call.run.run_id, call.stage, call.model.id)


def open_batch(
    settings: Settings, run_id: str, stage: Stage, model_id: str, conn_id: str
) -> BatchOrder | None:
    """The batch that is to be sent or waited for; None where nothing is missing.

    One that is not over is gone on with, member by member as it was: so the provider is found to have it
    already. Else a new one is made of what has no answer, and what it may cost is reserved.

    Args:
        settings: The deployment's settings.
        run_id: A run that is planned.
        stage: Of its calls.
        model_id: The model that is asked.
        conn_id: Airflow connection that a new batch goes through.

    Raises:
        BudgetError: A cap forbids it.
        BatchBusy: It may fit later.
        StaleResponseError: What is being waited for would not be asked so any more.
    """
    calls = _calls_of(settings, run_id, stage, model_id)
    batch = current_batch(settings, run_id, stage, model_id) or _prepare(calls, conn_id)
    if batch is None:
        return None
    requests = {m.map_index: build_request(calls[m.map_index]) for m in batch.members}
    batch = _admit(settings, batch, calls, requests)
    if batch is None:
        return None
    for member in batch.members:
        write_prompt(calls[member.map_index], requests[member.map_index])
    sent = [_as_batch_request(requests[member.map_index]) for member in batch.members]
    return BatchOrder(batch, tuple(sent))


def current_batch(settings: Settings, run_id: str, stage: Stage, model_id: str) -> Batch | None:
    """The batch that is not over; None where there is none."""
    run = read_run(engine_for(settings), run_id)
    folder = DataRoot(settings.data_root).batches(run.experiment_id, run_id, stage, model_id)
    newest = next(iter(read_batches(folder)), None)
    return newest if newest and newest.status != "closed" else None


def close_delivered(batch: Batch, lines: Sequence[str], origin: Mapping[str, str]) -> None:
    """A batch is over: each member's result is laid where its instance finds it.

    Args:
        batch: The batch.
        lines: Of the provider's results, as ``LLMBatchOperator`` wrote them.
        origin: ``batch_id``, ``submitted_at`` and ``completed_at``.
    """
    deliver(batch, [json.loads(line) for line in lines if line.strip()], origin)
    write_batch(batch, status="closed")


def results_without(path: Path, secrets: Iterable[str]) -> list[str]:
    """Lines of the provider's results; where one holds a secret, it is taken out of the file too."""
    text = path.read_text(encoding="utf-8")
    lines = redacted_lines(text, secrets)
    hidden = "".join(f"{line}\n" for line in lines)
    if hidden != text:
        write_whole(path, hidden)
    return lines


def message_without(message: str, secrets: Iterable[str]) -> str:
    """A message of the provider's without secrets."""
    return hide_in_excerpt(message, forms_of(secrets))


def close_unsent(settings: Settings, batch: Batch, state: CallState) -> None:
    """A batch is over and nothing of it was billed: give back what it holds."""
    now = datetime.now(UTC)
    ends = [
        CallEnd(
            Settlement(member.call_id, state, now, 0, "not billed" if state == "failed" else None),
            release=batch.lease(member),
        )
        for member in batch.members
    ]
    with writing_engine(settings).begin() as connection:
        end_calls(connection, ends)
    write_batch(batch, status="closed")


def _calls_of(settings: Settings, run_id: str, stage: Stage, model_id: str) -> dict[int, CellCall]:
    cells = cells_of_run(engine_for(settings), run_id, stage)
    indices = [cell.map_index for cell in cells if cell.model_id == model_id]
    return {index: open_call_of_plan(settings, run_id, stage, index) for index in indices}


def _prepare(calls: Mapping[int, CellCall], conn_id: str) -> Batch | None:
    members = tuple(_missing(calls))
    if not members:
        return None
    first = calls[members[0].map_index]
    folder = next_folder(batch_folder_of(first))
    provider_model = _provider_and_model(first.model)
    return write_batch(
        Batch(folder, first.stage, uuid.uuid4().hex, conn_id, provider_model, "prepared", members)
    )


def _missing(calls: Mapping[int, CellCall]) -> Iterator[Member]:
    for map_index, call in calls.items():
        try:
            request = build_request(call)
            if settle_stored(call, request):
                continue
        except DaydreamingError:
            # No essay to judge, or a stale answer: the instance itself says so.
            continue
        yield Member(map_index, call.cell.cell_id, request.request_hash, uuid.uuid4().hex)


def _admit(
    settings: Settings, batch: Batch, calls: Mapping[int, CellCall], requests: Mapping[int, ChatRequest]
) -> Batch | None:
    """The batch with its final members; None where others have taken them all."""
    if batch.status == "admitted":
        keep_batch(writing_engine(settings), [batch.lease(member) for member in batch.members], for_s=HELD_S)
        return batch
    orders = [
        MemberOrder(batch.lease(m), _reservation(batch, m, calls[m.map_index], requests[m.map_index]))
        for m in batch.members
    ]
    try:
        kept = admit_batch(writing_engine(settings), orders, for_s=HELD_S)
    except NotAdmitted as refused:
        if refused.decision.verdict == "busy":
            raise BatchBusy(refused.decision.reason) from None
        write_batch(batch, status="closed")
        count = len(batch.members)
        error = BudgetError(
            f"The batch of {count} calls, which counts as one, was not sent: {refused.decision.reason}"
        )
        _record_refusal(settings, error, [calls[member.map_index] for member in batch.members])
        raise error from None
    members = tuple(member for member in batch.members if member.call_id in kept)
    batch = write_batch(batch, status="admitted" if members else "closed", members=members)
    return batch if members else None


def _record_refusal(settings: Settings, error: BudgetError, calls: Iterable[CellCall]) -> None:
    """Note why calls were not sent: what their instances say later is that the batch came to nothing."""
    now = datetime.now(UTC)
    ends = [CallEnd(failure=failure_row(call, error, attempt=0, final=False, now=now)) for call in calls]
    with writing_engine(settings).begin() as connection:
        end_calls(connection, ends)


def _reservation(batch: Batch, member: Member, call: CellCall, request: ChatRequest) -> Reservation:
    now, price, cap = datetime.now(UTC), batch_price(call.model), call.settings.daily_budget_usd
    row = {
        "call_id": member.call_id,
        "owner": batch.owner,
        "experiment_id": call.run.experiment_id,
        "run_id": call.run.run_id,
        "stage": call.stage,
        "cell_id": member.cell_id,
        "model_id": call.model.id,
        "conn_id": batch.conn_id,
        "model_name": call.model.model,
        "attempt": 1,
        "price_source": price.source if price else None,
        "budget_day": budget_day(now),
        "reserved_at": now,
    }
    return Reservation(row, reserved_nanousd(price, request), None if cap is None else to_nanousd(cap))


def _as_batch_request(request: ChatRequest) -> dict[str, Any]:
    return {
        "prompt": request.prompt,
        "max_tokens": request.max_tokens,
        "params": {"temperature": request.temperature, **request.extra_body},
    }


def _provider_and_model(model: LLMModel) -> str:
    provider = _ANTHROPIC if model.provider == _ANTHROPIC else "openai"
    return f"{provider}:{model.model}"
