"""Processes that die, servers that are away, disks that are full: nothing that was paid for is lost."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.faults.conftest import MachineWith, Settle
from tests.faults.machine import Machine
from tests.faults.observed import Figures
from tests.support.postgres import PostgresServer
from tests.support.redis import RedisServer

TRIGGERER = {"DAYDREAMING_DISPATCH": "triggerer"}
#: Calls after which a fault comes: in the midst of the generations, and of the evaluations.
EARLY, LATE = 70, 350


def begun(machine: Machine, figures: Figures, calls: int = EARLY) -> str:
    """Start a run and wait until it is in its midst; returns its ID."""
    figures.began = time.monotonic()
    run_id = machine.trigger()
    machine.wait_for_calls(calls)
    return run_id


def struck(machine: Machine, figures: Figures) -> None:
    """Note how things stand right after the fault."""
    figures.in_flight = machine.simulator.stats()["calls"] - machine.stored()


@pytest.mark.parametrize(
    ("service", "fault", "pause_s"),
    [
        ("triggerer", "triggerer killed, started again", 0),
        ("scheduler", "scheduler killed with its tasks, started again", 0),
        ("api-server", "API server killed, started again after 10 s", 10),
    ],
)
def test_a_service(machine_with: MachineWith, settle: Settle, service: str, fault: str, pause_s: int) -> None:
    figures = Figures(fault, "pool")
    with machine_with() as machine:
        run_id = begun(machine, figures)
        machine.kill(service)
        struck(machine, figures)
        time.sleep(pause_s)
        machine.start(service)
        settle(machine, run_id, figures)


def test_one_of_two_triggerers(machine_with: MachineWith, settle: Settle) -> None:
    figures = Figures("one of two triggerers killed", "triggerer")
    with machine_with(**TRIGGERER) as machine:
        machine.start("triggerer-2")
        run_id = begun(machine, figures)
        machine.kill(machine.busiest("triggerer"))
        struck(machine, figures)
        settle(machine, run_id, figures)
        assert figures.sent_again, "the triggerer that was killed had no call in flight"


def test_the_local_workers(machine_with: MachineWith, settle: Settle) -> None:
    figures = Figures("all processes that are at a task killed", "pool, LocalExecutor")
    with machine_with() as machine:
        run_id = begun(machine, figures)
        while not machine.kill_busy_workers():
            time.sleep(0.1)
        struck(machine, figures)
        settle(machine, run_id, figures)


def test_postgresql(machine_with: MachineWith, settle: Settle, postgres: PostgresServer) -> None:
    """Airflow's scheduler, triggerer and DAG processor end where their database is away."""
    figures = Figures("PostgreSQL killed, started again after 10 s", "triggerer, services restarted")
    with machine_with(**TRIGGERER) as machine:
        run_id = begun(machine, figures)
        postgres.crash()
        machine.supervised = True
        try:
            struck(machine, figures)
            time.sleep(10)
        finally:
            postgres.start()
        settle(machine, run_id, figures)


@pytest.fixture
def redis() -> RedisServer:
    return RedisServer()


def celery(redis: RedisServer, results: str) -> dict[str, str]:
    return {
        "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
        "AIRFLOW__CELERY__BROKER_URL": redis.url,
        "AIRFLOW__CELERY__RESULT_BACKEND": f"db+{results}",
        "AIRFLOW__CELERY__WORKER_CONCURRENCY": "8",
    }


def test_a_celery_worker(
    machine_with: MachineWith, settle: Settle, redis: RedisServer, postgres: PostgresServer
) -> None:
    figures = Figures("Celery worker killed, started again", "pool, Celery")
    with redis, postgres.database() as results, machine_with(**celery(redis, results)) as machine:
        run_id = begun(machine, figures)
        machine.kill("worker")
        struck(machine, figures)
        machine.start("worker")
        settle(machine, run_id, figures)


def test_redis(
    machine_with: MachineWith, settle: Settle, redis: RedisServer, postgres: PostgresServer
) -> None:
    figures = Figures("Redis killed, started again after 10 s", "pool, Celery")
    with redis, postgres.database() as results, machine_with(**celery(redis, results)) as machine:
        run_id = begun(machine, figures)
        redis.kill()
        struck(machine, figures)
        time.sleep(10)
        redis.start()
        settle(machine, run_id, figures)


def test_a_full_disk(machine_with: MachineWith, settle: Settle, small_disk: Path) -> None:
    """The results database, SQLite, is on that disk too."""
    figures = Figures("disk of the data root full for a minute", "triggerer, results in SQLite")
    with machine_with(small_disk, AIRFLOW_CONN_DAYDREAMING_RESULTS="", **TRIGGERER) as machine:
        run_id = begun(machine, figures)
        ballast = small_disk / "data" / "ballast"
        fill(ballast)
        struck(machine, figures)
        time.sleep(60)
        ballast.unlink()
        settle(machine, run_id, figures)


def fill(path: Path) -> None:
    """Take all that is left of a disk."""
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return


def test_a_provider_that_is_down(machine_with: MachineWith, settle: Settle) -> None:
    figures = Figures("provider down for two minutes", "triggerer")
    with machine_with(**TRIGGERER) as machine:
        run_id = begun(machine, figures)
        machine.gate.close()
        struck(machine, figures)
        time.sleep(120)
        machine.gate.open()
        settle(machine, run_id, figures)


def test_a_provider_that_answers_garbage(machine_with: MachineWith, settle: Settle) -> None:
    figures = Figures("provider answers garbage for a minute", "triggerer")
    with machine_with(**TRIGGERER) as machine:
        run_id = begun(machine, figures)
        machine.simulator.control(rate_html=0.4, rate_empty=0.3, rate_error_body=0.3)
        struck(machine, figures)
        time.sleep(60)
        machine.simulator.control(rate_html=0.0, rate_empty=0.0, rate_error_body=0.0)
        settle(machine, run_id, figures)


@pytest.mark.parametrize("clock_s", [300, -300])
def test_a_wrong_clock(machine_with: MachineWith, settle: Settle, clock_s: int) -> None:
    """Of a triggerer that is behind, Airflow sees old heartbeats: it gives its triggers to the other."""
    figures = Figures(f"clock of one of two triggerers {clock_s:+d} s off", "triggerer")
    with machine_with(**TRIGGERER) as machine:
        machine.start("triggerer-2", clock_s=clock_s)
        run_id = begun(machine, figures)
        machine.wait(run_id)
        figures.in_flight = cut_off(machine)
        settle(machine, run_id, figures)
        assert machine.services["triggerer-2"].is_running()
        log = (machine.home.path / "logs" / "services" / "triggerer-2.log").read_text(encoding="utf-8")
        assert "trigger completed" in log, "the triggerer with the wrong clock has made no call"


def cut_off(machine: Machine) -> int:
    """Calls whose connection was closed before the answer; what else is sent again is a mistake."""
    models = machine.simulator.stats()["models"].values()
    return sum(model["unanswered"].get("client_gone", 0) for model in models)


@pytest.mark.parametrize("databases", ["PostgreSQL", "SQLite"])
def test_everything_at_once(
    machine_with: MachineWith, settle: Settle, postgres: PostgresServer, databases: str
) -> None:
    """In the midst of the evaluations; then a cold start, as after a power cut."""
    figures = Figures("all processes killed at once, cold start", f"pool, {databases}")
    embedded = dict.fromkeys(("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "AIRFLOW_CONN_DAYDREAMING_RESULTS"), "")
    with machine_with(**(embedded if databases == "SQLite" else {})) as machine:
        run_id = begun(machine, figures, LATE)
        names = tuple(machine.services)
        machine.kill(*names)
        if databases == "PostgreSQL":
            postgres.crash()
            postgres.start()
        struck(machine, figures)
        for name in names:
            machine.start(name)
        machine.wait_for_api()
        settle(machine, run_id, figures)
