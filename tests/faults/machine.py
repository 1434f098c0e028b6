"""One machine's processes: a real Airflow, the simulator behind a gate, and what a test does to them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from daydreaming.cli.environment import USER, Home, airflow_environment, program
from daydreaming.cli.rest import DAG_ID, AirflowClient, AirflowUnreachableError
from daydreaming.cli.services import AIRFLOW_SERVICES, Service, family, read_deployment, spawn, start, stop
from daydreaming.llm.simulator import SimulatorProcess
from daydreaming.settings import Settings
from daydreaming.store.files import DataRoot
from tests.faults.design import NAME, SECRET, SIMULATOR, write_inputs
from tests.faults.gate import Gate

_COMMANDS = {**AIRFLOW_SERVICES, "worker": ("celery", "worker", "--skip-serve-logs")}
_WRONG_CLOCK = Path(__file__).with_name("wrong_clock")
#: Title of a process of LocalExecutor at work: the ID of the task instance, not ``<idle>``.
_BUSY = re.compile(r"LocalExecutor: [0-9a-f]")
_RUN_TIMEOUT_S = 1500.0
_START_TIMEOUT_S = 180.0


@dataclass
class Machine:
    """What runs, by name.

    Attributes:
        supervised: Services that end are started again, as compose's restart policy does.
    """

    home: Home
    settings: Settings
    client: AirflowClient
    simulator: SimulatorProcess
    gate: Gate
    environment: Mapping[str, str]
    services: dict[str, Service] = field(default_factory=dict)
    supervised: bool = False

    @property
    def files(self) -> DataRoot:
        """Where answers and tables are."""
        return DataRoot(self.settings.data_root)

    def start(self, name: str, *, clock_s: int = 0) -> None:
        """Start a service, or one more of a kind (``triggerer-2``); its clock is ``clock_s`` ahead."""
        kind = name.rstrip("-0123456789")
        env = dict(self.environment)
        if clock_s:
            env |= {"PYTHONPATH": str(_WRONG_CLOCK), "CLOCK_AHEAD_S": str(clock_s)}
        self.services[name] = spawn(self.home, name, [program("airflow"), *_COMMANDS[kind]], env)

    def kill(self, *names: str) -> None:
        """Kill -9, with all that they started, and all at once."""
        doomed = [process for name in names for process in family(self.services.pop(name))]
        _kill(doomed)

    def busiest(self, kind: str) -> str:
        """The service of a kind that has most connections to the provider open."""
        return max((name for name in self.services if name.startswith(kind)), key=self._connections)

    def _connections(self, name: str) -> int:
        found = [c for process in family(self.services[name]) for c in process.net_connections("tcp")]
        return sum(1 for c in found if c.raddr and c.raddr.port == self.gate.port)

    def kill_busy_workers(self) -> int:
        """Kill -9 the processes of LocalExecutor that run a task, and the tasks; returns how many tasks.

        An idle one waits at a queue whose lock it holds: killed, it leaves the others waiting for ever.
        """
        workers = psutil.Process(self.services["scheduler"].pid).children()
        busy = [worker for worker in workers if _BUSY.search(" ".join(worker.cmdline()))]
        _kill([*busy, *(task for worker in busy for task in worker.children(recursive=True))])
        return len(busy)

    def wait_for_api(self) -> None:
        """Until the API server answers."""
        until = time.monotonic() + _START_TIMEOUT_S
        while True:
            try:
                if self.client.send("GET", "/api/v2/version").status_code == 200:
                    return
            except AirflowUnreachableError:
                pass
            assert time.monotonic() < until, "The API server does not answer"
            time.sleep(0.5)

    def trigger(self, **conf: object) -> str:
        """Start a run; returns its ID."""
        until = time.monotonic() + _START_TIMEOUT_S
        while self.client.send("GET", f"/api/v2/dags/{DAG_ID}").status_code != 200:
            assert time.monotonic() < until, f"{DAG_ID} is not parsed"
            time.sleep(0.5)
        # The same in each test: files have its name.
        body = {"conf": {"experiment": NAME, **conf}, "logical_date": None, "dag_run_id": "disturbed"}
        return str(self.client.request("POST", f"/api/v2/dags/{DAG_ID}/dagRuns", json=body)["dag_run_id"])

    def wait_for_calls(self, count: int) -> None:
        """Until the provider has had so many calls, and has some in hand."""
        until = time.monotonic() + _RUN_TIMEOUT_S
        while (stats := self.simulator.stats())["calls"] < count or not stats["in_flight"]:
            assert time.monotonic() < until, f"{stats['calls']} calls"
            time.sleep(0.2)

    def wait(self, run_id: str) -> str:
        """Wait until a run has ended; returns its state. An API server that is away is waited for."""
        until = time.monotonic() + _RUN_TIMEOUT_S
        state = "unknown"
        while time.monotonic() < until:
            self._supervise()
            try:
                reply = self.client.send("GET", f"/api/v2/dags/{DAG_ID}/dagRuns/{run_id}")
                state = reply.json()["state"] if reply.status_code == 200 else f"HTTP {reply.status_code}"
            except (AirflowUnreachableError, ValueError):
                state = "unreachable"
            if state in ("success", "failed"):
                return state
            time.sleep(1)
        raise AssertionError(f"{run_id} is still {state}: {self.open_instances(run_id)}")

    def _supervise(self) -> None:
        for name, service in tuple(self.services.items()):
            if self.supervised and not service.is_running():
                print(f"{name} has ended and is started again", flush=True)
                self.start(name)

    def wait_for_tables(self) -> None:
        """Until the tables over all experiments are made: their DAG begins when a run has ended."""
        path = "/api/v2/dags/daydream_cross_experiment/dagRuns?limit=100"
        until = time.monotonic() + _RUN_TIMEOUT_S
        while True:
            states = [run["state"] for run in self.client.request("GET", path)["dag_runs"]]
            if states and set(states) <= {"success", "failed"}:
                return
            assert time.monotonic() < until, states
            time.sleep(1)

    def open_instances(self, run_id: str) -> list[tuple[str, int, str]]:
        """Instances that have not succeeded: task, map index, state."""
        path = f"/api/v2/dags/{DAG_ID}/dagRuns/{run_id}/taskInstances?limit=1000"
        found = self.client.request("GET", path)["task_instances"]
        return [(i["task_id"], i["map_index"], i["state"]) for i in found if i["state"] != "success"]

    def clear_failed(self, run_id: str) -> None:
        """What "clear only failed" on the run does in the UI."""
        body = {"dry_run": False, "dag_run_id": run_id, "only_failed": True, "reset_dag_runs": True}
        self.client.request("POST", f"/api/v2/dags/{DAG_ID}/clearTaskInstances", json=body)

    def stored(self) -> int:
        """How many answers are on the disk."""
        return sum(len(self.files.answered_ids(stage)) for stage in ("generation", "evaluation"))

    def daydreaming(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run our command on this machine."""
        return subprocess.run(
            [program("daydreaming"), *arguments],
            env=dict(self.environment),
            capture_output=True,
            text=True,
            check=False,
        )

    def end(self) -> None:
        """End all that a test has started itself."""
        _kill([process for service in self.services.values() for process in family(service)])
        self.client.close()


def _kill(processes: list[psutil.Process]) -> None:
    for process in processes:
        try:
            process.send_signal(signal.SIGKILL)
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(processes, timeout=30)


@contextmanager
def running_machine(folder: Path, environment: Mapping[str, str]) -> Iterator[Machine]:
    """Start everything below ``folder``; end it at the end.

    Args:
        folder: Empty; ``data`` may be there, as a file system of its own.
        environment: What differs from the embedded default: databases, executor, dispatch.
    """
    write_inputs(folder / "inputs")
    with (
        pytest.MonkeyPatch.context() as patch,
        SimulatorProcess(SIMULATOR) as simulator,
        Gate(int(simulator.root_url.rpartition(":")[2])) as gate,
    ):
        connection = {"conn_type": "openai", "host": f"http://127.0.0.1:{gate.port}/v1", "password": SECRET}
        patch.setenv("AIRFLOW_HOME", str(folder / "airflow"))
        patch.setenv("AIRFLOW_CONN_LOCAL_LLM", json.dumps(connection))
        patch.setenv("DAYDREAMING_INPUTS_ROOT", str(folder / "inputs"))
        patch.setenv("DAYDREAMING_DATA_ROOT", str(folder / "data"))
        patch.setenv("DAYDREAMING_NIGHTLY_SCHEDULE", "0 0 29 2 *")
        patch.setenv("DAYDREAMING_POOLS", "llm_local=24")
        for name, value in environment.items():
            patch.setenv(name, value)
        home, settings = Home.from_env(), Settings.from_env()
        try:
            deployment = start(home, settings, port=0, llm="none", say=lambda _line: None)
            port = int(deployment.url.rpartition(":")[2])
            machine = Machine(
                home,
                settings,
                AirflowClient(deployment.url, USER, home.password()),
                simulator,
                gate,
                airflow_environment(home, settings, port=port, local_llm_url=None),
                {service.name: service for service in deployment.services},
            )
            try:
                if environment.get("AIRFLOW__CORE__EXECUTOR") == "CeleryExecutor":
                    machine.start("worker")
                yield machine
            finally:
                machine.end()
        finally:
            if read_deployment(home):
                stop(home)


def migrated(environment: Mapping[str, str]) -> None:
    """Make the tables of an empty metadata database."""
    env = {**os.environ, **environment}
    command = [str(Path(sys.executable).with_name("airflow")), "db", "migrate"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
