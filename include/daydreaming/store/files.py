"""The data root: where each file lies, and how it is written.

Every file is written whole (temporary file, then rename), so that a crash leaves the old one or
the new one. Responses are write-once. On an object store (`ObjectPath`) a put does both
(docs/adr/0020-the-data-root-on-an-object-store.md). Standard library only: every task instance imports this.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import uuid
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from daydreaming.errors import StoreError
from daydreaming.inputs.records import Stage
from daydreaming.objects.path import ObjectPath
from daydreaming.store.answer_records import record_problem
from daydreaming.store.object_answers import move_answer_away, move_answer_back, put_answer
from daydreaming.store.turns import hold_turn

_STAGE_FOLDERS: Mapping[Stage, str] = {"generation": "03_generation", "evaluation": "04_evaluation"}
#: Begins the names of files that are not finished yet; no ID begins so.
_TEMPORARY_PREFIX = ".~"
_RUN_DIGEST_CHARS = 12


def write_whole(path: Path, text: str, *, durable: bool = True) -> None:
    """Write ``text`` (UTF-8, line ends as they are), replacing what was there, never leaving half of it.

    Args:
        path: Its folder is made where it is missing.
        text: What the file shall hold.
        durable: Wait until the disk has it; not needed for what can be made again.
    """
    write_whole_bytes(path, text.encode(), durable=durable)


def write_whole_bytes(path: Path, data: bytes, *, durable: bool = True) -> None:
    """The same for what is no text."""
    if isinstance(path, ObjectPath):
        path.bucket.put(path.key, data)
        return
    _write_temporary(path, data, durable=durable).replace(path)


def write_new(path: Path, text: str) -> bool:
    """Write ``text`` (UTF-8) to a file that is not there yet; False, and nothing written, where it is."""
    if path.is_file():
        return False
    if isinstance(path, ObjectPath):
        return path.bucket.put_new(path.key, text.encode())
    temporary = _write_temporary(path, text.encode())
    try:
        return _take_name(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def list_names(folder: Path) -> list[str]:
    """Names of the files in a folder, and of folders in a local one; none where it is missing.

    Raises:
        OSError: It cannot be read.
    """
    if isinstance(folder, ObjectPath):
        return folder.names()
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries]
    except FileNotFoundError:
        return []


def file_sizes(folder: Path, names: Collection[str]) -> dict[str, int]:
    """Bytes of those files in a folder that are there, by name."""
    if isinstance(folder, ObjectPath):
        wanted = set(names)
        return {name: size for name, size in folder.sizes().items() if name in wanted}
    found = {}
    for name in names:
        with suppress(FileNotFoundError):
            found[name] = (folder / name).stat().st_size
    return found


def file_sha256(path: Path) -> str | None:
    """SHA-256 of a file, in hexadecimal; None where there is none."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return None


def _write_temporary(path: Path, data: bytes, *, durable: bool = True) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{_TEMPORARY_PREFIX}{uuid.uuid4().hex}")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return temporary


def _take_name(temporary: Path, path: Path) -> bool:
    """Give a finished file its name unless the name is taken; False where it was."""
    try:
        # A hard link fails where the name is taken; a rename would overwrite it.
        os.link(temporary, path)
    except FileExistsError:
        return False
    return True


@contextmanager
def _turn_in(folder: Path) -> Iterator[None]:
    """Hold a folder of responses while one takes its place: a text and its record belong together."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{_TEMPORARY_PREFIX}lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class _MissingError(StoreError):
    """There is no such file."""


@dataclass(frozen=True)
class DataRoot:
    """All paths below the data root.

    Attributes:
        results_conn: The results database as the settings have it. Whoever stores answers on an object
            store gives it: its locks say whose turn it is.
    """

    path: Path
    results_conn: str = field(default="", repr=False, compare=False)

    def tasks(self, experiment_id: str) -> Path:
        """Folder of an experiment's plan."""
        return self.path / "02_tasks" / experiment_id

    def batches(self, experiment_id: str, run_id: str, stage: Stage, model_id: str) -> Path:
        """Folder of the batches in which a run asks one model in one stage."""
        # A run's ID may hold what no file name should.
        run = hashlib.sha256(run_id.encode()).hexdigest()[:_RUN_DIGEST_CHARS]
        return self.tasks(experiment_id) / "batches" / run / stage / model_id

    def parsing(self, experiment_id: str) -> Path:
        """Folder of an experiment's scores."""
        return self.path / "05_parsing" / experiment_id

    def summary(self, experiment_id: str) -> Path:
        """Folder of an experiment's summaries."""
        return self.path / "06_summary" / experiment_id

    def cross_experiment(self) -> Path:
        """Folder of the tables over all experiments."""
        return self.path / "07_cross_experiment"

    def reporting(self, experiment_id: str) -> Path:
        """Folder of an experiment's errors."""
        return self.path / "07_reporting" / experiment_id

    def ratings(self) -> Path:
        """Folder of what people said of essays."""
        return self.path / "04_evaluation" / "ratings"

    def combo_mappings(self) -> Path:
        """The append-only table of stable combination IDs."""
        return self.path / "combo_mappings.csv"

    def prompt(self, stage: Stage, cell_id: str) -> Path:
        """A rendered prompt."""
        return self._file(stage, "prompts", cell_id)

    def response(self, stage: Stage, cell_id: str) -> Path:
        """A model's answer as it came."""
        return self._file(stage, "responses", cell_id)

    def provenance(self, stage: Stage, cell_id: str) -> Path:
        """How the answer came to be (JSON)."""
        return self.response(stage, cell_id).with_name(f"{cell_id}.json")

    def essay(self, generation_task_id: str) -> Path:
        """The essay cut out of a generator's answer."""
        return self.path / "03_generation" / "parsed_generation_responses" / f"{generation_task_id}.txt"

    def archived(self, stage: Stage, cell_id: str, request_hash: str) -> Path:
        """Where a stale answer is kept."""
        folder = self.path / "archive" / _STAGE_FOLDERS[stage] / cell_id
        return folder / f"{request_hash or 'unknown'}.txt"

    def has_archived(self, stage: Stage, cell_id: str) -> bool:
        """Whether stale answers of a cell are kept."""
        return self.archived(stage, cell_id, "").parent.is_dir()

    def archived_ids(self, stage: Stage) -> list[tuple[str, str]]:
        """Cell ID and request hash of each answer in the archive."""
        folder = self.path / "archive" / _STAGE_FOLDERS[stage]
        found = _texts_below(folder)
        return sorted((p.parent.name, p.stem) for p in found if not p.name.startswith(_TEMPORARY_PREFIX))

    def relative(self, path: Path) -> str:
        """``path`` as tables name it: below the data root, with forward slashes."""
        return path.relative_to(self.path).as_posix()

    def _file(self, stage: Stage, kind: str, cell_id: str) -> Path:
        return self.path / _STAGE_FOLDERS[stage] / f"{stage}_{kind}" / f"{cell_id}.txt"

    def answered_ids(self, stage: Stage) -> set[str]:
        """IDs of all stored responses of a stage: one pass over the folder."""
        names = list_names(self.response(stage, "x").parent)
        return {n[:-4] for n in names if n.endswith(".txt") and not n.startswith(_TEMPORARY_PREFIX)}

    def is_answered(self, stage: Stage, cell_id: str) -> bool:
        """Whether a response is stored."""
        return self.response(stage, cell_id).is_file()

    def read_response(self, stage: Stage, cell_id: str) -> str:
        """The stored answer, unchanged.

        Raises:
            StoreError: It is missing or is no UTF-8.
        """
        return _read(self.response(stage, cell_id))

    def read_essay(self, generation_task_id: str) -> str | None:
        """The stored essay; None where there is no file.

        Raises:
            StoreError: It is no UTF-8.
        """
        try:
            return _read(self.essay(generation_task_id))
        except _MissingError:
            return None

    def read_provenance(self, stage: Stage, cell_id: str) -> dict[str, Any]:
        """The record beside a response; empty where there is none (a file that a person brought).

        Raises:
            StoreError: The record is no JSON object, or a field of it cannot be used.
        """
        return _read_record(self.provenance(stage, cell_id))

    def read_archived_provenance(self, stage: Stage, cell_id: str, request_hash: str) -> dict[str, Any]:
        """The record beside an answer in the archive, likewise."""
        return _read_record(self.archived(stage, cell_id, request_hash).with_suffix(".json"))

    def write_response(self, stage: Stage, cell_id: str, text: str, provenance: Mapping[str, Any]) -> bool:
        """Store an answer, once.

        The record goes first: a response is there when its text is, and then its record is too.

        Returns:
            False where an answer was there already (it is kept, the new one is not stored).
        """
        path = self.response(stage, cell_id)
        if isinstance(path, ObjectPath):
            with self._turn_of(path):
                return put_answer(path, _beside(path), text.encode(), _json_text(provenance).encode())
        if path.exists():
            return False
        record = _write_temporary(path, _json_text(provenance).encode())
        answer = None
        try:
            answer = _write_temporary(path, text.encode())
            with _turn_in(path.parent):
                if path.exists():
                    return False
                record.replace(self.provenance(stage, cell_id))
                return _take_name(answer, path)
        finally:
            record.unlink(missing_ok=True)
            if answer is not None:
                answer.unlink(missing_ok=True)

    def archive_response(self, stage: Stage, cell_id: str, request_hash: str) -> Path:
        """Move an answer and its record to ``archive/`` under the hash of the request that made it.

        The record leaves last: an answer without one could not be told stale. Nothing is done where
        another process has moved the answer already, whether or not it brought another one.
        """
        target = self.archived(stage, cell_id, request_hash)
        path, record = self.response(stage, cell_id), self.provenance(stage, cell_id)
        if isinstance(path, ObjectPath) and isinstance(target, ObjectPath):
            with self._turn_of(path):
                if _hash_in(record) == request_hash:
                    move_answer_away(path, _beside(path), target)
            return target
        with _turn_in(path.parent):
            if path.exists() and _hash_in(record) == request_hash:
                if record.exists():
                    write_whole(target.with_suffix(".json"), _read(record))
                target.parent.mkdir(parents=True, exist_ok=True)
                path.replace(target)
                record.unlink(missing_ok=True)
        return target

    def restore_response(self, stage: Stage, cell_id: str, request_hash: str) -> bool:
        """Bring an archived answer to this request back; False where there is none."""
        source = self.archived(stage, cell_id, request_hash)
        if not source.is_file():
            return False
        path = self.response(stage, cell_id)
        if isinstance(path, ObjectPath) and isinstance(source, ObjectPath):
            with self._turn_of(path):
                return move_answer_back(source, path, _beside(path))
        with _turn_in(path.parent):
            if path.exists() or not source.exists():
                return False
            if source.with_suffix(".json").exists():
                source.with_suffix(".json").replace(self.provenance(stage, cell_id))
            source.replace(path)
        return True

    @contextmanager
    def _turn_of(self, path: ObjectPath) -> Iterator[None]:
        """The turn of one cell; without a database (a copy, an import) a conditional put is all there is."""
        if not self.results_conn:
            yield
            return
        with hold_turn(path, self.results_conn):
            yield


def _beside(path: ObjectPath) -> ObjectPath:
    """The record of an answer."""
    return path.with_suffix(".json")


def _texts_below(folder: Path) -> Iterator[Path]:
    """Files of texts in the folders in ``folder``."""
    if isinstance(folder, ObjectPath):
        return folder.files_below("*/*.txt")
    return folder.glob("*/*.txt")


def _read(path: Path) -> str:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return file.read()
    except FileNotFoundError as error:
        raise _MissingError(f"{path}: missing.") from error
    except UnicodeDecodeError as error:
        raise StoreError(
            f"{path}: not UTF-8 (byte {error.start}). Delete it to have it called again."
        ) from error


def _read_record(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(_read(path))
    except _MissingError:
        return {}
    except (ValueError, RecursionError) as error:
        raise StoreError(
            f"{path}: not valid JSON ({error}). Restore it, or delete it to go without."
        ) from error
    if not isinstance(record, dict):
        raise StoreError(f"{path}: must hold a JSON object; got {type(record).__name__}.")
    problem = record_problem(record)
    if problem:
        raise StoreError(f"{path}: {problem}. Restore it, or delete it to go without.")
    return record


def _hash_in(record: Path) -> str:
    """Hash of the request that a record names; '' where it names none, or there is no record."""
    return str(_read_record(record).get("request_hash") or "")


def _json_text(record: Mapping[str, Any]) -> str:
    return json.dumps(record, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
