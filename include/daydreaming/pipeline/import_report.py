"""What an import did, or would do: counts per kind, and everything that it did not place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from daydreaming.inputs.legacy_layout import KIND_FOLDERS, Unplaced
from daydreaming.pipeline.import_ids import ModelId
from daydreaming.pipeline.import_parsers import TemplateParser


@dataclass(frozen=True)
class KindCount:
    """Files of one kind, or problems of one."""

    kind: str
    placed: int
    already_there: int
    not_placed: int


@dataclass(frozen=True)
class ImportReport:
    """What became of a folder.

    Attributes:
        dry_run: True where nothing was written: ``placed`` is then what would be.
        models: Models whose ID with us is another than the original's.
        parsers: How the answers to each template are read.
        notes: Lines that a person should know.
    """

    experiment_id: str
    dry_run: bool
    counts: tuple[KindCount, ...]
    unplaced: tuple[Unplaced, ...]
    models: tuple[ModelId, ...]
    parsers: tuple[TemplateParser, ...]
    notes: tuple[str, ...]

    @property
    def is_complete(self) -> bool:
        """Whether everything was placed or is there."""
        return not self.unplaced

    def to_json(self) -> dict[str, Any]:
        """The report as JSON values."""
        return {
            "experiment_id": self.experiment_id,
            "dry_run": self.dry_run,
            "counts": {
                c.kind: {"placed": c.placed, "already_there": c.already_there, "not_placed": c.not_placed}
                for c in self.counts
            },
            "not_placed": [{"kind": u.kind, "file": u.file, "reason": u.reason} for u in self.unplaced],
            "models": [{"legacy_id": m.legacy, "id": m.ours, "why": m.why} for m in self.models],
            "templates": [
                {"stage": p.stage, "template_id": p.template_id, "parser": p.parser, "why": p.why}
                for p in self.parsers
            ],
            "notes": list(self.notes),
        }


def count_kinds(placed: Iterable[str], there: Iterable[str], unplaced: Iterable[Unplaced]) -> list[KindCount]:
    """Counts by kind: the kinds of files first and always, then those that only problems have."""
    counts = (Counter(placed), Counter(there), Counter(problem.kind for problem in unplaced))
    kinds = [*KIND_FOLDERS, *sorted(counts[2].keys() - KIND_FOLDERS.keys())]
    return [KindCount(kind, *(count[kind] for count in counts)) for kind in kinds]
