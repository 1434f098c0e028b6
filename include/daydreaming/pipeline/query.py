"""Find evaluations over all experiments: for ``daydreaming query`` and ``daydream_cross_experiment``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from daydreaming.errors import InputError
from daydreaming.pipeline.experiments import has_results
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.result_queries import CHOICE_COLUMNS, EvaluationFilter, known_values

if TYPE_CHECKING:
    import pandas as pd

FILTER_NAMES: Final = ("experiments", *CHOICE_COLUMNS, "since", "until", "min_score", "max_score")
"""Fields of ``EvaluationFilter``: the names of the DAG's parameters too."""

_LISTS: Final = ("experiments", *CHOICE_COLUMNS)
_SHOWN = 12


def find_evaluations(settings: Settings, wanted: EvaluationFilter) -> pd.DataFrame:
    """The evaluations that are asked for, as ``evaluation_results`` returns.

    Raises:
        InputError: A name in the filter is not known; names each.
    """
    from daydreaming.analysis.cross_experiment import evaluation_results
    from daydreaming.pipeline.cross_tables import stored_evaluations

    check_names(settings, wanted)
    return stored_evaluations(settings, wanted) if has_results(settings) else evaluation_results([])


def check_names(settings: Settings, wanted: EvaluationFilter) -> None:
    """Refuse a filter that names what no stored evaluation has: most likely it is misspelt.

    Raises:
        InputError: Names each such name, and what there is.
    """
    if problems := _unknown_names(settings, wanted):
        raise InputError(problems)


def read_filter(values: Mapping[str, Any]) -> EvaluationFilter:
    """Make a filter of what a form or a command line gave.

    Args:
        values: By names of ``FILTER_NAMES``: lists of names, dates as ``YYYY-MM-DD``, numbers. What is
            None or empty, and any other key, is left out.

    Raises:
        InputError: A date or a score that is none, or limits the wrong way round; names each.
    """
    problems: list[str] = []
    fields: dict[str, Any] = {name: tuple(values[name]) for name in _LISTS if values.get(name)}
    fields |= {name: _day(name, values.get(name), problems) for name in ("since", "until")}
    fields |= {name: _score(name, values.get(name), problems) for name in ("min_score", "max_score")}
    wanted = EvaluationFilter(**fields)
    if wanted.since and wanted.until and wanted.since > wanted.until:
        problems.append(f"since must not be after until; got {wanted.since} and {wanted.until}.")
    if wanted.min_score is not None and wanted.max_score is not None and wanted.min_score > wanted.max_score:
        problems.append(
            f"min_score must not be above max_score; got {wanted.min_score:g} and {wanted.max_score:g}."
        )
    if problems:
        raise InputError(problems)
    return wanted


def _day(name: str, value: Any, problems: list[str]) -> date | None:
    if not value:
        return None
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        problems.append(f"{name} must be a day (UTC) as YYYY-MM-DD; got {str(value)[:80]!r}.")
        return None


def _score(name: str, value: Any, problems: list[str]) -> float | None:
    if value is None or value == "":
        return None
    try:
        score = float(value)
    except (TypeError, ValueError):
        score = math.nan
    if not math.isfinite(score):
        problems.append(f"{name} must be a number on the template's own scale; got {str(value)[:80]!r}.")
        return None
    return score


def _unknown_names(settings: Settings, wanted: EvaluationFilter) -> list[str]:
    from daydreaming.inputs.wording import did_you_mean, show

    problems: list[str] = []
    for field in _LISTS:
        names = getattr(wanted, field)
        known = known_values(engine_for(settings), field) if names and has_results(settings) else []
        noun = field.removesuffix("s").replace("_", " ")
        problems += [
            f"{_missing(noun)} {show(name)}.{did_you_mean(name, known)} Known: {_listed(known)}."
            for name in dict.fromkeys(names)
            if name not in known
        ]
    return problems


def _missing(noun: str) -> str:
    return "No experiment has the ID" if noun == "experiment" else f"No stored evaluation has the {noun}"


def _listed(known: list[str]) -> str:
    if not known:
        return "none yet"
    more = f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
    return ", ".join(known[:_SHOWN]) + more
