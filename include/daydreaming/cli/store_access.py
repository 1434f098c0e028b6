"""The command line at a data root on an object store: where it finds Airflow's connections."""

from __future__ import annotations

import os

from daydreaming.cli.environment import Home
from daydreaming.objects.file_system import open_as_guest

#: By it Airflow looks into its own database, as its services do, and not only into the environment.
_AS_SERVICE = {"_AIRFLOW_PROCESS_CONTEXT": "server"}


def know_connections() -> None:
    """Let this process find connections that only Airflow's database holds; nothing is looked up yet."""
    open_as_guest(_airflow_environment)


def _airflow_environment() -> dict[str, str]:
    home = Home.from_env()
    found = {"AIRFLOW_HOME": str(home.path)}
    is_set = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN" in os.environ
    # Where there is none, to look would make an empty one.
    if is_set or any((home.path / name).exists() for name in ("airflow.db", "airflow.cfg")):
        found |= _AS_SERVICE | home.kept_secrets()
    return found
