"""Files and batches in the shapes of OpenAI, kept in memory. No clock of its own: callers pass the time."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from daydreaming.llm.simulator.behaviour import Fault, SimulatorConfig, fails_in_batch, fault_for
from daydreaming.llm.simulator.replies import PlannedCall, completed_body
from daydreaming.llm.simulator.stats import Stats, call_key
from daydreaming.llm.simulator.wire import ChatCall, JsonObject, RefusedError, read_chat

ENDPOINT = "/v1/chat/completions"
DAY_S = 24 * 3600
#: Faults of an answer; what else goes wrong, a provider repeats within the batch.
_OF_AN_ANSWER = (Fault.EMPTY, Fault.TRUNCATED, Fault.UNREADABLE)
_FAILED_STATUS = 500

State = Literal["in_progress", "completed", "failed", "cancelled"]


@dataclass
class Batch:
    """One batch.

    Attributes:
        members: Call by custom ID.
        errors: Why it failed before it began.
        files: ``output`` and ``error``, by ID, once it is complete.
    """

    batch_id: str
    input_file_id: str
    created_at: float
    metadata: Mapping[str, str]
    members: Mapping[str, ChatCall]
    state: State = "in_progress"
    ended_at: float | None = None
    errors: Sequence[JsonObject] = ()
    files: dict[str, str] = field(default_factory=dict)
    failed: int = 0

    def body(self) -> JsonObject:
        """As OpenAI shows it."""
        done = len(self.members) if self.state == "completed" else 0
        return {
            "id": self.batch_id,
            "object": "batch",
            "endpoint": ENDPOINT,
            "errors": {"object": "list", "data": list(self.errors)} if self.errors else None,
            "input_file_id": self.input_file_id,
            "completion_window": "24h",
            "status": self.state,
            "output_file_id": self.files.get("output"),
            "error_file_id": self.files.get("error"),
            "created_at": int(self.created_at),
            "expires_at": int(self.created_at) + DAY_S,
            f"{self.state}_at": int(self.ended_at or self.created_at),
            "request_counts": {
                "total": len(self.members),
                "completed": done - self.failed,
                "failed": self.failed,
            },
            "metadata": dict(self.metadata),
        }


class Batches:
    """The files and batches of one server."""

    def __init__(self) -> None:
        self._files: dict[str, tuple[str, bytes]] = {}
        self._batches: dict[str, Batch] = {}

    def upload(self, name: str, content: bytes, now: float) -> JsonObject:
        """Keep a file; returns it as OpenAI shows it."""
        file_id = f"file-{_number('file', str(len(self._files)), name)}"
        self._files[file_id] = name, content
        return self.file_body(file_id, now)

    def file_body(self, file_id: str, now: float) -> JsonObject:
        """A file as OpenAI shows it."""
        name, content = self._file(file_id)
        return {
            "id": file_id,
            "object": "file",
            "bytes": len(content),
            "created_at": int(now),
            "filename": name,
            "purpose": "batch",
            "status": "processed",
        }

    def content(self, file_id: str) -> bytes:
        """What is in a file."""
        return self._file(file_id)[1]

    def create(self, body: JsonObject, config: SimulatorConfig, stats: Stats, now: float) -> Batch:
        """Begin a batch; one with a line that cannot be read fails before it begins.

        Raises:
            RefusedError: 400: another endpoint; 404: no such file.
        """
        if body.get("endpoint") != ENDPOINT:
            raise RefusedError(
                400, f"endpoint must be {ENDPOINT}; got {body.get('endpoint')!r}.", param="endpoint"
            )
        file_id = str(body.get("input_file_id"))
        members, errors = _read_members(self.content(file_id), config.models)
        batch_id = f"batch_{_number('batch', str(len(self._batches)), file_id)}"
        metadata = body.get("metadata") or {}
        batch = Batch(batch_id, file_id, now, metadata, members, errors=errors)
        if errors:
            batch.state, batch.ended_at = "failed", now
            stats.batches["failed"] += 1
        self._batches[batch_id] = batch
        stats.batches["created"] += 1
        return batch

    def all(self) -> list[Batch]:
        """Every batch, the newest first."""
        return list(self._batches.values())[::-1]

    def get(self, batch_id: str) -> Batch:
        """One batch.

        Raises:
            RefusedError: 404: there is none of that name.
        """
        try:
            return self._batches[batch_id]
        except KeyError:
            raise RefusedError(404, f"No batch found with id {batch_id!r}.", code="not_found") from None

    def advance(
        self, batch: Batch, config: SimulatorConfig, stats: Stats, attempts: Counter[bytes], now: float
    ) -> None:
        """Carry a batch out whose time has come."""
        if batch.state != "in_progress" or now < batch.created_at + config.batch_latency_s:
            return
        lines: dict[str, list[JsonObject]] = {"output": [], "error": []}
        for custom_id, call in batch.members.items():
            kind, line = _carry_out(custom_id, call, config, stats, attempts, now)
            lines[kind].append(line)
        for kind, found in lines.items():
            if found:
                content = "".join(json.dumps(line) + "\n" for line in found).encode()
                batch.files[kind] = self.upload(f"{batch.batch_id}_{kind}.jsonl", content, now)["id"]
        batch.state, batch.ended_at, batch.failed = "completed", now, len(lines["error"])
        stats.batches["completed"] += 1
        stats.batches["members"] += len(batch.members)

    def cancel(self, batch: Batch, stats: Stats, now: float) -> None:
        """End a batch before it is carried out.

        Raises:
            RefusedError: 409: it has ended.
        """
        if batch.state != "in_progress":
            raise RefusedError(409, f"Cannot cancel a batch with status {batch.state!r}.")
        batch.state, batch.ended_at = "cancelled", now
        stats.batches["cancelled"] += 1

    def _file(self, file_id: str) -> tuple[str, bytes]:
        try:
            return self._files[file_id]
        except KeyError:
            raise RefusedError(404, f"No such File object: {file_id}", param="id") from None


def _read_members(content: bytes, models: Sequence[str]) -> tuple[dict[str, ChatCall], list[JsonObject]]:
    members: dict[str, ChatCall] = {}
    errors: list[JsonObject] = []
    for number, line in enumerate(filter(None, content.split(b"\n")), start=1):
        try:
            request = json.loads(line)
            call = read_chat(json.dumps(request["body"]).encode())
            custom_id = str(request["custom_id"])
            if models and call.model not in models:
                raise RefusedError(404, f"The model {call.model!r} does not exist.", code="model_not_found")
            if custom_id in members:
                raise RefusedError(400, f"The custom_id {custom_id!r} is not unique.")
            members[custom_id] = call
        except (ValueError, KeyError, TypeError) as error:
            errors.append(
                _line_error("invalid_json_line", f"Line {number} cannot be read: {error!r}", number)
            )
        except RefusedError as refused:
            errors.append(_line_error(refused.code or "invalid_request", str(refused), number))
    if not members and not errors:
        errors.append(_line_error("empty_file", "The input file is empty.", None))
    return members, errors


def _line_error(code: str, message: str, line: int | None) -> JsonObject:
    return {"code": code, "message": message, "line": line, "param": None}


def _carry_out(
    custom_id: str,
    call: ChatCall,
    config: SimulatorConfig,
    stats: Stats,
    attempts: Counter[bytes],
    now: float,
) -> tuple[str, JsonObject]:
    """The line of one member, and the file that it belongs to."""
    key = call_key(call.model, call.prompt)
    counters = stats.arrived(call.model, now)
    attempts[key] += 1
    if fails_in_batch(config, call.model, call.prompt):
        stats.ended(counters, call.prompt, key, None, "batch_failed")
        message = "The server had an error while processing the request."
        error = {"message": message, "type": "server_error", "param": None, "code": "server_error"}
        return "error", _line(custom_id, _FAILED_STATUS, {"error": error})
    fault = fault_for(config, call.model, call.prompt, attempts[key])
    planned = PlannedCall(call, attempts[key], fault if fault in _OF_AN_ANSWER else None, config)
    body, failure = completed_body(planned)
    stats.ended(counters, call.prompt, key, None, failure)
    return "output", _line(custom_id, 200, body)


def _line(custom_id: str, status: int, body: Mapping[str, Any]) -> JsonObject:
    return {
        "id": f"batch_req_{_number('line', custom_id)}",
        "custom_id": custom_id,
        "response": {"status_code": status, "request_id": _number("request", custom_id), "body": body},
        "error": None,
    }


def _number(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]
