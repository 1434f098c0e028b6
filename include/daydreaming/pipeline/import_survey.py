"""Look at every file of the original: what it is, where it belongs, and whether it may go there.

Nothing is written. The order matters: verdicts are looked at when it is known which essays can be
placed, since a verdict must not end up with another essay than the one that it judges.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from daydreaming.design.combinations import Combination
from daydreaming.inputs.legacy_layout import KIND_FOLDERS, Kind, LegacyFile, Unplaced
from daydreaming.inputs.records import Stage
from daydreaming.pipeline.import_cells import CellFinder
from daydreaming.pipeline.import_combos import check_combination, check_unexplained
from daydreaming.pipeline.import_ids import PlacingError
from daydreaming.store.files import DataRoot
from daydreaming.store.plans import PlannedCell

_RESPONSES: Mapping[Stage, Kind] = {"generation": "generation_response", "evaluation": "evaluation_response"}


@dataclass(frozen=True)
class Found:
    """A file that can be placed, or is there already.

    Attributes:
        target: Where it belongs.
        is_there: Whether these very bytes are there.
    """

    file: LegacyFile
    cell: PlannedCell
    target: Path
    is_there: bool


@dataclass
class Survey:
    """What became of the files, kind by kind.

    Attributes:
        known: Combinations that the data root knows, by ID.
        unexplained: See ``unexplained_answers``.
        answers: Responses that can be placed or are there, by stage and our ID.
        originals: The original's IDs of these responses: more than one may become one of ours, and what
            belongs to one of them is known by its own.
        refused: Stage and ID of responses that can not, though it is known what they are.
    """

    finder: CellFinder
    files: DataRoot
    known: Mapping[str, Combination]
    unexplained: Mapping[str, Collection[str]]
    found: list[Found] = field(default_factory=list)
    unplaced: list[Unplaced] = field(default_factory=list)
    answers: dict[tuple[Stage, str], Found] = field(default_factory=dict)
    originals: dict[tuple[Stage, str], set[str]] = field(default_factory=dict)
    refused: set[tuple[Stage, str]] = field(default_factory=set)
    _digests: dict[Path, str] = field(default_factory=dict)
    _elsewhere: dict[str, set[str]] = field(default_factory=dict)

    def look(self) -> None:
        """Look at every file."""
        listed = self.finder.folder.layout.files
        if self.unexplained:
            self._find_elsewhere(listed)
        for kind in KIND_FOLDERS:
            # Two IDs of the original may become one of ours: the one that needs no change comes first.
            for file in sorted((f for f in listed if f.kind == kind), key=lambda f: "/" in f.legacy_id):
                try:
                    self._look_at(file)
                except PlacingError as error:
                    self.unplaced.append(Unplaced(kind, file.relative, str(error)))

    def _find_elsewhere(self, listed: Iterable[LegacyFile]) -> None:
        """Which of the unexplained answers are there, and not in the folder with the same bytes."""
        self._elsewhere = {
            combo_id: {i for i in ids if self._target("generation_response", i).exists()}
            for combo_id, ids in self.unexplained.items()
        }
        for file in listed:
            if file.kind == "generation_response":
                # What has no place, or cannot be read, is told when its turn comes.
                with suppress(PlacingError):
                    cell = self.finder.find(file.stage, file.legacy_id)
                    others = self._elsewhere.get(cell.combo_id, set())
                    there = self._target(file.kind, cell.cell_id)
                    if cell.cell_id in others and read_bytes(file.path) == there.read_bytes():
                        others.remove(cell.cell_id)

    def _look_at(self, file: LegacyFile) -> None:
        cell = self.finder.find(file.stage, file.legacy_id)
        key = (file.stage, cell.cell_id)
        is_response = file.kind == _RESPONSES[file.stage]
        try:
            self._check(file, cell)
            found = self._compared(file, cell)
        except PlacingError:
            if is_response:
                self.refused.add(key)
            raise
        self.found.append(found)
        if is_response:
            self.answers.setdefault(key, found)
            self.originals.setdefault(key, set()).add(file.legacy_id)

    def _check(self, file: LegacyFile, cell: PlannedCell) -> None:
        check_combination(
            cell.combo_id,
            self.finder.folder.combinations.get(cell.combo_id),
            self.known.get(cell.combo_id),
        )
        check_unexplained(cell.combo_id, self._elsewhere.get(cell.combo_id, ()))
        if file.kind == "evaluation_response":
            self._check_generation(self.finder.judged[file.legacy_id], cell.generation_task_id)
        elif file.kind != "generation_response":
            self._check_response(file, (file.stage, cell.cell_id))

    def _check_generation(self, legacy_id: str, generation_id: str) -> None:
        """Refuse a verdict without the essay that it judges: another may come under the same ID."""
        key: tuple[Stage, str] = ("generation", generation_id)
        if key in self.refused:
            raise PlacingError(f"its generation {generation_id} was not placed (it is listed too).")
        if legacy_id not in self.originals.get(key, ()):
            raise PlacingError(
                f"its generation {legacy_id} has no response in the folder{self._other(key)}: a verdict is "
                "imported only with the answer that it judges. Add that file."
            )

    def _check_response(self, file: LegacyFile, key: tuple[Stage, str]) -> None:
        """Refuse an essay or a prompt of another response than the one that is placed under its ID."""
        if file.legacy_id in self.originals.get(key, ()):
            return
        if key in self.refused:
            raise PlacingError("its response was not placed (it is listed too).")
        if file.kind == "essay":
            raise PlacingError(f"the response that it was cut out of is not in the folder{self._other(key)}.")
        # A prompt alone is what a failed call leaves.
        if key in self.originals:
            raise PlacingError(f"its response is not in the folder{self._other(key)}.")

    def _other(self, key: tuple[Stage, str]) -> str:
        """Which response is in the folder and may be taken for the one that is not; '' for none."""
        others = self.originals.get(key)
        return f" ({min(others)}, which becomes the same ID, may be another)" if others else ""

    def _compared(self, file: LegacyFile, cell: PlannedCell) -> Found:
        target = self._target(file.kind, cell.cell_id)
        digest = hashlib.sha256(read_bytes(file.path)).hexdigest()
        there = self._digests.get(target)
        if there is None and target.exists():
            there = hashlib.sha256(target.read_bytes()).hexdigest()
        if there is None or (there != digest and self._may_replace(file, cell, target)):
            self._digests[target] = digest
            return Found(file, cell, target, is_there=False)
        if there != digest:
            place = self.files.relative(target)
            if target in self._digests:
                raise PlacingError(f"another file of the folder becomes {place} too, with other bytes.")
            raise PlacingError(f"{place} is there already with other bytes; it is left alone.")
        return Found(file, cell, target, is_there=True)

    def _may_replace(self, file: LegacyFile, cell: PlannedCell, target: Path) -> bool:
        """Whether what is there is but an essay that was derived from the same imported answer."""
        if file.kind != "essay" or target in self._digests:
            return False
        answer = self.answers["generation", cell.cell_id]
        is_imported = "imported_from" in self.files.read_provenance("generation", cell.cell_id)
        return not answer.is_there or is_imported

    def _target(self, kind: Kind, cell_id: str) -> Path:
        stage = KIND_FOLDERS[kind][0]
        if kind == "essay":
            return self.files.essay(cell_id)
        if kind == _RESPONSES[stage]:
            return self.files.response(stage, cell_id)
        return self.files.prompt(stage, cell_id)


def read_bytes(path: Path) -> bytes:
    """A file of the original, which our store can hold only as UTF-8.

    Raises:
        PlacingError: It is no UTF-8, or cannot be read.
    """
    try:
        data = path.read_bytes()
        data.decode("utf-8")
    except OSError as error:
        raise PlacingError(f"cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise PlacingError(
            f"not UTF-8 (byte {error.start}). Convert it, if you know its encoding."
        ) from error
    return data
