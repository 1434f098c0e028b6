"""Which tables are only behind: as they were written, before answers came that the experiment now has too."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Collection
from dataclasses import dataclass, replace

from daydreaming.pipeline.report import report_file
from daydreaming.pipeline.tables import scores_file, statistics_file
from daydreaming.pipeline.verify_findings import Finding, Kind
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.files import DataRoot, file_sha256
from daydreaming.store.statistics import read_source

_REMEDY = "clear check_completeness of the experiment's last run"
_STORED = "database: statistics/"


@dataclass(frozen=True)
class Written:
    """What tells tables that are behind from tables that somebody has changed.

    Attributes:
        is_unwritten: Whether the experiment has no scores yet, and so no table that could be wrong.
        untouched: Where the scores are those of the last writing, and only answers have come since: the
            files, below the data root, that are as they were written then. Empty where nothing has come.
    """

    is_unwritten: bool = False
    untouched: Collection[str] = ()

    def judge(self, finding: Finding | None) -> Finding | None:
        """The finding, as a milder one where it only tells that tables are behind."""
        if finding is None or finding.kind not in (Kind.TABLE_DIFFERS, Kind.STATISTICS_DIFFER):
            return finding
        if self.is_unwritten:
            return replace(finding, kind=Kind.OUTDATED, detail=f"not written yet: {_REMEDY}")
        if finding.subject in self.untouched or (self.untouched and finding.subject.startswith(_STORED)):
            detail = f"written before answers came that it must hold ({finding.detail}): {_REMEDY}"
            return replace(finding, kind=Kind.OUTDATED, detail=detail)
        return finding


def written_before(settings: Settings, experiment_id: str, scores: str) -> Written:
    """Compare an experiment's tables with what was recorded when they were written.

    Args:
        settings: The deployment's settings.
        experiment_id: Whose tables.
        scores: What ``parsed_scores.csv`` must hold now.
    """
    path = scores_file(settings, experiment_id)
    if not path.exists():
        return Written(is_unwritten=not any(path.parent.glob("*.csv")))
    source, found = read_source(engine_for(settings), experiment_id), file_sha256(path)
    is_current = found == hashlib.sha256(scores.encode()).hexdigest()
    if is_current or source is None or source["made_of"]["scores"] != found:
        return Written()
    if not _only_grew(path.read_text(encoding="utf-8"), scores):
        return Written()
    files = {
        statistics_file(settings, experiment_id, name): digest for name, digest in source["files"].items()
    }
    kept = [path, report_file(settings, experiment_id)]
    kept += [file for file, digest in files.items() if file_sha256(file) == digest]
    return Written(untouched={DataRoot(settings.data_root).relative(file) for file in kept})


def _only_grew(before: str, after: str) -> bool:
    """Whether rows of a table of scores differ in answers alone that were not there. PURE."""
    old, new = _by_id(before), _by_id(after)
    return all(
        cell_id in new and (row == new[cell_id] or not row["evaluation_response_path"])
        for cell_id, row in old.items()
    )


def _by_id(scores: str) -> dict[str, dict[str, str]]:
    rows = csv.DictReader(io.StringIO(scores, newline=""))
    return {row["evaluation_task_id"]: row for row in rows}
