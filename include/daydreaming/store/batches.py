"""Batches of a run in its files: who is in them, and what came of each member.

``batches/<run>/<stage>/<model>/<number>/`` holds ``batch.json`` (the members), the provider's results
as ``LLMBatchOperator`` wrote them, and in ``results/`` one file for each member that has not landed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from daydreaming.errors import StoreError
from daydreaming.inputs.records import Stage
from daydreaming.store.claims import Lease
from daydreaming.store.files import write_whole

_RECORD = "batch.json"
_RESULTS = "results"
#: ``prepared``: written before anything is reserved; ``admitted``: its members are final, and money is
#: reserved for them; ``closed``: it is over.
Status = Literal["prepared", "admitted", "closed"]


@dataclass(frozen=True)
class Member:
    """One call of a batch.

    Attributes:
        request_hash: Of the request that it was sent with.
        call_id: Its row in the ledger.
    """

    map_index: int
    cell_id: str
    request_hash: str
    call_id: str


@dataclass(frozen=True)
class Batch:
    """One batch of one model and stage of a run.

    Attributes:
        folder: Where its files are.
        owner: Of its members' leases.
        conn_id: Airflow connection that it goes through.
        provider_model: As ``LLMBatchOperator`` names a model: ``provider:name``.
    """

    folder: Path
    stage: Stage
    owner: str
    conn_id: str
    provider_model: str
    status: Status
    members: tuple[Member, ...]

    def lease(self, member: Member) -> Lease:
        """The lease of a member's cell."""
        return Lease(self.stage, member.cell_id, self.owner)

    def member_at(self, map_index: int) -> Member | None:
        """The member that an instance asked for; None where it is in none."""
        return next((member for member in self.members if member.map_index == map_index), None)


@dataclass(frozen=True)
class Result:
    """What came of one member, not landed yet.

    Attributes:
        row: As ``LLMBatchOperator`` wrote it.
        batch_id: The provider's name for the batch.
        submitted_at: Times in ISO format, as ``completed_at``.
    """

    row: Mapping[str, Any]
    batch_id: str
    submitted_at: str
    completed_at: str


def next_folder(folder: Path) -> Path:
    """Folder of a batch that is to be made."""
    return folder / str(len(list(_folders(folder))) + 1)


def write_batch(batch: Batch, **changes: Any) -> Batch:
    """Write a batch's record, with ``changes``; returns it."""
    batch = replace(batch, **changes)
    record = {**asdict(batch), "folder": None}
    write_whole(batch.folder / _RECORD, json.dumps(record, indent=1))
    return batch


def read_batches(folder: Path) -> list[Batch]:
    """The batches of a model and stage, newest first.

    Raises:
        StoreError: A record cannot be read.
    """
    return [_read_batch(one) for one in _folders(folder)]


def _folders(folder: Path) -> Iterator[Path]:
    found = [one for one in folder.glob("*") if one.name.isdecimal() and (one / _RECORD).exists()]
    yield from sorted(found, key=lambda one: int(one.name), reverse=True)


def _read_batch(folder: Path) -> Batch:
    path = folder / _RECORD
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        members = tuple(Member(**member) for member in record.pop("members"))
        return Batch(**{**record, "folder": folder, "members": members})
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise StoreError(f"{path}: cannot be read ({error}). Restore it.") from error


def deliver(batch: Batch, rows: Sequence[Mapping[str, Any]], origin: Mapping[str, str]) -> None:
    """Lay each member's result where its instance finds it.

    Args:
        batch: The batch.
        rows: As ``LLMBatchOperator`` wrote them; ``index`` counts the members.
        origin: ``batch_id``, ``submitted_at`` and ``completed_at``.
    """
    for row in rows:
        path = _result_path(batch, batch.members[row["index"]])
        write_whole(path, json.dumps({"row": row, **origin}))


def read_result(batch: Batch, member: Member) -> Result | None:
    """What came of a member; None where nothing has, or it has landed."""
    path = _result_path(batch, member)
    try:
        return Result(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise StoreError(
            f"{path}: cannot be read ({error}). Delete it to have the call made anew."
        ) from error


def drop_result(batch: Batch, member: Member) -> None:
    """A member's result has landed: nobody is to find it again."""
    _result_path(batch, member).unlink(missing_ok=True)


def _result_path(batch: Batch, member: Member) -> Path:
    return batch.folder / _RESULTS / f"{member.map_index}.json"
