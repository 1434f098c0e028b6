"""Verify a data root: derive everything from the files again and compare. Nothing is written or sent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from daydreaming.errors import StoreError
from daydreaming.inputs.records import Stage
from daydreaming.inputs.snapshot import Inputs
from daydreaming.pipeline.call import CellCall
from daydreaming.pipeline.cut_off import refuse_half_restored
from daydreaming.pipeline.experiments import choose_experiments, has_results
from daydreaming.pipeline.refresh import ExperimentRows
from daydreaming.pipeline.shared_cells import SharedCells, find_shared_cells
from daydreaming.pipeline.verify_answers import SeenAnswers, StageAnswers, check_answers
from daydreaming.pipeline.verify_files import check_combo_mappings, check_files, count_files
from daydreaming.pipeline.verify_findings import Finding, Kind, Report
from daydreaming.pipeline.verify_ratings import check_ratings
from daydreaming.pipeline.verify_rows import check_members, check_own_readings, check_readings
from daydreaming.pipeline.verify_runs import (
    check_concept_texts,
    check_recorded,
    check_runs,
    read_frozen_inputs,
)
from daydreaming.pipeline.verify_tables import check_cross_tables, check_tables
from daydreaming.settings import Settings
from daydreaming.store.cell_ids import planned_ids, response_ids
from daydreaming.store.database import engine_for
from daydreaming.store.files import DataRoot
from daydreaming.store.plans import (
    PlannedCell,
    cells_of_experiment,
    combinations_of_experiment,
    runs_of_experiment,
)
from daydreaming.store.results import read_responses, refused_as_stale

_STAGES: tuple[Stage, ...] = ("generation", "evaluation")


class Progress(Protocol):
    """Who shows how far a check is."""

    def start(self, what: str, total: int) -> None:
        """A part begins, of so many steps."""

    def advance(self) -> None:
        """One step of it is done."""


class Silent:
    """Shows nothing."""

    def start(self, what: str, total: int) -> None:
        """Nothing."""

    def advance(self) -> None:
        """Nothing."""


def verify(
    settings: Settings, experiment_ids: Sequence[str] = (), progress: Progress | None = None
) -> Report:
    """Check experiments, and what belongs to all of them; reads only.

    Args:
        settings: The deployment's settings.
        experiment_ids: Which experiments; all where none is named.
        progress: Who is told how far it is.

    Raises:
        InputError: No experiment of such an ID was started; or a restore of a backup is not done.
    """
    refuse_half_restored(settings)
    wanted: Sequence[str | None] = experiment_ids or [None]
    chosen = dict.fromkeys(name for one in wanted for name in choose_experiments(settings, one))
    report, seen, shown = Report(), SeenAnswers(), progress or Silent()
    for experiment_id in chosen:
        report.add(_Check(settings, experiment_id, seen, report, shown).findings())
    report.add(_check_root(settings, report, shown))
    return report


def _check_root(settings: Settings, report: Report, progress: Progress) -> Iterator[Finding]:
    files, known = DataRoot(settings.data_root), has_results(settings)
    progress.start("all experiments", 2)
    planned, rows = (
        {stage: read(engine_for(settings), stage) if known else set[str]() for stage in _STAGES}
        for read in (planned_ids, response_ids)
    )
    report.checked["files"] += count_files(files)
    yield from check_files(files, planned, rows)
    yield from check_recorded(settings)
    yield from check_ratings(settings)
    progress.advance()
    if known:
        yield from check_combo_mappings(settings)
        yield from _counted(check_cross_tables(settings), report)
    progress.advance()


def _counted(tables: Iterable[Finding | None], report: Report) -> Iterator[Finding]:
    for finding in tables:
        report.checked["tables"] += 1
        if finding:
            yield finding


@dataclass
class _Check:
    """The check of one experiment."""

    settings: Settings
    experiment_id: str
    seen: SeenAnswers
    report: Report
    progress: Progress
    calls: dict[Stage, dict[str, CellCall]] = field(default_factory=dict)
    found: dict[Stage, StageAnswers] = field(default_factory=dict)
    outdated: dict[Stage, set[str]] = field(default_factory=dict)

    def findings(self) -> Iterator[Finding]:
        """Everything that is found; read once."""
        try:
            yield from self._findings()
        except StoreError as error:
            # What the rest goes by: frozen inputs of an experiment that shares cells, a decided scoring.
            yield Finding(Kind.UNREADABLE, f"experiment {self.experiment_id}", str(error), self.experiment_id)

    def _findings(self) -> Iterator[Finding]:
        self.report.checked["experiments"] += 1
        yield from check_runs(self.settings, self.experiment_id)
        inputs: dict[str, Inputs] = {}
        yield from read_frozen_inputs(self.settings, self.experiment_id, inputs)
        yield from check_concept_texts(self.settings, self.experiment_id, inputs)
        is_whole = True
        for stage in _STAGES:
            planned = cells_of_experiment(engine_for(self.settings), self.experiment_id, stage)
            self.calls[stage] = self._calls(planned, inputs)
            is_whole &= len(self.calls[stage]) == len(planned)
            yield from self._check_stage(stage, planned)
            is_whole &= not self.found[stage].unreadable
        yield from _served(self.experiment_id, self.seen)
        if is_whole and self._has_begun():
            self.progress.start(f"{self.experiment_id}: tables", 1)
            yield from _counted(check_tables(self.settings, self.experiment_id, self._rows()), self.report)
            self.progress.advance()

    def _calls(
        self, planned: Mapping[str, tuple[str, PlannedCell]], inputs: Mapping[str, Inputs]
    ) -> dict[str, CellCall]:
        """Planned calls whose frozen inputs can be read; what cannot is found already."""
        engine = engine_for(self.settings)
        runs = {run.run_id: run for run in runs_of_experiment(engine, self.experiment_id)}
        combinations = combinations_of_experiment(engine, self.experiment_id)
        concepts = {combination.combo_id: combination.concept_ids for combination in combinations}
        unknown = sorted({cell.combo_id for _, cell in planned.values()} - concepts.keys())
        if unknown:
            raise StoreError(
                f"{len(unknown)} combinations are planned and not in the table combinations, first "
                f"{unknown[0]}: nothing more of it is checked. `daydreaming rebuild` makes it of the files."
            )
        return {
            cell_id: CellCall(self.settings, runs[run_id], inputs[run_id], cell, concepts[cell.combo_id])
            for cell_id, (run_id, cell) in planned.items()
            if run_id in inputs
        }

    def _check_stage(self, stage: Stage, planned: Mapping[str, tuple[str, PlannedCell]]) -> Iterator[Finding]:
        settings, name, found = self.settings, self.experiment_id, StageAnswers()
        self.found[stage] = found
        answered = DataRoot(settings.data_root).answered_ids(stage)
        calls = {cell_id: call for cell_id, call in self.calls[stage].items() if cell_id in answered}
        rows = {row[f"{stage}_task_id"]: row for row in read_responses(engine_for(settings), stage, calls)}
        shared = find_shared_cells(settings, name, stage, planned) if calls else SharedCells()
        self.progress.start(f"{name}: {stage}s", len(calls))
        yield from check_answers(calls, rows, shared.owners, self.seen, found, self.progress.advance)
        self.report.checked[f"{stage}s"] += len(calls)
        yield from _recordless(name, stage, found)
        refused = found.stale & refused_as_stale(engine_for(settings), name, stage)
        self.outdated[stage] = refused | found.lost_essay
        counted = found.rows.keys() - self.outdated[stage]
        is_whole = len(self.calls[stage]) == len(planned) and not found.unreadable
        yield from check_members(settings, name, stage, counted, is_whole)
        if stage == "evaluation":
            yield from check_readings(settings, name, calls, found.stored, shared)
            yield from check_own_readings(settings, name, found.rows, found.stored)

    def _has_begun(self) -> bool:
        """Whether there is an answer or a table: a run that only estimated, or waits, has neither."""
        tables = DataRoot(self.settings.data_root).parsing(self.experiment_id)
        return tables.exists() or any(found.rows for found in self.found.values())

    def _rows(self) -> ExperimentRows:
        rows: dict[Stage, dict[str, dict[str, Any]]] = {
            stage: {k: row for k, row in self.found[stage].rows.items() if k not in self.outdated[stage]}
            for stage in _STAGES
        }
        return ExperimentRows(self.calls, rows, self.outdated)


def _recordless(experiment_id: str, stage: Stage, found: StageAnswers) -> Iterator[Finding]:
    if found.recordless:
        detail = f"{found.recordless} have no record: whether they are stale cannot be told"
        yield Finding(Kind.NO_RECORD, f"{stage} responses", detail, experiment_id)


def _served(experiment_id: str, seen: SeenAnswers) -> Iterator[Finding]:
    for (asked, returned), count in sorted(seen.served.items()):
        detail = f"{count} answers came from {returned}"
        yield Finding(Kind.OTHER_MODEL, f"model {asked}", detail, experiment_id)
    seen.served.clear()
