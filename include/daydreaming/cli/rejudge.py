"""`daydreaming rejudge`: have the essays of an experiment judged anew, and follow that to its tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console

from daydreaming.cli.progress import say
from daydreaming.cli.run import run_experiment
from daydreaming.errors import InputError
from daydreaming.inputs.params import parse_set_options
from daydreaming.pipeline.plan import read_inputs
from daydreaming.pipeline.rejudge import essays_of_inputs
from daydreaming.settings import Settings


def rejudge_overrides(
    experiment_id: str, options: Mapping[str, str | None], assignments: Sequence[str]
) -> dict[str, Any]:
    """The parameters of the run.

    Args:
        experiment_id: Whose essays are judged.
        options: What the command's own options say, by parameter; None where they are not given.
        assignments: As given with ``--set``.

    Raises:
        InputError: A parameter is unknown, or is given twice.
    """
    own = [f"{name}={value}" for name, value in options.items() if value is not None]
    given = parse_set_options(assignments)
    fixed = {"experiment_id": experiment_id, "rejudge": True}
    twice = [name for name in (*fixed, *parse_set_options(own)) if name in given]
    if twice:
        raise InputError(
            f"--set: {', '.join(twice)} is said by the command's own arguments already. Leave it out there."
        )
    return {**given, **parse_set_options(own), **fixed}


def run_rejudge(
    settings: Settings, overrides: Mapping[str, Any], console: Console, *, wait: bool, as_json: bool = False
) -> bool:
    """Say which essays are judged and which are left out, then run.

    Args:
        settings: The deployment's settings.
        overrides: Parameters, ``experiment_id`` and ``rejudge`` among them.
        console: Where everything is printed.
        wait: Follow the run to its end.
        as_json: One JSON object per line instead, as of ``run_experiment``.

    Returns:
        Whether the run succeeded; True where it is not waited for.

    Raises:
        InputError: Parameters or inputs are wrong, or there is no essay: nothing was started.
        AirflowUnreachableError: Airflow does not answer.
    """
    essays = essays_of_inputs(settings, read_inputs(settings, overrides))
    for line in () if as_json else essays.lines():
        say(console, line)
    return run_experiment(settings, overrides, console, wait=wait, as_json=as_json)
