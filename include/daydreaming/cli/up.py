"""`daydreaming up`: start everything and say how to get in."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast, get_args

from daydreaming.cli.environment import USER, Home
from daydreaming.cli.services import Deployment, LLMServer, start
from daydreaming.errors import InputError
from daydreaming.settings import Settings


def bring_up(port: int | None, llm: str, say: Callable[[str], None]) -> Deployment:
    """Start what does not run yet and say where it is.

    Raises:
        InputError: An unknown model server, or a port that is taken.
        ServiceError: A process did not start.
    """
    if llm not in get_args(LLMServer):
        raise InputError(f"--llm must be one of {', '.join(get_args(LLMServer))}; got {llm!r}.")
    home = Home.from_env()
    deployment = start(home, Settings.from_env(), port=port, llm=cast("LLMServer", llm), say=say)
    for line in access_lines(home, deployment):
        say(line)
    return deployment


def access_lines(home: Home, deployment: Deployment) -> list[str]:
    """Where the UI is, how to log in, how to stop."""
    lines = [
        f"Airflow: {deployment.url}",
        f"Log in as {USER} with password {home.password()}",
    ]
    if deployment.llm_url:
        lines.append(f"Model server ({deployment.llm}): {deployment.llm_url}")
    return [*lines, "Stop everything with: make down"]
