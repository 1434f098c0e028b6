"""Start and stop Airflow's processes and the model server on this machine."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import httpx
import psutil

from daydreaming.cli.databases import migrate_databases
from daydreaming.cli.environment import DEFAULT_PORT, Home, airflow_environment, program
from daydreaming.errors import DaydreamingError, InputError
from daydreaming.settings import Settings, project_root
from daydreaming.store.files import write_whole

LLMServer = Literal["none", "local", "simulated"]
Say = Callable[[str], None]

#: Log servers would listen on all interfaces; on one machine the API server reads the files.
AIRFLOW_SERVICES: Mapping[str, Sequence[str]] = {
    "api-server": ("api-server",),
    "scheduler": ("scheduler", "--skip-serve-logs"),
    "dag-processor": ("dag-processor",),
    "triggerer": ("triggerer", "--skip-serve-logs"),
}
_START_TIMEOUT_S = 120.0
_STOP_TIMEOUT_S = 20.0
_TAIL_LINES = 15
#: Each call in flight is a connection, and shells often allow 1,024 files or 256. macOS takes no more.
_OPEN_FILES = 10_240
_LAST_PORT = 65535


class ServiceError(DaydreamingError):
    """A process did not start."""


@dataclass(frozen=True)
class Service:
    """A process that was started.

    Attributes:
        created_at: The process's start time, so that a reused process ID is not taken for it.
    """

    name: str
    pid: int
    created_at: float

    def is_running(self) -> bool:
        """Whether this very process is alive."""
        try:
            process = psutil.Process(self.pid)
            same = process.create_time() == self.created_at
            return bool(same and process.status() != psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return False


@dataclass(frozen=True)
class Deployment:
    """What runs on this machine."""

    url: str
    llm: LLMServer
    llm_url: str | None
    services: tuple[Service, ...]

    def is_running(self) -> bool:
        """Whether all its processes are alive."""
        return bool(self.services) and all(service.is_running() for service in self.services)


def read_deployment(home: Home) -> Deployment | None:
    """What ``start`` recorded; None where nothing was started.

    Raises:
        InputError: The record cannot be read.
    """
    file = home.services_file
    if not file.exists():
        return None
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
        services = tuple(Service(**service) for service in record.pop("services"))
        if not all(isinstance(service.pid, int) for service in services):
            raise ValueError("a pid is no number")
        return Deployment(services=services, **record)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(
            f"{file}: cannot be read ({error}). End Airflow's processes by hand, then delete it."
        ) from error


def start(
    home: Home,
    settings: Settings,
    *,
    port: int | None,
    llm: LLMServer,
    say: Say,
    llm_options: Sequence[str] = (),
) -> Deployment:
    """Start everything that does not run yet, and wait until Airflow answers.

    Args:
        home: The Airflow home.
        settings: The deployment's settings.
        port: Of the API server; 0 for any free one, None for the default or else any.
        llm: Which model server to start.
        say: Told what is being done.
        llm_options: Further command line options of the model server.

    Raises:
        InputError: The port is taken.
        ServiceError: A process ended, or did not answer in time; shows the end of its log.
    """
    running = read_deployment(home)
    if running and running.is_running() and llm in (running.llm, "none"):
        return running
    if running:
        stop(home)
    port = _free_port(_port_of_environment() if port is None else port)
    home.path.mkdir(parents=True, exist_ok=True)
    home.password()
    services: list[Service] = []
    llm_url = None
    try:
        if llm != "none":
            say(f"Starting the {llm} model server")
            llm_port = _free_port(0)
            services.append(
                spawn(home, f"llm-{llm}", [*_llm_command(llm, llm_port), *llm_options], dict(os.environ))
            )
            llm_url = f"http://127.0.0.1:{llm_port}/v1"
        env = airflow_environment(home, settings, port=port, local_llm_url=llm_url)
        _prepare_database(home, settings, env, say)
        say("Starting Airflow: API server, scheduler, DAG processor, triggerer")
        for name, arguments in AIRFLOW_SERVICES.items():
            services.append(spawn(home, name, [program("airflow"), *arguments], env))
        deployment = Deployment(f"http://127.0.0.1:{port}", llm, llm_url, tuple(services))
        write_whole(home.services_file, json.dumps(asdict(deployment), indent=1))
        _wait(home, deployment)
    except BaseException:
        _end(services)
        home.services_file.unlink(missing_ok=True)
        raise
    return deployment


def stop(home: Home) -> int:
    """End what ``start`` started; returns how many processes were running."""
    deployment = read_deployment(home)
    if deployment is None:
        return 0
    ended = _end(deployment.services)
    home.services_file.unlink(missing_ok=True)
    return ended


def _end(services: Sequence[Service]) -> int:
    """End processes with all that they started; the first get a chance to finish."""
    ended = sum(service.is_running() for service in services)
    processes = [process for service in services for process in family(service)]
    for process in processes:
        _signal(process, signal.SIGTERM)
    _, alive = psutil.wait_procs(processes, timeout=_STOP_TIMEOUT_S)
    for process in alive:
        _signal(process, signal.SIGKILL)
    psutil.wait_procs(alive, timeout=_STOP_TIMEOUT_S)
    return ended


def family(service: Service) -> list[psutil.Process]:
    """The service's process, its descendants, and those of its session that outlived their parent."""
    found: dict[int, psutil.Process] = {}
    for process in psutil.process_iter():
        if _session(process.pid) == service.pid and process.create_time() >= service.created_at:
            found[process.pid] = process
    if service.is_running():
        process = psutil.Process(service.pid)
        found |= {child.pid: child for child in [process, *process.children(recursive=True)]}
    return list(found.values())


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except (ProcessLookupError, PermissionError):
        return None


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return


def _port_of_environment() -> int | None:
    text = os.environ.get("AIRFLOW__API__PORT", "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and int(text) <= _LAST_PORT):
        raise InputError(f"AIRFLOW__API__PORT must be a port from 1 to {_LAST_PORT}; got {text!r}.")
    return int(text) or None


def _free_port(port: int | None) -> int:
    """``port`` where it is free; any free one for 0; the default or else any for None."""
    if port is None:
        try:
            return _free_port(DEFAULT_PORT)
        except InputError:
            return _free_port(0)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise InputError(
                f"Port {port} on 127.0.0.1 is taken. Give another with --port, or --port 0."
            ) from error
        return int(probe.getsockname()[1])


def _llm_command(llm: LLMServer, port: int) -> list[str]:
    module = "daydreaming.llm.local" if llm == "local" else "daydreaming.llm.simulator"
    return [sys.executable, "-m", module, "--port", str(port)]


def spawn(home: Home, name: str, command: Sequence[str], env: Mapping[str, str]) -> Service:
    """Start a process in a session of its own; what it prints goes to the log of its name."""
    log = _log_file(home, name)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output, _many_open_files():
        process = subprocess.Popen(  # noqa: S603 - our own command
            command,
            env=dict(env),
            cwd=project_root(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return Service(name, process.pid, psutil.Process(process.pid).create_time())


@contextmanager
def _many_open_files() -> Iterator[None]:
    """Let what is started meanwhile open many files, as far as the system allows; never fewer than before."""
    before = soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def _log_file(home: Home, name: str) -> Path:
    return home.path / "logs" / "services" / f"{name}.log"


def _prepare_database(home: Home, settings: Settings, env: Mapping[str, str], say: Say) -> None:
    say("Preparing the databases")
    migrate_databases(
        settings, env, lambda: _run(home, "db-migrate", [program("airflow"), "db", "migrate"], env)
    )
    pools = home.path / "pools.json"
    wanted = json.dumps(
        {
            name: {"slots": slots, "description": "LLM calls in flight", "include_deferred": True}
            for name, slots in settings.pools.items()
        }
    )
    if not pools.exists() or pools.read_text(encoding="utf-8") != wanted:
        pools.write_text(wanted, encoding="utf-8")
        try:
            _run(home, "pools", [program("airflow"), "pools", "import", str(pools)], env)
        except BaseException:
            pools.unlink()
            raise


def _run(home: Home, name: str, command: Sequence[str], env: Mapping[str, str]) -> None:
    service = _log_file(home, name)
    service.parent.mkdir(parents=True, exist_ok=True)
    with service.open("wb") as output:
        result = subprocess.run(  # noqa: S603 - our own command
            command, env=dict(env), stdout=output, stderr=subprocess.STDOUT, check=False
        )
    if result.returncode:
        raise ServiceError(f"{' '.join(command[1:])} failed. The end of its log:\n{_tail(service)}")


def _wait(home: Home, deployment: Deployment) -> None:
    """Until the API and the model server answer."""
    deadline = time.monotonic() + _START_TIMEOUT_S
    while not _answers(deployment):
        for service in deployment.services:
            if not service.is_running():
                log = _log_file(home, service.name)
                raise ServiceError(f"{service.name} ended. The end of {log}:\n{_tail(log)}")
        if time.monotonic() > deadline:
            raise ServiceError(
                f"Airflow does not answer at {deployment.url} after {_START_TIMEOUT_S:.0f} s. "
                f"Its logs are in {_log_file(home, 'x').parent}."
            )
        time.sleep(0.5)


def _answers(deployment: Deployment) -> bool:
    try:
        if (
            deployment.llm_url
            and httpx.get(f"{deployment.llm_url}/models", timeout=5, trust_env=False).status_code != 200
        ):
            return False
        return httpx.get(f"{deployment.url}/api/v2/version", timeout=5, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def _tail(path: Path) -> str:
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(lines[-_TAIL_LINES:])
