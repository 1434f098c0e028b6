"""How the verdicts of an experiment are read, where that was changed after its runs had begun.

A run's frozen inputs say how its verdicts are read. ``daydreaming rescore`` changes that for a whole
experiment by a row of ``02_tasks/<experiment_id>/scoring.csv``: the last row of a template counts, for
the runs that there are and for those to come, and the earlier rows say how it was read before. Standard
library only: every task instance imports this.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from daydreaming.errors import DaydreamingError, StoreError
from daydreaming.inputs.records import Template
from daydreaming.objects.path import ObjectPath
from daydreaming.parsing.score import Scale, require_score_parser
from daydreaming.settings import Settings
from daydreaming.store.files import DataRoot

COLUMNS = ("evaluation_template", "parser", "score_min", "score_max", "since")


@dataclass(frozen=True)
class Scoring:
    """How the verdicts on one evaluation template are read.

    Attributes:
        since: When it was decided.
    """

    evaluation_template: str
    parser: str
    score_min: float
    score_max: float
    since: datetime

    def applied_to(self, template: Template) -> Template:
        """The template, read so: its text, and with it every prompt, stays."""
        return replace(template, parser=self.parser, score_min=self.score_min, score_max=self.score_max)


@dataclass(frozen=True)
class _Stored:
    """What the file holds: every row, and the last one of each template."""

    listed: tuple[Scoring, ...] = ()
    current: Mapping[str, Scoring] = field(default_factory=dict)


def scoring_file(settings: Settings, experiment_id: str) -> Path:
    """Where an experiment's scorings are; the file is missing where nothing was ever read anew."""
    return DataRoot(settings.data_root).tasks(experiment_id) / "scoring.csv"


def all_scorings(settings: Settings, experiment_id: str) -> tuple[Scoring, ...]:
    """Every scoring that was ever decided for an experiment, oldest first.

    Raises:
        StoreError: The file cannot be read.
    """
    return _stored(settings, experiment_id).listed


def current_scoring(settings: Settings, experiment_id: str) -> Mapping[str, Scoring]:
    """The scoring that counts now, by evaluation template; without those that keep the frozen one.

    It is looked up with each use, so that a process that runs already sees a change.

    Raises:
        StoreError: The file cannot be read.
    """
    return _stored(settings, experiment_id).current


def scorings_csv(scorings: Iterable[Scoring]) -> str:
    """The text of the file."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(
        (s.evaluation_template, s.parser, _number(s.score_min), _number(s.score_max), s.since.isoformat())
        for s in scorings
    )
    return buffer.getvalue()


def _number(value: float) -> str:
    return repr(float(value)).removesuffix(".0")


def _stored(settings: Settings, experiment_id: str) -> _Stored:
    path = scoring_file(settings, experiment_id)
    try:
        if isinstance(path, ObjectPath):
            # Read with each use: to ask for its version would be a request as well.
            return _parse(path, path.read_text(encoding="utf-8"))
        found = path.stat()
    except FileNotFoundError:
        return _Stored()
    except UnicodeDecodeError as error:
        raise _unreadable(path, error) from error
    # It is written whole under a new name: another file has another inode.
    return _read(path, (found.st_ino, found.st_mtime_ns, found.st_size))


@lru_cache(maxsize=64)
def _read(path: Path, _version: tuple[int, int, int]) -> _Stored:
    try:
        return _parse(path, path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, error) from error


def _parse(path: Path, text: str) -> _Stored:
    try:
        records = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        raise _unreadable(path, error) from error
    if not records or tuple(records[0]) != COLUMNS:
        got = ",".join(records[0]) if records else "an empty file"
        raise StoreError(
            f"{path}, line 1: the columns must be {','.join(COLUMNS)}; got {got}. Restore it from a backup."
        )
    scorings = tuple(_scoring(path, line, record) for line, record in enumerate(records[1:], 2) if record)
    return _Stored(scorings, {scoring.evaluation_template: scoring for scoring in scorings})


def _unreadable(path: Path, error: Exception) -> StoreError:
    return StoreError(f"{path}: cannot be read ({error}). Restore it from a backup.")


def _scoring(path: Path, line: int, record: Sequence[str]) -> Scoring:
    try:
        template_id, parser, score_min, score_max, since = record
        require_score_parser(parser)
        scale = Scale(float(score_min), float(score_max))
        return Scoring(template_id, parser, scale.minimum, scale.maximum, datetime.fromisoformat(since))
    except (ValueError, DaydreamingError) as error:
        raise StoreError(
            f"{path}, line {line}: no scoring ({error}); got {','.join(record)!r}. Correct the line: "
            f"{','.join(COLUMNS)}."
        ) from error
