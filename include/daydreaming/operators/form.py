"""The parameters of ``daydream_experiment`` as Airflow's trigger form shows them.

Read when the DAG is parsed, so: the small CSVs only, standard library, and never an error. What
is not given is null or empty here, and then the experiment file or the default decides; were the
defaults in the form, nobody could tell 4 that a person chose from 4 that nobody touched.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from airflow.sdk import Param

from daydreaming.inputs.choices import form_choices

_CUT = "A longer answer is cut off, which is a failed call."


def experiment_params(inputs_root: Path) -> dict[str, Param]:
    """Parameters by name, with choices from the input files."""
    choices = form_choices(inputs_root)
    selections = {
        "concepts": ("Concepts", choices.concepts),
        "generation_templates": ("Generation templates", choices.generation_templates),
        "evaluation_templates": ("Evaluation templates", choices.evaluation_templates),
        "generation_models": ("Generation models", choices.generation_models),
        "evaluation_models": ("Evaluation models (judges)", choices.evaluation_models),
    }
    return {
        "experiment": _text(
            "Saved experiment",
            "A file in data/experiments, without .yaml. What you fill in below wins over it.",
            examples=choices.experiments,
        ),
        "experiment_id": _text(
            "Experiment ID",
            "Names the result folders; runs with the same ID are one experiment. Empty: the saved "
            "experiment's name, or one made of the run's.",
        ),
        "k_max": _number("Concepts per combination", "integer", 4, "Exactly so many.", minimum=1),
        "description_level": _choice(
            "Description level",
            "paragraph",
            ("sentence", "paragraph", "article"),
            "Which text of each concept is shown; a missing one falls back to paragraph, sentence, name.",
        ),
        **{name: selection(title, labels) for name, (title, labels) in selections.items()},
        "generation_replicates": _number(
            "Generations per cell", "integer", 1, "For each combination, template and model.", minimum=1
        ),
        "evaluation_replicates": _number(
            "Evaluations per cell", "integer", 1, "For each generation, template and judge.", minimum=1
        ),
        "generation_temperature": _number("Generation temperature", "number", 0.7, minimum=0, maximum=2),
        "evaluation_temperature": _number("Evaluation temperature", "number", 0.1, minimum=0, maximum=2),
        "generation_max_tokens": _number("Most tokens of a generation", "integer", 8192, _CUT, minimum=1),
        "evaluation_max_tokens": _number("Most tokens of an evaluation", "integer", 2048, _CUT, minimum=1),
        "max_cost_usd": _limit(
            "Cost limit (US dollars)",
            "For all runs of the experiment together: calls that may pass it are not sent. Needs the prices "
            "of all models that are called.",
            "no limit",
        ),
        "approve_above_usd": _limit(
            "Ask a person above (US dollars)",
            "Where the worst case is above it, or unknown, nothing is sent before a person approves.",
            "ask nobody",
        ),
        "on_stale": _choice(
            "Stored answer of another request",
            "fail",
            ("fail", "reuse", "archive"),
            "Fail, use it as it is, or put it aside and call again.",
        ),
        "max_failed_fraction": _number(
            "Share of calls that may fail",
            "number",
            0,
            "Of all planned calls, as many may have no answer when the run ends.",
            minimum=0,
            maximum=1,
        ),
        "shard_size": _number(
            "Generations per run", "integer", 100, "A larger plan runs as several runs.", minimum=1
        ),
        "dry_run": Param(
            None,
            type=["null", "boolean"],
            title="Dry run",
            description="Plan and estimate only; send nothing.",
        ),
        "rejudge": Param(
            None,
            type=["null", "boolean"],
            title="Rejudge",
            description="Generate nothing: judge the essays that the experiment has.",
        ),
    }


def _text(title: str, description: str, examples: list[str] | None = None) -> Param:
    extra: dict[str, Any] = {"examples": examples} if examples else {}
    return Param(None, type=["null", "string"], title=title, description=description, **extra)


def _number(title: str, kind: str, default: float, meaning: str = "", **limits: Any) -> Param:
    return Param(None, type=["null", kind], title=title, description=_described(meaning, default), **limits)


def _limit(title: str, meaning: str, unlimited: str) -> Param:
    described = f"{meaning} Empty: {unlimited}, unless the saved experiment sets a limit."
    return Param(
        None, type=["null", "number"], title=title, description=described, minimum=0, maximum=1_000_000
    )


def _choice(title: str, default: str, values: tuple[str, ...], meaning: str) -> Param:
    return Param(
        None,
        type=["null", "string"],
        enum=[None, *values],
        values_display={"null": "(not chosen)", **{value: value for value in values}},
        title=title,
        description=_described(meaning, default),
    )


def selection(
    title: str,
    labels: Mapping[str, str],
    description: str = "Empty: what the saved experiment says, else all active ones.",
) -> Param:
    """Several of some names; others can be typed, for the list is as old as the last parse."""
    extra: dict[str, Any] = {"examples": list(labels), "values_display": dict(labels)} if labels else {}
    return Param(
        [],
        type=["array", "null"],
        items={"type": "string"},
        title=title,
        description=description,
        **extra,
    )


def _described(meaning: str, default: float | str) -> str:
    return f"{meaning} Empty: what the saved experiment says, else {default}.".strip()
