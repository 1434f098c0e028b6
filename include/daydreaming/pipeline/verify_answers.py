"""Check the stored answers of one experiment: each against its record, its row and what would be sent now."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from daydreaming.errors import (
    DaydreamingError,
    EssayParseError,
    MissingResponseError,
    StaleResponseError,
    StoreError,
)
from daydreaming.inputs.records import Stage
from daydreaming.llm.request import ChatRequest
from daydreaming.pipeline.call import CellCall, build_request, response_row
from daydreaming.pipeline.read_ahead import read_ahead
from daydreaming.pipeline.rows import RECORD_FIELDS
from daydreaming.pipeline.verify_findings import Finding, Kind

#: Columns of a row that are made of the response's bytes.
_OF_TEXT = frozenset({"response_size_bytes", "response_sha256"})
#: Columns that are read from the record.
_OF_RECORD = frozenset({"experiment_id", "run_id", *RECORD_FIELDS, "started_at", "ended_at"})
#: Two verdicts that are shorter may be alike by chance.
DUPLICATE_BYTES = 200


@dataclass
class SeenAnswers:
    """Where each text and response id was met first, over all experiments.

    Attributes:
        served: Of the experiment that is checked: answers by model asked and model that served.
    """

    texts: dict[tuple[Stage, str, str], str] = field(default_factory=dict)
    response_ids: dict[str, str] = field(default_factory=dict)
    served: Counter[tuple[str, str]] = field(default_factory=Counter)


@dataclass
class StageAnswers:
    """What the answers of one experiment and stage gave.

    Attributes:
        rows: By cell ID, derived from the files as this experiment reads them.
        stored: Likewise, as the results database is to hold them.
        stale: IDs whose answer answers another request.
        lost_essay: IDs of verdicts on an essay that is there no more.
        unreadable: How many could not be derived.
        recordless: How many have no record.
    """

    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    stored: dict[str, dict[str, Any]] = field(default_factory=dict)
    stale: set[str] = field(default_factory=set)
    lost_essay: set[str] = field(default_factory=set)
    unreadable: int = 0
    recordless: int = 0


def check_answers(
    calls: Mapping[str, CellCall],
    known: Mapping[str, Mapping[str, Any]],
    owners: Mapping[str, CellCall],
    seen: SeenAnswers,
    found: StageAnswers,
    advance: Callable[[], None],
) -> Iterator[Finding]:
    """Check every answered cell of one stage.

    Args:
        calls: The answered cells' calls by ID.
        known: Rows of the results database by ID.
        owners: Calls by which the rows of some of them are read, since a newer run of another experiment
            planned them.
        seen: Of all answers so far; added to.
        found: What came out; added to.
        advance: Called after each.
    """
    for cell_id, call in read_ahead(calls, all_files=True):
        try:
            record = call.files.read_provenance(call.stage, cell_id)
            row, essay = response_row(call)
            stored = response_row(owners[cell_id])[0] if cell_id in owners else row
        except (StoreError, ValueError) as error:
            found.unreadable += 1
            yield _finding(call, Kind.UNREADABLE, str(error))
        else:
            found.rows[cell_id], found.stored[cell_id] = row, stored
            found.recordless += not record
            yield from _check_record(call, row, record)
            yield from _check_row(call, stored, known.get(cell_id))
            yield from _check_request(call, record, found)
            yield from _check_reading(call, row, essay, record)
            yield from _check_repeats(call, row, seen)
        advance()


def _check_record(call: CellCall, row: Mapping[str, Any], record: Mapping[str, Any]) -> Iterator[Finding]:
    """The record names this cell, this text, and the request that its own hash is of."""
    if not record:
        return
    named = (record.get("stage", call.stage), record.get("cell_id", call.cell.cell_id))
    if named != (call.stage, call.cell.cell_id):
        yield _finding(call, Kind.RECORD_CHANGED, f"its record is one of {named[0]} {named[1]}")
    for column in ("response_sha256", "response_size_bytes"):
        if column in record and record[column] != row[column]:
            yield _finding(
                call, Kind.RESPONSE_CHANGED, f"{column} is {row[column]}; its record has {record[column]}"
            )
            break
    stored = record.get("request_hash")
    if stored and "request" in record and stored != _hash_of(record):
        yield _finding(call, Kind.RECORD_CHANGED, "request_hash of its record is not of the request in it")


def _hash_of(record: Mapping[str, Any]) -> str | None:
    request = record["request"]
    if not isinstance(request, dict):
        return None
    identity = {"prompt_sha256": record.get("prompt_sha256"), **request}
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def _check_row(call: CellCall, row: Mapping[str, Any], known: Mapping[str, Any] | None) -> Iterator[Finding]:
    if known is None:
        yield _finding(call, Kind.ROW_MISSING, f"no row in the table {call.stage}s")
        return
    columns = [name for name in row if row[name] != known.get(name)]
    if not columns:
        return
    kind = Kind.ROW_DIFFERS
    if _OF_TEXT & set(columns):
        kind = Kind.RESPONSE_CHANGED
    elif _OF_RECORD & set(columns):
        kind = Kind.RECORD_CHANGED
    first = columns[0]
    more = f" (also {', '.join(columns[1:])})" if columns[1:] else ""
    old, new = _shown(known.get(first)), _shown(row[first])
    yield _finding(
        call,
        kind,
        f"{first} is {old} in the table {call.stage}s, {new} by the files{more}",
    )


def _check_request(call: CellCall, record: Mapping[str, Any], found: StageAnswers) -> Iterator[Finding]:
    """Hold the answer against what the run that planned its cell last would send now."""
    try:
        request = build_request(call)
    except MissingResponseError:
        _note_lost_essay(call, record, found)
        generation = call.cell.generation_task_id
        yield _finding(
            call, Kind.MISSING_PARENT, f"generation {generation}, which it judges, has no response"
        )
    except StaleResponseError:
        found.stale.add(call.cell.cell_id)
        generation = call.cell.generation_task_id
        yield _finding(call, Kind.STALE_RESPONSE, f"generation {generation}, which it judges, is stale")
    except EssayParseError:  # That is said of the generation.
        _note_lost_essay(call, record, found)
    except StoreError as error:
        # Of an evaluation it is said of the generation. One without a hash was brought by a person.
        if call.stage == "generation" and record.get("request_hash"):
            yield _finding(call, Kind.UNREADABLE, f"its prompt cannot be rendered: {error}")
    except DaydreamingError as error:
        yield _finding(call, Kind.UNREADABLE, f"its prompt cannot be rendered: {error}")
    else:
        yield from _check_stale(call, request, record, found)
        yield from _check_prompt(call, request, record)


def _note_lost_essay(call: CellCall, record: Mapping[str, Any], found: StageAnswers) -> None:
    # One without a hash was brought by a person, and is taken as it is.
    if record.get("request_hash"):
        found.lost_essay.add(call.cell.cell_id)


def _check_stale(
    call: CellCall, request: ChatRequest, record: Mapping[str, Any], found: StageAnswers
) -> Iterator[Finding]:
    stored = record.get("request_hash")
    if not stored or stored == request.request_hash or call.inputs.params["on_stale"] == "reuse":
        return
    found.stale.add(call.cell.cell_id)
    changed = "prompt" if record.get("prompt_sha256") != request.prompt_sha256 else "model or parameters"
    yield _finding(
        call,
        Kind.STALE_RESPONSE,
        f"answers request {str(stored)[:12]}; run {call.run.run_id} would send {request.request_hash[:12]} "
        f"(another {changed})",
    )


def _check_prompt(call: CellCall, request: ChatRequest, record: Mapping[str, Any]) -> Iterator[Finding]:
    path = call.files.prompt(call.stage, call.cell.cell_id)
    sent = record.get("prompt_sha256")
    # Of a stale answer the file is either prompt, and that it is stale is said.
    if sent != request.prompt_sha256 or not path.exists():
        return
    if hashlib.sha256(path.read_bytes()).hexdigest() != sent:
        yield Finding(
            Kind.PROMPT_DIFFERS,
            call.files.relative(path),
            "is not the prompt that was sent",
            call.run.experiment_id,
        )


def _check_reading(
    call: CellCall, row: Mapping[str, Any], essay: str | None, record: Mapping[str, Any]
) -> Iterator[Finding]:
    if call.stage == "evaluation":
        if row["score"] is None:
            yield _finding(call, Kind.UNSCORED, str(row["score_error"]))
        return
    if essay is None:
        yield _finding(call, Kind.ESSAY_NOT_FOUND, str(row["essay_error"]))
    # An essay that was imported with its answer is kept as it was cut.
    if record:
        yield from _check_essay(call, essay)


def _check_essay(call: CellCall, essay: str | None) -> Iterator[Finding]:
    path = call.files.essay(call.cell.cell_id)
    stored = path.read_bytes() if path.exists() else None
    if stored != (None if essay is None else essay.encode()):
        what = "is missing" if stored is None else "is not the essay in its response"
        yield Finding(Kind.ESSAY_DIFFERS, call.files.relative(path), what, call.run.experiment_id)


def _check_repeats(call: CellCall, row: Mapping[str, Any], seen: SeenAnswers) -> Iterator[Finding]:
    cell_id, model = call.cell.cell_id, call.cell.model_id
    first = seen.texts.setdefault((call.stage, model, row["response_sha256"]), cell_id)
    if first != cell_id:
        is_long = call.stage == "generation" or row["response_size_bytes"] >= DUPLICATE_BYTES
        kind = Kind.DUPLICATE if is_long else Kind.SHORT_DUPLICATE
        yield _finding(call, kind, f"the same text as {first}, of the same model")
    response_id = row["response_id"]
    place = f"{call.stage} {cell_id}"
    if response_id and (other := seen.response_ids.setdefault(response_id, place)) != place:
        yield _finding(call, Kind.DUPLICATE, f"the same response id ({response_id}) as {other}")
    asked, returned = row["model_requested"], row["model_returned"]
    if asked and returned and asked != returned:
        seen.served[asked, returned] += 1


def _finding(call: CellCall, kind: Kind, detail: str) -> Finding:
    path = call.files.response(call.stage, call.cell.cell_id)
    return Finding(kind, call.files.relative(path), detail, call.run.experiment_id)


def _shown(value: object) -> str:
    return "empty" if value is None else str(value)
