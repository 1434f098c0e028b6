"""Entry point of the image: connections from the environment, open files, wait for init, become the program.

``start.py airflow scheduler`` takes the place of this process, so that signals reach the service. Any other
program is started as it is: ``start.py daydreaming status``.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Mapping, Sequence

OPENROUTER_URL = "https://openrouter.ai/api/v1"
#: Services that read Airflow's tables as soon as they start.
_NEED_TABLES = frozenset({"api-server", "scheduler", "dag-processor", "triggerer"})
_INIT_TIMEOUT_S = 600
#: Each call in flight is a connection, and engines often allow 1,024 files until a process asks for more.
_OPEN_FILES = 65_536


def connections(env: Mapping[str, str]) -> dict[str, str]:
    """Airflow connections of models, as environment variables.

    Only where there is something to connect to: a run is refused when the connection of one of its models
    is missing, and an empty one would let it begin. A connection that is given already stays.
    """
    made: dict[str, str] = {}
    if key := env.get("OPENROUTER_API_KEY"):
        made["AIRFLOW_CONN_OPENROUTER_DEFAULT"] = _openai(OPENROUTER_URL, key)
    if url := env.get("LOCAL_LLM_URL"):
        made["AIRFLOW_CONN_LOCAL_LLM"] = _openai(url, env.get("LOCAL_LLM_API_KEY") or "not-needed")
    return {name: value for name, value in made.items() if not env.get(name)}


def _openai(url: str, key: str) -> str:
    return json.dumps({"conn_type": "openai", "host": url, "password": key})


def needs_tables(command: Sequence[str]) -> bool:
    """Whether a command is a service that fails before init has migrated the metadata database."""
    return len(command) > 1 and command[0] == "airflow" and command[1] in _NEED_TABLES


def wait_for_tables() -> None:
    """Wait until the metadata database is migrated; Airflow says so itself where that takes too long."""
    command = ["airflow", "db", "check-migrations", "--migration-wait-timeout", str(_INIT_TIMEOUT_S)]
    result = subprocess.run(command, check=False)  # noqa: S603 - our own command
    if result.returncode:
        sys.exit(
            f"The metadata database is not migrated after {_INIT_TIMEOUT_S} s. See the log of airflow-init."
        )


def allow_open_files() -> None:
    """Raise this process's limit of open files, as far as the container's own allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    soft = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def main(command: Sequence[str]) -> None:
    """Become ``command``."""
    if not command:
        sys.exit("Give a program to start, such as: airflow scheduler")
    os.environ.update(connections(os.environ))
    allow_open_files()
    if needs_tables(command):
        wait_for_tables()
    try:
        os.execvp(command[0], list(command))  # noqa: S606 - what the container is for
    except OSError as error:
        sys.exit(f"{command[0]} cannot be started: {error.strerror}.")


if __name__ == "__main__":
    main(sys.argv[1:])
