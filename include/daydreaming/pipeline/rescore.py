"""Read the stored verdicts of an experiment anew: another parser or scale, and no call."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from daydreaming.errors import InputError
from daydreaming.inputs.records import Template
from daydreaming.inputs.wording import did_you_mean, listed
from daydreaming.parsing.score import Scale, require_score_parser
from daydreaming.pipeline.call import CellCall, open_calls
from daydreaming.pipeline.experiments import choose_experiments
from daydreaming.pipeline.outdated import outdated_ids
from daydreaming.pipeline.rows import read_score
from daydreaming.pipeline.scoring import Scoring, all_scorings, scoring_file, scorings_csv
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.files import DataRoot, write_whole
from daydreaming.store.plans import cells_of_experiment
from daydreaming.store.turns import hold_turn


@dataclass(frozen=True)
class Tally:
    """Scores of one template, read in one way."""

    scored: int
    mean: float | None


@dataclass(frozen=True)
class Rescored:
    """What became of the verdicts on one evaluation template.

    Attributes:
        scoring: How they are read now.
        read_before: How they were read, such as ``strict on 0-9``; several where runs differ.
        verdicts: Stored answers of judges that the experiment counts.
        changed: Verdicts whose score is another now, or is there now, or is gone.
    """

    scoring: Scoring
    read_before: tuple[str, ...]
    verdicts: int
    before: Tally
    after: Tally
    changed: int

    @property
    def evaluation_template(self) -> str:
        """The template."""
        return self.scoring.evaluation_template

    @property
    def read_now(self) -> str:
        """As ``read_before``."""
        return f"{self.scoring.parser} on {Scale(self.scoring.score_min, self.scoring.score_max)}"


def rescore(
    settings: Settings,
    experiment_id: str,
    template_ids: Sequence[str],
    parser: str | None,
    scale: str | None,
    *,
    now: datetime,
    dry_run: bool = False,
) -> list[Rescored]:
    """Read verdicts anew and bring all tables of the experiment up to date; nothing is called.

    The reading holds for all runs of the experiment, those to come included, until the next rescore.

    Args:
        settings: The deployment's settings.
        experiment_id: Whose verdicts.
        template_ids: Evaluation templates; empty for all of the experiment.
        parser: None for the present one; where ``scale`` is None too, for that of
            ``evaluation_templates.csv``.
        scale: Such as ``0-9``; None likewise.
        now: When it is decided.
        dry_run: Say what would come out, and write nothing.

    Returns:
        One for each template.

    Raises:
        InputError: Unknown experiment, template or parser, or no scale of this parser; nothing is changed.
    """
    choose_experiments(settings, experiment_id)
    calls = _calls(settings, experiment_id)
    chosen = _chosen(experiment_id, calls, template_ids)
    wanted = _wanted(settings, {name: calls[name] for name in chosen}, parser, scale, now)
    outcomes = [_outcome(calls[scoring.evaluation_template], scoring) for scoring in wanted]
    if not dry_run:
        _write(settings, experiment_id, calls, wanted)
    return outcomes


def _calls(settings: Settings, experiment_id: str) -> dict[str, list[CellCall]]:
    """Evaluations of an experiment by template, without those whose stored answer is outdated."""
    planned = cells_of_experiment(engine_for(settings), experiment_id, "evaluation")
    outdated = outdated_ids(settings, experiment_id, "evaluation", planned)
    found: dict[str, list[CellCall]] = {}
    for cell_id, call in open_calls(settings, experiment_id, planned).items():
        listed_calls = found.setdefault(call.planned_template.template_id, [])
        if cell_id not in outdated:
            listed_calls.append(call)
    return found


def _chosen(experiment_id: str, calls: Mapping[str, object], template_ids: Sequence[str]) -> list[str]:
    problems = [
        f"experiment {experiment_id} has no evaluation template {name!r}.{did_you_mean(name, calls)} "
        f"It has {listed(calls)}."
        for name in template_ids
        if name not in calls
    ]
    if not calls:
        problems = [f"experiment {experiment_id} has no evaluation yet, so there is no verdict to read."]
    if problems:
        raise InputError(problems)
    return [name for name in calls if name in template_ids or not template_ids]


def _wanted(
    settings: Settings,
    calls: Mapping[str, Sequence[CellCall]],
    parser: str | None,
    scale: str | None,
    now: datetime,
) -> list[Scoring]:
    if parser is None and scale is None:
        return _from_inputs(settings, list(calls), now)
    if parser is not None:
        require_score_parser(parser)
    limits = None if scale is None else Scale.parse(scale)
    return [_changed(name, _present(name, calls[name]), parser, limits, now) for name in calls]


def _from_inputs(settings: Settings, names: Sequence[str], now: datetime) -> list[Scoring]:
    from daydreaming.inputs.templates import read_evaluation_templates

    rows = read_evaluation_templates(settings.inputs_root)
    missing = [name for name in names if name not in rows]
    if missing:
        raise InputError(
            f"evaluation_templates.csv has no {listed(missing)}, so it does not say how to read its "
            "verdicts. Give --parser and --scale, or name other templates with --evaluation-template."
        )
    return [
        Scoring(name, rows[name].parser, rows[name].score_min, rows[name].score_max, now) for name in names
    ]


def _present(name: str, calls: Sequence[CellCall]) -> Template:
    """How a template is read now; where its runs differ, as the newest says."""
    if not calls:
        raise InputError(f"every stored verdict on {name} is stale: there is none to read. See errors.csv.")
    return calls[-1].template


def _changed(name: str, present: Template, parser: str | None, scale: Scale | None, now: datetime) -> Scoring:
    from daydreaming.inputs.templates import check_scoring

    kept = scale or _scale_of(present)
    scoring = Scoring(name, parser or present.parser, kept.minimum, kept.maximum, now)
    try:
        check_scoring(scoring.parser, scoring.score_min, scoring.score_max)
    except ValueError as error:
        raise InputError(f"{name}: {error}") from error
    return scoring


def _outcome(calls: Sequence[CellCall], scoring: Scoring) -> Rescored:
    before: list[float] = []
    after: list[float] = []
    verdicts = changed = 0
    for old, new in _readings(calls, scoring):
        verdicts += 1
        changed += old != new
        before += [] if old is None else [old]
        after += [] if new is None else [new]
    said = dict.fromkeys(_described(call.template) for call in calls)
    return Rescored(scoring, tuple(said), verdicts, _tally(before), _tally(after), changed)


def _readings(calls: Sequence[CellCall], scoring: Scoring) -> Iterator[tuple[float | None, float | None]]:
    """Each stored verdict's score before and after."""
    if not calls:
        return
    answered = calls[0].files.answered_ids("evaluation")
    for call in calls:
        if call.cell.cell_id in answered:
            text, template = call.files.read_response("evaluation", call.cell.cell_id), call.template
            yield read_score(text, template)[0], read_score(text, scoring.applied_to(template))[0]


def _tally(scores: Sequence[float]) -> Tally:
    return Tally(len(scores), math.fsum(scores) / len(scores) if scores else None)


def _described(template: Template) -> str:
    return f"{template.parser} on {_scale_of(template)}"


def _scale_of(template: Template) -> Scale:
    if template.score_min is None or template.score_max is None:
        raise ValueError("an evaluation template has a scale")
    return Scale(template.score_min, template.score_max)


def _write(
    settings: Settings, experiment_id: str, calls: Mapping[str, Sequence[CellCall]], wanted: Sequence[Scoring]
) -> None:
    from daydreaming.pipeline.tables import write_all_tables
    from daydreaming.store.migrate import upgrade_database

    upgrade_database(settings)
    lock = DataRoot(settings.data_root).tasks(experiment_id) / ".lock"
    with hold_turn(lock, settings.results_conn):
        known = all_scorings(settings, experiment_id)
        new = [s for s in wanted if not _is_read_so(calls[s.evaluation_template], s)]
        if new:
            write_whole(scoring_file(settings, experiment_id), scorings_csv([*known, *new]))
    # Also where nothing is new: an earlier rescore may have been interrupted here.
    write_all_tables(settings, experiment_id)


def _is_read_so(calls: Sequence[CellCall], scoring: Scoring) -> bool:
    return all(scoring.applied_to(call.template) == call.template for call in calls)
