from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.faults.design import CALLS
from tests.faults.machine import Machine, migrated, running_machine
from tests.faults.observed import Figures, Results, differing_tables, lost_answers, read_results
from tests.faults.table import write_table
from tests.support.postgres import PostgresServer

_FIGURES: list[Figures] = []


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """One server for all; whoever crashes it starts it again."""
    with PostgresServer() as server:
        yield server


@pytest.fixture(scope="session")
def metadata(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Name of a metadata database that has its tables; copied for each machine."""
    name = postgres.create_database()
    migrated(
        {
            "AIRFLOW_HOME": str(tmp_path_factory.mktemp("template")),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": _sqlalchemy(postgres.uri(name)),
        }
    )
    return name


def _sqlalchemy(uri: str) -> str:
    return uri.replace("postgresql://", "postgresql+psycopg2://")


@pytest.fixture
def machine_with(
    postgres: PostgresServer, metadata: str, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., AbstractContextManager[Machine]]:
    """Starts a machine on PostgreSQL, with settings of its own."""

    @contextmanager
    def started(folder: Path | None = None, **settings: str) -> Iterator[Machine]:
        with postgres.database(metadata) as airflow, postgres.database() as results:
            environment = {
                "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": _sqlalchemy(airflow),
                "AIRFLOW_CONN_DAYDREAMING_RESULTS": results,
                **settings,
            }
            given = {name: value for name, value in environment.items() if value}
            with running_machine(folder or tmp_path_factory.mktemp("machine"), given) as machine:
                yield machine

    return started


@pytest.fixture(scope="session")
def undisturbed(postgres: PostgresServer, metadata: str, tmp_path_factory: pytest.TempPathFactory) -> Results:
    """What the experiment finds when nothing goes wrong."""
    figures = Figures("none", "pool")
    with postgres.database(metadata) as airflow, postgres.database() as results:
        environment = {
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": _sqlalchemy(airflow),
            "AIRFLOW_CONN_DAYDREAMING_RESULTS": results,
        }
        with running_machine(tmp_path_factory.mktemp("undisturbed"), environment) as machine:
            began = time.monotonic()
            assert machine.wait(machine.trigger()) == "success"
            figures.took_s = time.monotonic() - began
            machine.wait_for_tables()
            found = read_results(machine)
            count(machine, figures)
    assert len(found.answers) == CALLS
    assert (figures.sent, figures.answered, figures.twice) == (CALLS, CALLS, 0)
    figures.lost = 0
    _FIGURES.insert(0, figures)
    return found


def count(machine: Machine, figures: Figures) -> None:
    """Take over what the provider has counted."""
    stats = machine.simulator.stats()
    figures.sent, figures.answered = stats["calls"], stats["answered"]
    figures.twice = stats["answered"] - stats["prompts_answered"]
    figures.refused = sum(sum(model["faults"].values()) for model in stats["models"].values())


@pytest.fixture
def settle(undisturbed: Results) -> Callable[[Machine, str, Figures], None]:
    """Wait for the end of a run that was disturbed, clear once where that is needed, and check everything."""

    def settled(machine: Machine, run_id: str, figures: Figures) -> None:
        if machine.wait(run_id) == "failed":
            figures.clears = 1
            failed = machine.open_instances(run_id)
            machine.clear_failed(run_id)
            assert machine.wait(run_id) == "success", failed
        figures.took_s = time.monotonic() - figures.began
        machine.wait_for_tables()
        count(machine, figures)
        found = read_results(machine)
        figures.lost = lost_answers(found, undisturbed)
        figures.differing = differing_tables(found, undisturbed)
        _FIGURES.append(figures)
        print(figures)
        assert figures.lost == 0
        assert figures.differing == []
        assert figures.twice <= figures.in_flight
        assert figures.sent_again <= figures.in_flight
        verified = machine.daydreaming("verify")
        assert verified.returncode == 0, verified.stdout + verified.stderr

    return settled


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder whose ``data`` is a file system of 64 MB of its own; needs root."""
    folder = tmp_path / "small"
    (folder / "data").mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder / "data")]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.fail(f"A tmpfs cannot be mounted here, which needs root: {done.stderr}", pytrace=False)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder / "data")], check=True)


def pytest_sessionfinish() -> None:
    """The table of all figures: printed, and written into the page that FIGURES names."""
    if _FIGURES:
        write_table(_FIGURES, os.environ.get("FIGURES"))


#: For the type checker: fixtures that are functions.
Settle = Callable[[Machine, str, Figures], None]
MachineWith = Callable[..., AbstractContextManager[Machine]]
