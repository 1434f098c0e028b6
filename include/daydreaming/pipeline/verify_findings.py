"""What `daydreaming verify` can find, and which of it is wrong rather than worth knowing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """One kind of finding; docs/verify.md says what each means."""

    TABLE_DIFFERS = "table_differs"
    STATISTICS_DIFFER = "statistics_differ"
    RUN_DIFFERS = "run_differs"
    ROW_DIFFERS = "row_differs"
    ROW_MISSING = "row_missing"
    ROW_WITHOUT_RESPONSE = "row_without_response"
    RESPONSE_CHANGED = "response_changed"
    RECORD_CHANGED = "record_changed"
    ESSAY_DIFFERS = "essay_differs"
    INPUTS_CHANGED = "inputs_changed"
    UNREADABLE = "unreadable"
    ORPHAN = "orphan"
    DUPLICATE = "duplicate"
    MISSING_PARENT = "missing_parent"
    STALE_RESPONSE = "stale_response"
    UNSCORED = "unscored"
    # From here on: worth knowing.
    OUTDATED = "outdated"
    REPORT_MISSING = "report_missing"
    SHORT_DUPLICATE = "short_duplicate"
    ESSAY_NOT_FOUND = "essay_not_found"
    OTHER_MODEL = "other_model"
    PROMPT_DIFFERS = "prompt_differs"
    NO_RECORD = "no_record"
    LEFTOVER = "leftover"


INFORMATION = frozenset(
    {
        Kind.OUTDATED,
        Kind.REPORT_MISSING,
        Kind.SHORT_DUPLICATE,
        Kind.ESSAY_NOT_FOUND,
        Kind.OTHER_MODEL,
        Kind.PROMPT_DIFFERS,
        Kind.NO_RECORD,
        Kind.LEFTOVER,
    }
)
"""Kinds that leave the exit code 0."""


@dataclass(frozen=True)
class Finding:
    """One thing that was found.

    Attributes:
        subject: What it is about: a file below the data root, or a table of the database and a row's ID.
        detail: What is wrong with it, in one line.
        experiment_id: Where it belongs to one; '' for what belongs to all or to none.
    """

    kind: Kind
    subject: str
    detail: str
    experiment_id: str = ""

    @property
    def is_error(self) -> bool:
        """Whether it makes the exit code 1."""
        return self.kind not in INFORMATION

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        severity = "error" if self.is_error else "information"
        return {**asdict(self), "kind": str(self.kind), "severity": severity}


@dataclass
class Report:
    """All findings, and how much was looked at.

    Attributes:
        checked: Numbers of experiments, responses, prompts, rows, files and tables.
    """

    findings: list[Finding] = field(default_factory=list)
    checked: Counter[str] = field(default_factory=Counter)

    def add(self, findings: Iterable[Finding]) -> None:
        """Take findings in."""
        self.findings += findings

    @property
    def is_clean(self) -> bool:
        """Whether nothing is wrong."""
        return not any(finding.is_error for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        """One object."""
        return {
            "findings": [finding.to_json() for finding in self.findings],
            "checked": dict(self.checked),
        }
