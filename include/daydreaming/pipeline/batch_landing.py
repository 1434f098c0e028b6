"""Land what a batch says of one member: its files, its row, its price; or its failure."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from daydreaming.errors import BatchError, BatchMemberError, LLMError, LLMPermanentError, Usage
from daydreaming.llm.answer import Answer
from daydreaming.llm.batch_result import read_batch_result
from daydreaming.llm.request import ChatRequest
from daydreaming.pipeline.batches import batch_folder_of
from daydreaming.pipeline.call import CellCall, failure_row, store_answer
from daydreaming.pipeline.pricing import Cost, batch_price, cost_of
from daydreaming.store.admission import CallEnd, end_calls
from daydreaming.store.batches import Batch, Member, Result, drop_result, read_batches, read_result
from daydreaming.store.group_writer import writer_for
from daydreaming.store.ledger import CallState, Settlement
from daydreaming.store.results import read_failures


def land_result(call: CellCall, request: ChatRequest, on_end: Callable[[CallEnd], None]) -> bool:
    """Whether a batch had a result of this call, which is landed now.

    Args:
        call: The planned call.
        request: What would be sent now.
        on_end: Told what is written, before a failure is raised.

    Raises:
        BatchMemberError: The call failed in its batch, which is recorded now. Who comes again finds
            nothing, and may call in the ordinary way.
    """
    for batch in read_batches(batch_folder_of(call)):
        member = batch.member_at(call.cell.map_index)
        result = read_result(batch, member) if member else None
        if member and result:
            _land(call, request, batch, member, result, on_end)
            return True
    return False


def give_up_batches(call: CellCall) -> None:
    """Nobody waits for a batch any more: the cell is free; what was sent may have been billed."""
    now = datetime.now(UTC)
    for batch in read_batches(batch_folder_of(call)):
        member = batch.member_at(call.cell.map_index)
        if member:
            _end(call, CallEnd(Settlement(member.call_id, "unknown", now), release=batch.lease(member)))


def was_told(call: CellCall) -> bool:
    """Whether this call's instance has failed before because its batch came to nothing."""
    rows = read_failures(call.engine, call.run.experiment_id)
    mine = (call.run.run_id, call.stage, call.cell.cell_id, BatchError.__name__)
    return any((r["run_id"], r["stage"], r["cell_id"], r["error_class"]) == mine for r in rows)


def _land(
    call: CellCall,
    request: ChatRequest,
    batch: Batch,
    member: Member,
    result: Result,
    on_end: Callable[[CallEnd], None],
) -> None:
    try:
        answer = _read(request, member, result)
    except LLMError as error:
        on_end(_land_failure(call, batch, member, result, error))
        raise _as_final(error, result) from None
    row = store_answer(
        call,
        request,
        answer,
        attempts=1,
        started_at=datetime.fromisoformat(result.submitted_at),
        ended_at=datetime.fromisoformat(result.completed_at),
        batch_id=result.batch_id,
    )
    settlement = _settlement(call, member, "answered", _usage_of(answer))
    end = CallEnd(settlement, release=batch.lease(member), response=(call.stage, row))
    _end(call, end)
    drop_result(batch, member)
    on_end(end)


def _read(request: ChatRequest, member: Member, result: Result) -> Answer:
    # Read first: what cannot be used was billed all the same.
    answer = read_batch_result(result.row, max_tokens=request.max_tokens)
    if member.request_hash != request.request_hash:
        raise LLMPermanentError(
            "It answers another request than the one that would be sent now: its essay has changed since.",
            usage=_usage_of(answer),
        )
    return answer


def _land_failure(call: CellCall, batch: Batch, member: Member, result: Result, error: LLMError) -> CallEnd:
    now = datetime.now(UTC)
    settlement = _settlement(call, member, "failed", error.usage, BatchMemberError.__name__)
    failure = failure_row(call, _as_final(error, result), attempt=1, final=True, now=now)
    end = CallEnd(settlement, release=batch.lease(member), failure=failure)
    _end(call, end)
    drop_result(batch, member)
    return end


def _settlement(
    call: CellCall, member: Member, state: CallState, usage: Usage | None, error_class: str | None = None
) -> Settlement:
    cost = Cost(0, "not billed") if usage is None else cost_of(batch_price(call.model), usage)
    return Settlement(
        member.call_id,
        state,
        datetime.now(UTC),
        cost.nanousd,
        cost.source,
        usage.prompt_tokens if usage else None,
        usage.completion_tokens if usage else None,
        error_class=error_class,
    )


def _usage_of(answer: Answer) -> Usage:
    return Usage(answer.prompt_tokens, answer.completion_tokens, answer.cost_usd)


def _as_final(error: LLMError, result: Result) -> BatchMemberError:
    return BatchMemberError(
        f"In batch {result.batch_id}: {error} Clear this instance to make the call in the ordinary way, "
        "at the ordinary price."
    )


def _end(call: CellCall, end: CallEnd) -> None:
    writer_for(call.settings).submit(end_calls, end).result()
