"""Runs that generate nothing: they judge the essays that their experiment has.

Which essays these are is decided once, when the run is planned, and written beside the record of the run:
what lands meanwhile, or is deleted, changes nothing in its plan. Those that are left out are in it too.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daydreaming.design.cells import Generation
from daydreaming.errors import EssayParseError, InputError, StoreError
from daydreaming.inputs.snapshot import Inputs
from daydreaming.pipeline.call import CellCall, essay_as_stored, open_calls
from daydreaming.pipeline.experiments import choose_experiments
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.files import write_new
from daydreaming.store.plans import RunRecord, cells_of_experiment, runs_of_experiment
from daydreaming.store.run_files import RunFiles, file_name

if TYPE_CHECKING:
    from daydreaming.inputs.params import ExperimentParams

#: Of an earlier run, what a new one does not take over: a cap stays anyway, and is not lowered again.
_OF_ONE_RUN = frozenset({"max_cost_usd", "dry_run", "rejudge", "schedule"})
_LEFT_OUT = "left_out"
_COLUMNS = (*Generation._fields, _LEFT_OUT)
NO_RESPONSE = "no response"
NO_ESSAY = "no essay found in the response"
#: IDs that a line names; the file names all.
_SHOWN = 3


@dataclass(frozen=True)
class Essays:
    """The essays that a run judges.

    Attributes:
        chosen: Their generations, in the order in which they were planned.
        left_out: Why a generation has none to judge, by ID.
    """

    chosen: tuple[Generation, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)

    def lines(self) -> list[str]:
        """What a person should know."""
        ids: dict[str, list[str]] = {}
        for generation_id, why in self.left_out.items():
            ids.setdefault(why, []).append(generation_id)
        return [
            f"Nothing is generated: {len(self.chosen):,} stored essays are judged",
            *(f"Left out, {why}: {len(found):,} generations ({_named(found)})" for why, found in ids.items()),
        ]


def _named(ids: Sequence[str]) -> str:
    return ", ".join([*ids[:_SHOWN], *(["…"] if len(ids) > _SHOWN else [])])


def rejudges(params: Mapping[str, Any]) -> bool:
    """Whether a run of these parameters generates nothing."""
    return bool(params.get("rejudge"))


def earlier_params(
    settings: Settings, overrides: Mapping[str, Any], params: ExperimentParams
) -> dict[str, Any]:
    """What a run that only judges takes over from the experiment's latest run that generated.

    Args:
        settings: The deployment's settings.
        overrides: As given.
        params: What they and the saved experiment say without it.

    Raises:
        InputError: No experiment is named, or there is none of this name; or a parameter is given that
            says what to generate.
    """
    from daydreaming.inputs.params import GENERATION_PARAMS, given_params

    experiment_id = params.experiment_id or params.experiment
    if experiment_id is None:
        raise InputError(
            "rejudge needs experiment_id: the experiment whose essays are to be judged. Name it, or leave "
            "rejudge out."
        )
    useless = [name for name in GENERATION_PARAMS if name in given_params(overrides)]
    if useless:
        raise InputError(
            [
                f"{name} says what to generate, and a run with rejudge generates nothing. Leave it out, or "
                "start a run without rejudge."
                for name in useless
            ]
        )
    choose_experiments(settings, experiment_id)
    runs = runs_of_experiment(engine_for(settings), experiment_id)
    generated = [run for run in runs if not rejudges(run.params)]
    latest = generated[-1].params if generated else {}
    known = type(params).model_fields.keys() - _OF_ONE_RUN
    return {name: value for name, value in latest.items() if name in known and value is not None}


def essays_of_run(settings: Settings, run: RunRecord) -> Essays:
    """The essays that a run judges: chosen when first asked for, and the same ever after.

    Raises:
        InputError: The experiment has no essay.
        StoreError: The list cannot be read.
    """
    path = _path(settings, run)
    if not path.exists():
        # Both stages are planned at once; whose list comes first holds for both.
        write_new(path, _csv(stored_essays(settings, run.experiment_id)))
    return _read(path)


def essays_of_inputs(settings: Settings, inputs: Inputs) -> Essays:
    """The essays that a run of some inputs would judge; writes nothing.

    Raises:
        InputError: The experiment has no essay.
    """
    params = inputs.params
    return stored_essays(settings, str(params.get("experiment_id") or params.get("experiment")))


def stored_essays(settings: Settings, experiment_id: str) -> Essays:
    """The essays that an experiment has, whatever became of the templates that they were made with.

    Raises:
        InputError: It has none.
    """
    planned = cells_of_experiment(engine_for(settings), experiment_id, "generation")
    calls = open_calls(settings, experiment_id, planned)
    why = {cell_id: _why_left_out(call) for cell_id, call in calls.items()}
    left_out = {cell_id: reason for cell_id, reason in why.items() if reason}
    chosen = tuple(call.cell.as_generation() for cell_id, call in calls.items() if not why[cell_id])
    if not chosen:
        counts = Counter(left_out.values())
        told = ", ".join(f"{count} with {reason}" for reason, count in counts.items()) or "none planned"
        raise InputError(
            f"experiment {experiment_id} has no essay to judge (generations: {told}). Run it without rejudge."
        )
    return Essays(chosen, left_out)


def _why_left_out(generation: CellCall) -> str:
    if not generation.files.is_answered("generation", generation.cell.cell_id):
        return NO_RESPONSE
    try:
        essay_as_stored(generation)
    except EssayParseError:
        return NO_ESSAY
    return ""


def _path(settings: Settings, run: RunRecord) -> Path:
    planner = run.parent_run_id or run.run_id
    return RunFiles.of(settings.data_root, run.experiment_id).folder / f"{file_name(planner)}.essays.csv"


def _csv(essays: Essays) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows((*essay, "") for essay in essays.chosen)
    blank = [""] * (len(Generation._fields) - 1)
    writer.writerows((cell_id, *blank, why) for cell_id, why in essays.left_out.items())
    return buffer.getvalue()


def _read(path: Path) -> Essays:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            header, *records = csv.reader(file, strict=True)
        if tuple(header) != _COLUMNS:
            raise ValueError(f"the columns must be {','.join(_COLUMNS)}")
        rows = [dict(zip(_COLUMNS, record, strict=True)) for record in records]
        return Essays(
            tuple(_listed(row) for row in rows if not row[_LEFT_OUT]),
            {row["generation_task_id"]: row[_LEFT_OUT] for row in rows if row[_LEFT_OUT]},
        )
    except (OSError, ValueError, csv.Error) as error:
        raise StoreError(f"{path}: cannot be read ({error}). Restore it from a backup.") from error


def _listed(row: Mapping[str, str]) -> Generation:
    texts = {name: row[name] for name in Generation._fields if name != "replicate"}
    return Generation(**texts, replicate=int(row["replicate"]))
