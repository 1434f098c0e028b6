"""Import a data folder of the Dagster original, as it is, as one experiment.

Not a byte of an answer changes, none is overwritten, and none is placed on a guess. An answer that
is imported has no request hash, so that it is never stale.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from daydreaming.design.combinations import Combination
from daydreaming.errors import InputError
from daydreaming.inputs.legacy import LegacyFolder, read_legacy
from daydreaming.inputs.legacy_layout import Unplaced
from daydreaming.inputs.records import Stage
from daydreaming.pipeline.import_cells import CellFinder
from daydreaming.pipeline.import_combos import combination_to_record, known_combinations, unexplained_answers
from daydreaming.pipeline.import_essays import KeptEssays, choose_parsers, keep_essays
from daydreaming.pipeline.import_ids import ModelId
from daydreaming.pipeline.import_parsers import TemplateParser, read_our_tables
from daydreaming.pipeline.import_report import ImportReport, count_kinds
from daydreaming.pipeline.import_run import index_answers, plan_import
from daydreaming.pipeline.import_survey import Found, Survey, read_bytes
from daydreaming.settings import Settings
from daydreaming.store.files import DataRoot, write_whole
from daydreaming.store.plans import PlannedCell, RunRecord

DEFAULT_EXPERIMENT_ID = "legacy"


def import_legacy(
    settings: Settings,
    root: Path,
    *,
    now: datetime,
    experiment_id: str = DEFAULT_EXPERIMENT_ID,
    dry_run: bool = False,
) -> ImportReport:
    """Copy a data folder of the original into the data root, with rows and tables.

    Importing the same folder again changes nothing.

    Args:
        settings: The deployment's settings.
        root: The folder; nothing is written there.
        now: Time of the import.
        experiment_id: The experiment that it becomes, or is added to.
        dry_run: Say what would be done, and write nothing.

    Raises:
        InputError: No such folder, nothing of the original in it, a bad ID, or our tables are broken.
        StoreError: What is in the data root cannot be read.
    """
    _check_arguments(settings, root, experiment_id)
    ours = read_our_tables(settings.inputs_root)
    folder = read_legacy(root)
    known = known_combinations(settings)
    survey = Survey(
        CellFinder(folder, ours.names),
        DataRoot(settings.data_root, settings.results_conn),
        known,
        unexplained_answers(settings, known),
    )
    survey.look()
    parsers = choose_parsers(survey, ours)
    by_template = {p.template_id: p.parser for p in parsers if p.stage == "generation"}
    essays = keep_essays(survey, by_template)
    found = [item for item in survey.found if item.file.kind != "essay"] + list(essays.kept)
    late = [] if dry_run else _write(settings, survey, experiment_id, found, parsers, now)
    unplaced = [*folder.problems, *survey.unplaced, *essays.unplaced, *late]
    lost = {problem.file for problem in late}
    return ImportReport(
        experiment_id=experiment_id,
        dry_run=dry_run,
        counts=tuple(
            count_kinds(
                (f.file.kind for f in found if not f.is_there and f.file.relative not in lost),
                (f.file.kind for f in found if f.is_there),
                unplaced,
            )
        ),
        unplaced=tuple(unplaced),
        models=_renamed_models(survey),
        parsers=parsers,
        notes=tuple(_notes(survey, essays)),
    )


def _check_arguments(settings: Settings, root: Path, experiment_id: str) -> None:
    from daydreaming.inputs.params import resolve_params

    if not experiment_id:
        raise InputError("--experiment-id must not be empty. Name an experiment, or leave it out.")
    resolve_params({"experiment_id": experiment_id}, settings.inputs_root / "experiments")
    if root.exists() and root.resolve() == settings.data_root.resolve():
        raise InputError(
            f"{root} is the data root itself. Move the folder of the original elsewhere, or set "
            "DAYDREAMING_DATA_ROOT to another folder."
        )


def _write(
    settings: Settings,
    survey: Survey,
    experiment_id: str,
    found: Sequence[Found],
    parsers: Sequence[TemplateParser],
    now: datetime,
) -> list[Unplaced]:
    """Plan first, then files, then rows: a crash leaves calls that wait, and the next import goes on."""
    cells = _cells(survey)
    folder = survey.finder.folder
    combinations = _combinations(survey, cells["generation"])
    run = None
    if cells["generation"]:
        run = plan_import(settings, folder, experiment_id, cells, parsers, combinations, now)
    late = [item for item in found if not item.is_there and not _place(survey, item, run, now)]
    if run:
        essays = {item.cell.cell_id for item in found if item.file.kind == "essay"}
        index_answers(settings, run, cells, essays)
    reason = "another process wrote it meanwhile. Import again."
    return [Unplaced(item.file.kind, item.file.relative, reason) for item in late]


def _cells(survey: Survey) -> dict[Stage, list[PlannedCell]]:
    cells: dict[Stage, list[PlannedCell]] = {"generation": [], "evaluation": []}
    for (stage, _), found in sorted(survey.answers.items()):
        cells[stage].append(found.cell)
    return cells


def _combinations(survey: Survey, generations: Iterable[PlannedCell]) -> list[Combination]:
    theirs = survey.finder.folder.combinations
    ids = sorted({cell.combo_id for cell in generations})
    return [combination_to_record(i, theirs.get(i), survey.known.get(i)) for i in ids]


def _place(survey: Survey, found: Found, run: RunRecord | None, now: datetime) -> bool:
    """Write one file; False where another process wrote an answer of that ID meanwhile."""
    text = read_bytes(found.file.path).decode()
    if run and found.file.kind in ("generation_response", "evaluation_response"):
        record = _record(found, run, now)
        return survey.files.write_response(found.cell.stage, found.cell.cell_id, text, record)
    write_whole(found.target, text, durable=False)
    return True


def _record(found: Found, run: RunRecord, now: datetime) -> dict[str, Any]:
    """What is known of how the answer came to be: no request, so no request hash."""
    changed = datetime.fromtimestamp(found.file.path.stat().st_mtime, UTC)
    return {
        "stage": found.cell.stage,
        "cell_id": found.cell.cell_id,
        "experiment_id": run.experiment_id,
        "run_id": run.run_id,
        "imported_from": found.file.relative,
        "imported_id": found.file.legacy_id,
        "imported_at": now.isoformat(),
        "model_id": found.cell.model_id,
        "model_requested": found.cell.model_name or None,
        # As the original's own tables have it.
        "ended_at": changed.isoformat(),
    }


def _renamed_models(survey: Survey) -> tuple[ModelId, ...]:
    return tuple(sorted(survey.finder.renamed.values(), key=lambda model: model.legacy))


def _notes(survey: Survey, essays: KeptEssays) -> list[str]:
    folder: LegacyFolder = survey.finder.folder
    cells = [found.cell for found in survey.answers.values()]
    unknown = sum(not c.concept_ids for c in _combinations(survey, cells))
    listed = {f.legacy_id for f in folder.layout.files if f.kind.endswith("_response")}
    tasks = {*folder.tasks.generations, *folder.tasks.evaluations}
    notes = [
        (unknown, "combinations are imported without their concepts: no table of the folder names them."),
        (essays.differing, "essays are kept as the original cut them; our parser would cut them otherwise."),
        (len(tasks - listed), "rows of the task tables have no response: they are not planned here."),
    ]
    return [f"{count} {text}" for count, text in notes if count]
