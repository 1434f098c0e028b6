"""The parameters of ``daydream_cross_experiment`` as Airflow's trigger form shows them.

Read when the DAG is parsed, as those of ``daydream_experiment`` are: standard library, never an error.
Choices are what the input files hold today; names of templates and models that have left the files, and
experiments of which no file is kept, are typed in.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from airflow.sdk import Param

from daydreaming.inputs.choices import form_choices
from daydreaming.inputs.records import SCORE_PARSERS
from daydreaming.operators.form import selection


def query_params(inputs_root: Path) -> dict[str, Param]:
    """Parameters by name; empty ones filter nothing."""
    choices = form_choices(inputs_root)
    parsers: dict[str, str] = {name: name for name in SCORE_PARSERS}
    return {
        "experiments": _names("Experiments", {name: name for name in choices.experiments}),
        "generation_templates": _names("Generation templates", choices.generation_templates),
        "evaluation_templates": _names("Evaluation templates", choices.evaluation_templates),
        "generation_models": _names("Generation models", choices.generation_models),
        "evaluation_models": _names("Evaluation models (judges)", choices.evaluation_models),
        "parsers": _names("Score parsers", parsers),
        "since": _day("Since (UTC)", "First day of the verdicts."),
        "until": _day("Until (UTC)", "Last day of the verdicts."),
        "min_score": _score("Lowest score"),
        "max_score": _score("Highest score"),
    }


def _names(title: str, labels: Mapping[str, str]) -> Param:
    return selection(title, labels, "Empty: all.")


def _day(title: str, description: str) -> Param:
    return Param(
        None,
        type=["null", "string"],
        format="date",
        title=title,
        description=f"{description} Empty: no limit.",
    )


def _score(title: str) -> Param:
    described = "On the template's own scale; leaves unscored evaluations out. Empty: no limit."
    return Param(None, type=["null", "number"], title=title, description=described)
