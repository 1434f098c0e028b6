"""What a run has left behind: its answers and tables, and the figures of a fault."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.design import CALLS
from tests.faults.machine import Machine

#: Columns whose values are of the moment, not of the experiment.
OF_THE_MOMENT = frozenset(
    {"attempts", "created_at", "evaluation_timestamp", "generation_timestamp", "latency_s"}
)
_TABLES = ("02_tasks", "05_parsing", "06_summary", "07_cross_experiment")


@dataclass(frozen=True)
class Results:
    """What an experiment has found.

    Attributes:
        answers: Text by path in the data root, of all response files.
        tables: Rows by path, without the columns of the moment.
    """

    answers: Mapping[str, str]
    tables: Mapping[str, list[dict[str, str]]]


def read_results(machine: Machine) -> Results:
    """The answers and tables in a machine's data root."""
    root = Path(machine.settings.data_root)
    texts = [
        path
        for folder in ("03_generation/generation_responses", "04_evaluation/evaluation_responses")
        for path in sorted((root / folder).rglob("*.txt"))
    ]
    tables = [path for folder in _TABLES for path in sorted((root / folder).rglob("*.csv"))]
    return Results(
        {str(path.relative_to(root)): path.read_text(encoding="utf-8") for path in texts},
        {str(path.relative_to(root)): _rows(path) for path in tables},
    )


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return [
            {name: value for name, value in row.items() if name not in OF_THE_MOMENT}
            for row in csv.DictReader(file)
        ]


@dataclass
class Figures:
    """One line of the table in docs/reliability.md.

    Attributes:
        fault: What was done.
        setup: Executor, dispatch and databases.
        began: When the run was triggered, by the monotonic clock.
        took_s: From then to the end of the run, clearing included.
        in_flight: Calls that the provider had got and whose answer was not on the disk right after
            the fault.
        sent: Calls that the provider has got in all.
        refused: Of these, what it answered with an error, or not at all while it was down.
        answered: Answers that it has sent.
        twice: Calls that it has answered more than once.
        clears: How often "clear only failed" was needed.
        lost: Response files that are missing or are not what the model had said.
        differing: Tables that differ from those of the undisturbed run.
    """

    fault: str
    setup: str
    began: float = 0.0
    took_s: float = 0.0
    in_flight: int = 0
    sent: int = 0
    refused: int = 0
    answered: int = 0
    twice: int = 0
    clears: int = 0
    lost: int = CALLS
    differing: list[str] = field(default_factory=list)

    @property
    def sent_again(self) -> int:
        """Calls beyond one per cell, without those that the provider refused."""
        return self.sent - self.refused - CALLS


def differing_tables(found: Results, wanted: Results) -> list[str]:
    """Paths of tables that are in one only, or whose rows differ."""
    paths = found.tables.keys() | wanted.tables.keys()
    return sorted(path for path in paths if found.tables.get(path) != wanted.tables.get(path))


def lost_answers(found: Results, wanted: Results) -> int:
    """Response files that are missing, not whole, or not planned."""
    paths = found.answers.keys() | wanted.answers.keys()
    return sum(found.answers.get(path) != wanted.answers.get(path) for path in paths)
