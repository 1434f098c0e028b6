"""An import as a run: its cells are planned and indexed as those of any run are.

So `status`, the tables and the rebuilding of rows need not know that no call was made. The run is
named by what it holds: the same folder imported twice is the same run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING

from daydreaming.design.combinations import Combination
from daydreaming.inputs.legacy import LegacyFolder
from daydreaming.inputs.legacy_combos import UNKNOWN_LEVEL
from daydreaming.inputs.records import Stage
from daydreaming.inputs.snapshot import Inputs
from daydreaming.pipeline.call import open_calls, response_row
from daydreaming.pipeline.import_inputs import freeze_inputs
from daydreaming.pipeline.import_parsers import TemplateParser
from daydreaming.pipeline.run_records import record_plan, record_run
from daydreaming.settings import Settings
from daydreaming.store.combo_mappings import append_combo_mappings
from daydreaming.store.database import engine_for
from daydreaming.store.files import DataRoot
from daydreaming.store.imports import write_combinations
from daydreaming.store.input_copy import copy_inputs
from daydreaming.store.plans import (
    PlannedCell,
    RunRecord,
    cells_of_experiment,
    combinations_of_experiment,
)
from daydreaming.store.results import upsert_responses
from daydreaming.store.turns import hold_turn

if TYPE_CHECKING:
    from pathlib import Path

_DIGEST_CHARS = 12
_UPSERT_CHUNK = 500

Cells = Mapping[Stage, Sequence[PlannedCell]]


def plan_import(
    settings: Settings,
    folder: LegacyFolder,
    experiment_id: str,
    cells: Cells,
    parsers: Sequence[TemplateParser],
    combinations: Sequence[Combination],
    now: datetime,
) -> RunRecord:
    """Freeze the inputs, and record run, combinations and plan; done twice, it leaves the same.

    Args:
        settings: The deployment's settings.
        folder: What is imported.
        experiment_id: The experiment that it becomes.
        cells: Answers to import, by stage.
        parsers: Of every template of ``cells``.
        combinations: All of ``cells``.
        now: Time of the run and of new mapping rows.
    """
    from daydreaming.pipeline.cut_off import refuse_half_restored
    from daydreaming.store.migrate import upgrade_database

    refuse_half_restored(settings)
    upgrade_database(settings)
    engine, files = engine_for(settings), DataRoot(settings.data_root)
    inputs = freeze_inputs(folder, experiment_id, cells, parsers, combinations)
    place = files.tasks(experiment_id) / "inputs" / inputs.digest[:_DIGEST_CHARS]
    copy_inputs(inputs, place)
    run = RunRecord(
        _run_id(experiment_id, inputs, cells),
        experiment_id,
        inputs.digest,
        files.relative(place),
        inputs.params,
    )
    run = record_run(settings, run, now)
    write_combinations(engine, combinations)
    explained = [c for c in combinations if c.description_level != UNKNOWN_LEVEL]
    append_combo_mappings(files.combo_mappings(), explained, now, settings.results_conn)
    for stage, listed in cells.items():
        record_plan(settings, run, stage, [replace(c, map_index=i) for i, c in enumerate(listed)])
    _write_task_tables(settings, experiment_id, inputs)
    return run


def index_answers(settings: Settings, run: RunRecord, cells: Cells, with_essay: Collection[str]) -> None:
    """Write the rows of the run's answers, and every table of its experiment.

    Args:
        settings: The deployment's settings.
        run: The import.
        cells: Its cells, by stage.
        with_essay: IDs of generations whose essay is the original's. Their rows come first: an essay is
            cut anew only with a row that changes.
    """
    from daydreaming.pipeline.tables import write_all_tables

    planned = {c.cell_id: (run.run_id, c) for c in cells["generation"] if c.cell_id in with_essay}
    calls = iter(open_calls(settings, run.experiment_id, planned).values())
    while chunk := list(islice(calls, _UPSERT_CHUNK)):
        upsert_responses(engine_for(settings), "generation", [response_row(call)[0] for call in chunk])
    write_all_tables(settings, run.experiment_id)


def _run_id(experiment_id: str, inputs: Inputs, cells: Cells) -> str:
    ids = (f"{stage}/{cell.cell_id}" for stage, listed in cells.items() for cell in listed)
    digest = hashlib.sha256("\n".join([inputs.digest, *ids]).encode()).hexdigest()
    return f"import-{experiment_id}-{digest[:_DIGEST_CHARS]}"


def _write_task_tables(settings: Settings, experiment_id: str, inputs: Inputs) -> None:
    from daydreaming.store.task_tables import write_evaluation_csv, write_generation_csvs

    engine = engine_for(settings)
    folder: Path = DataRoot(settings.data_root).tasks(experiment_id)
    # They show what all runs of the experiment planned, so runs take turns.
    with hold_turn(folder / ".lock", settings.results_conn):
        generations = cells_of_experiment(engine, experiment_id, "generation").values()
        level = inputs.params["description_level"]
        write_generation_csvs(
            folder,
            combinations_of_experiment(engine, experiment_id),
            (cell.as_generation() for _, cell in generations),
            {concept.concept_id: concept.content(level) for concept in inputs.concepts},
        )
        evaluations = cells_of_experiment(engine, experiment_id, "evaluation").values()
        write_evaluation_csv(folder, (cell.as_evaluation() for _, cell in evaluations))
