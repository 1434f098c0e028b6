"""`daydreaming up`: start everything and say how to get in."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import cast, get_args

from daydreaming.cli.environment import USER, Home
from daydreaming.cli.services import Deployment, LLMServer, read_deployment, start
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
    refuse_night_settings(os.environ)
    home = Home.from_env()
    before = read_deployment(home)
    deployment = start(home, Settings.from_env(), port=port, llm=cast("LLMServer", llm), say=say)
    if before and deployment == before and port and not deployment.url.endswith(f":{port}"):
        say(f"It is already running at {deployment.url}: --port {port} changes nothing. Stop it first.")
    for line in access_lines(home, deployment):
        say(line)
    return deployment


def refuse_night_settings(env: Mapping[str, str]) -> None:
    """See that the nightly run can be planned: Airflow would only fail to read its DAG.

    Raises:
        InputError: Names each variable whose value is not allowed.
    """
    from croniter import croniter  # type: ignore[import-untyped]

    from daydreaming.operators.notify_settings import DEADLINE, NotifySettings

    schedule = Settings.from_env(env).nightly_schedule
    problems = [p for p in NotifySettings.from_env(env).problems if p.startswith(f"{DEADLINE} must")]
    if not croniter.is_valid(schedule):
        problems.append(
            "DAYDREAMING_NIGHTLY_SCHEDULE must be a cron expression such as '0 2 * * *' (each night at 2, "
            f"UTC); got {schedule!r}."
        )
    if problems:
        raise InputError(problems)


def access_lines(home: Home, deployment: Deployment) -> list[str]:
    """Where the UI is, how to log in, how to stop."""
    lines = [
        f"Airflow: {deployment.url}",
        f"Log in as {USER} with password {home.password()}",
    ]
    if deployment.llm_url:
        lines.append(f"Model server ({deployment.llm}): {deployment.llm_url}")
    return [*lines, "Stop everything with: make down"]
