"""Check the rows that hang on responses: the experiments that each serves, the readings of each verdict."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any

from daydreaming.inputs.records import Stage
from daydreaming.pipeline.call import CellCall
from daydreaming.pipeline.own_readings import own_rows
from daydreaming.pipeline.readings import Reading, Readings, readings_of_experiment
from daydreaming.pipeline.rows import read_score
from daydreaming.pipeline.shared_cells import SharedCells
from daydreaming.pipeline.verify_findings import Finding, Kind
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.members import read_members
from daydreaming.store.own_readings import read_own_readings
from daydreaming.store.scores import read_scores, scale_text, score_key, score_row

_CHUNK = 1_000


def check_members(
    settings: Settings, experiment_id: str, stage: Stage, counted: Collection[str], is_whole: bool
) -> Iterator[Finding]:
    """Compare ``experiment_members`` with the responses that this experiment counts.

    Args:
        settings: The deployment's settings.
        experiment_id: The experiment.
        stage: Of the responses.
        counted: Those that were read and are not outdated.
        is_whole: Whether these are all: what cannot be read may be a member all the same.
    """
    known, wanted = read_members(engine_for(settings), experiment_id, stage), set(counted)
    subject = f"database: experiment_members/{experiment_id}/{stage}"
    if missing := sorted(wanted - known):
        detail = f"{len(missing)} responses are missing, first {missing[0]}"
        yield Finding(Kind.ROW_DIFFERS, subject, detail, experiment_id)
    if is_whole and (surplus := sorted(known - wanted)):
        detail = f"{len(surplus)} do not serve this experiment, first {surplus[0]}"
        yield Finding(Kind.ROW_DIFFERS, subject, detail, experiment_id)


def check_readings(
    settings: Settings,
    experiment_id: str,
    calls: Mapping[str, CellCall],
    stored: Mapping[str, Mapping[str, Any]],
    shared: SharedCells,
) -> Iterator[Finding]:
    """Read every verdict again in each way that ``scores`` has, and compare.

    Args:
        settings: The deployment's settings.
        experiment_id: Whose verdicts.
        calls: Answered evaluations by ID.
        stored: Rows of ``evaluations``, derived from the files, by ID.
        shared: Which of them other experiments planned too.
    """
    names = (experiment_id, *sorted(shared.experiments))
    readings = {name: readings_of_experiment(settings, name) for name in names} if stored else {}
    ids = iter(stored)
    while chunk := list(islice(ids, _CHUNK)):
        known = {score_key(score): score for score in read_scores(engine_for(settings), chunk)}
        for cell_id in chunk:
            of = [readings[name] for name in (experiment_id, *shared.others(cell_id))]
            for score in _scores(calls[cell_id], stored[cell_id], of):
                found = known.pop(score_key(score), None)
                if found != score:
                    yield _differs(experiment_id, found, score)
        for left in known.values():
            subject = f"database: scores/{left['evaluation_task_id']}"
            detail = f"a reading by {left['parser']} on {left['scale']} that nothing asks for"
            yield Finding(Kind.ROW_DIFFERS, subject, detail, experiment_id)


def check_own_readings(
    settings: Settings,
    experiment_id: str,
    rows: Mapping[str, Mapping[str, Any]],
    stored: Mapping[str, Mapping[str, Any]],
) -> Iterator[Finding]:
    """Compare what an experiment makes of each verdict with ``own_readings``.

    Args:
        settings: The deployment's settings.
        experiment_id: Whose verdicts.
        rows: Of ``evaluations``, derived from the files as this experiment reads them, by ID.
        stored: The same as the newest run reads them.
    """
    wanted = own_rows(experiment_id, rows, stored)
    found = {
        key: row
        for key, row in read_own_readings(engine_for(settings), stored).items()
        if key[0] == experiment_id
    }
    for key in sorted(wanted.keys() | found.keys()):
        if wanted.get(key) != found.get(key):
            detail = f"is {_shown(found.get(key))}; must be {_shown(wanted.get(key))}"
            yield Finding(Kind.ROW_DIFFERS, f"database: own_readings/{key[1]}", detail, experiment_id)


def _shown(own: Mapping[str, Any] | None) -> str:
    if own is None:
        return "not there"
    return f"{own['score']!r} by {own['parser']} on {scale_text(own['score_min'], own['score_max'])}"


def _scores(call: CellCall, row: Mapping[str, Any], of: Collection[Readings]) -> Iterator[dict[str, Any]]:
    yield score_row(row)
    wanted = {reading for each in of for reading in each.get(row["evaluation_template"], frozenset())}
    others = wanted - {Reading(row["parser"], row["score_min"], row["score_max"])}
    text = call.files.read_response("evaluation", call.cell.cell_id) if others else ""
    for other in others:
        low, high = other.score_min, other.score_max
        template = replace(call.planned_template, parser=other.parser, score_min=low, score_max=high)
        score, error = read_score(text, template)
        read = {"parser": other.parser, "score_min": low, "score_max": high}
        yield score_row({**row, **read, "score": score, "score_error": error})


def _differs(experiment_id: str, found: Mapping[str, Any] | None, wanted: Mapping[str, Any]) -> Finding:
    subject = f"database: scores/{wanted['evaluation_task_id']}"
    read = f"by {wanted['parser']} on {wanted['scale']}"
    if found is None:
        return Finding(Kind.ROW_MISSING, subject, f"no reading {read}", experiment_id)
    name = next(name for name in wanted if found[name] != wanted[name])
    detail = f"{read}: {name} is {found[name]!r}; must be {wanted[name]!r}"
    return Finding(Kind.ROW_DIFFERS, subject, detail, experiment_id)
