"""The verdicts on one essay: all of them in short, and some with their texts."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from daydreaming.analysis.disagreement import sd_over_judges
from daydreaming.errors import DaydreamingError, ScoreParseError, StoreError
from daydreaming.parsing.score import LocatedScore, Scale, locate_score
from daydreaming.pipeline.cell_states import CellState, cell_states
from daydreaming.pipeline.shown_prompts import ShownPrompt, shown_prompt
from daydreaming.pipeline.shown_texts import ShownText, shown_verdict
from daydreaming.settings import Settings
from daydreaming.store.cell_queries import read_planned_verdicts
from daydreaming.store.database import engine_for
from daydreaming.store.files import DataRoot
from daydreaming.store.plans import PlannedCell
from daydreaming.store.scores import read_scores, scale_text


@dataclass(frozen=True)
class Verdict:
    """One planned evaluation of an essay.

    Attributes:
        number: Among all of the essay, from 1.
        run_id: The run that planned it last; ``cell.map_index`` is its instance there.
    """

    number: int
    run_id: str
    cell: PlannedCell
    state: CellState

    @property
    def score(self) -> float | None:
        """Points; None where it is unscored or not answered."""
        return self.state.row["score"] if self.state.is_answered and self.state.row else None


@dataclass(frozen=True)
class Summary:
    """Scores of an essay.

    Attributes:
        scored: How many there are.
        mean: Of all of them; None where there is none.
        sd: Over the judges, of each one's mean (n − 1); None below two judges.
        as_share: Whether they are shares of the rubrics' ranges, because these differ.
    """

    planned: int
    answered: int
    scored: int
    mean: float | None
    sd: float | None
    as_share: bool
    score_min: float | None
    score_max: float | None


@dataclass(frozen=True)
class VerdictText:
    """A verdict with its words.

    Attributes:
        note: What a reader must know of the text and its score; empty where there is nothing.
        readings: Scores that it was read as by other parsers, or on other scales.
        prompt: None unless it is asked for.
    """

    verdict: Verdict
    text: ShownText | None
    note: str
    readings: Sequence[Mapping[str, Any]]
    prompt: ShownPrompt | None


def verdicts_on(
    settings: Settings, experiment_id: str, generation_task_id: str, now: datetime
) -> list[Verdict]:
    """All verdicts that are planned on an essay, by rubric, judge and replicate."""
    planned = read_planned_verdicts(engine_for(settings), experiment_id, generation_task_id)
    ids = [one.cell.cell_id for one in planned]
    states = cell_states(settings, experiment_id, "evaluation", ids, now)
    return [
        Verdict(number, one.run_id, one.cell, states[one.cell.cell_id])
        for number, one in enumerate(planned, 1)
    ]


def summarize_scores(verdicts: Sequence[Verdict]) -> Summary:
    """What the scores of an essay come to."""
    rows = [v.state.row for v in verdicts if v.state.is_answered and v.state.row]
    scales = {(row["score_min"], row["score_max"]) for row in rows}
    as_share = len(scales) > 1
    scored = [row for row in rows if row["score"] is not None]
    values = [_share(row) if as_share else row["score"] for row in scored]
    judges = [row["evaluation_model"] for row in scored]
    low, high = next(iter(scales)) if len(scales) == 1 else (None, None)
    return Summary(
        len(verdicts),
        len(rows),
        len(values),
        math.fsum(values) / len(values) if values else None,
        sd_over_judges(zip(judges, values, strict=True)),
        as_share,
        low,
        high,
    )


def with_texts(
    settings: Settings, verdicts: Sequence[Verdict], prompts_of: Collection[str] = ()
) -> list[VerdictText]:
    """Read the texts of some verdicts.

    Args:
        settings: The deployment's settings.
        verdicts: Which.
        prompts_of: IDs of those whose prompt is wanted too.
    """
    files, engine = DataRoot(settings.data_root), engine_for(settings)
    ids = [verdict.cell.cell_id for verdict in verdicts if verdict.state.row]
    readings: dict[str, list[Mapping[str, Any]]] = {}
    for reading in read_scores(engine, ids) if ids else []:
        readings.setdefault(reading["evaluation_task_id"], []).append(reading)
    return [
        _with_text(files, one, readings.get(one.cell.cell_id, ()), one.cell.cell_id in prompts_of)
        for one in verdicts
    ]


def _with_text(
    files: DataRoot, verdict: Verdict, readings: Sequence[Mapping[str, Any]], with_prompt: bool
) -> VerdictText:
    row, cell_id = verdict.state.row, verdict.cell.cell_id
    prompt = None
    if with_prompt:
        prompt = shown_prompt(files, "evaluation", cell_id, row["prompt_sha256"] if row else None)
    if row is None:
        return VerdictText(verdict, None, "", (), prompt)
    try:
        text = files.read_response("evaluation", cell_id)
    except StoreError as error:
        return VerdictText(verdict, ShownText(problem=problem_text(files, error)), "", (), prompt)
    score, note = _locate(text, row)
    others = [reading for reading in readings if not _is_reading_of(reading, row)]
    return VerdictText(verdict, shown_verdict(text, score), note, others, prompt)


def problem_text(files: DataRoot, error: DaydreamingError) -> str:
    """What is wrong with a file, which is named from the data root on."""
    return str(error).replace(f"{files.path}/", "")


def _locate(text: str, row: Mapping[str, Any]) -> tuple[LocatedScore | None, str]:
    """Where the score of a row stands in its text; nowhere, and why, where the text says another."""
    try:
        found = locate_score(text, row["parser"], Scale(row["score_min"], row["score_max"]))
    except ScoreParseError as error:
        return None, "" if row["score"] is None else f"{_CHANGED} It cannot be read any more: {error}"
    except DaydreamingError as error:
        return None, str(error)
    if found.points == row["score"]:
        return found, ""
    return None, f"{_CHANGED} It now says {found.points:g}."


_CHANGED = "The file was changed after its score was read; the next tables will read it again."


def _is_reading_of(reading: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    return (reading["parser"], reading["scale"]) == (
        row["parser"],
        scale_text(row["score_min"], row["score_max"]),
    )


def _share(row: Mapping[str, Any]) -> float:
    return float((row["score"] - row["score_min"]) / (row["score_max"] - row["score_min"]))
