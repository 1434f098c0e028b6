"""Both databases from their first release to this one, with a real Airflow and a real PostgreSQL."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import text

from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from tests.support.documents import block_with, commands
from tests.support.first_release import ROWS, make_first_release
from tests.support.postgres import PostgresServer

pytestmark = [pytest.mark.integration, pytest.mark.own_processes]

DOCUMENTED = (
    block_with("docs/backup.md", "daydreaming migrate"),
    block_with("docs/reference/cli.md", "daydreaming migrate"),
)
[MIGRATE], [CHECK] = map(commands, DOCUMENTED)
PROGRAMS = Path(sys.executable).parent
#: The schema of an Airflow before ours: 3.1.0.
OLD_AIRFLOW = "cc92b33c6709"


@dataclass(frozen=True)
class OldDeployment:
    """Databases as earlier releases left them."""

    settings: Settings
    env: dict[str, str]

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(PROGRAMS / command[0]), *command[1:]],
            env=self.env,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OldDeployment]:
    folder = tmp_path_factory.mktemp("old")
    with PostgresServer() as server, server.database() as metadata, server.database() as results:
        settings = Settings(folder / "inputs", folder / "data", results_conn=results)
        make_first_release(engine_for(settings))
        env = {
            **os.environ,
            "AIRFLOW_HOME": str(folder / "airflow"),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": metadata.replace("postgresql:", "postgresql+psycopg2:"),
            "AIRFLOW_CONN_DAYDREAMING_RESULTS": results,
            "DAYDREAMING_DATA_ROOT": str(settings.data_root),
        }
        deployment = OldDeployment(settings, env)
        for command in ("migrate", "downgrade"):
            done = deployment.run("airflow", "db", command, "--to-revision", OLD_AIRFLOW, *_sure(command))
            assert done.returncode == 0, done.stderr
        yield deployment
        engine_for(settings).dispose()


def _sure(command: str) -> list[str]:
    # What makes a new database makes the latest one.
    return ["--yes"] if command == "downgrade" else []


def test_one_command_migrates_both_and_then_has_nothing_to_do(old: OldDeployment) -> None:
    checked = old.run(CHECK.program, *CHECK.arguments, "--json")
    assert checked.returncode == 1, checked.stderr
    results, metadata = json.loads(checked.stdout)["databases"]
    assert (results["before"], metadata["before"]) == ("0001", OLD_AIRFLOW)

    migrated = old.run(MIGRATE.program, *MIGRATE.arguments)
    assert migrated.returncode == 0, migrated.stderr
    assert migrated.stdout == MIGRATE.shown
    assert old.run(CHECK.program, *CHECK.arguments).returncode == 0
    assert old.run("airflow", "db", "check-migrations", "--migration-wait-timeout", "1").returncode == 0
    with engine_for(old.settings).connect() as connection:
        for table in ROWS:
            assert connection.scalar(text(f"SELECT count(*) FROM {table}")) == 1, table
