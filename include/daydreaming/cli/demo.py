"""`daydreaming demo`: from nothing to final tables, on a model that runs on this machine."""

from __future__ import annotations

import os

from rich.console import Console

from daydreaming.cli.environment import Home
from daydreaming.cli.run import run_experiment
from daydreaming.cli.services import start
from daydreaming.cli.up import access_lines, refuse_night_settings
from daydreaming.errors import InputError
from daydreaming.llm.local import why_unavailable
from daydreaming.settings import Settings


def run_demo(llm: str, port: int | None) -> bool:
    """Run the demo; returns whether its run succeeded.

    Raises:
        InputError: An unknown model server.
    """
    if llm not in {"local", "simulated"}:
        raise InputError(f"LLM must be local or simulated; got {llm!r}.")
    console = Console()
    if llm == "local" and (reason := why_unavailable()):
        console.print(
            f"[yellow]Warning:[/yellow] the local model cannot run: {reason} "
            "The simulator answers in its place: its texts are made up and its scores mean nothing."
        )
        llm = "simulated"
    refuse_night_settings(os.environ)
    settings, home = Settings.from_env(), Home.from_env()
    deployment = start(
        home,
        settings,
        port=port,
        llm="local" if llm == "local" else "simulated",
        say=lambda line: console.print(line, highlight=False),
    )
    succeeded = run_experiment(settings, {"experiment": "demo"}, console)
    if llm == "local":
        console.print(
            "The demo model is tiny (270 million parameters): its text is fluent, its judgement is poor. "
            "These scores show how the tables work, not which essay is good.",
            highlight=False,
            soft_wrap=True,
        )
    for line in access_lines(home, deployment):
        console.print(line, highlight=False, soft_wrap=True)
    return succeeded
