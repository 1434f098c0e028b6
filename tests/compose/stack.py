"""The compose file, started for real, with the simulator as its provider."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from daydreaming.cli.rest import AirflowClient
from tests.compose.engine import ROOT, Engine, run

AIRFLOW_SERVICES = (
    "airflow-apiserver",
    "airflow-scheduler",
    "airflow-dag-processor",
    "airflow-triggerer",
    "airflow-triggerer-2",
    "airflow-worker",
)
SERVICES = ("postgres", "redis", "simulator", "statsd-exporter", "prometheus", *AIRFLOW_SERVICES)
PROFILES = ("simulator", "triggerer-2", "metrics", "cli")
#: What a deployment is beside its image: a checkout has more.
_FILES = (
    "docker-compose.yaml",
    "docker-compose.override.example.yaml",
    ".env.example",
    "deploy",
    "data/01_raw",
    "data/experiments",
)
_ASK = """
import sys, urllib.request
url, body = sys.argv[1], sys.argv[2].encode() or None
print(urllib.request.urlopen(url, body).read().decode())
"""
#: On a busy machine with 2 cores init takes minutes, and so do the services after it.
_START_TIMEOUT_S = 1800.0
_RUN_TIMEOUT_S = 1800.0


@dataclass(frozen=True)
class Stack:
    """What was started.

    Attributes:
        folder: Holds the compose file, what it mounts, and ``.env``.
        services: Those that go on, beside the one-shot init.
    """

    engine: Engine
    project: str
    folder: Path
    port: int
    services: Sequence[str] = SERVICES

    @property
    def env_file(self) -> Path:
        """The settings of the deployment."""
        return self.folder / ".env"

    @property
    def url(self) -> str:
        """Where the API server is."""
        return f"http://127.0.0.1:{self.port}"

    def setting(self, name: str) -> str:
        """What ``.env`` says."""
        found = re.search(rf"^{name}=(.*)$", self.env_file.read_text(encoding="utf-8"), re.MULTILINE)
        assert found, name
        return found[1]

    def compose(self, *arguments: str, timeout_s: float = 600, check: bool = True) -> str:
        """Output of a command of compose."""
        command = self.engine.compose(self.project, self.env_file, *PROFILES)
        return run([*command, *arguments], timeout_s=timeout_s, check=check, cwd=self.folder).stdout

    def shell(self, line: str) -> str:
        """Carry out a line of the docs in the deployment's folder, as a person does; returns its output.

        ``docker compose`` is the engine's compose, for this project. Where there is no sudo, none is needed.
        """
        compose = shlex.join(self.engine.compose(self.project, self.env_file, "cli"))
        # podman 4 cannot start a container whose dependency's dependency runs already.
        options = "-T --no-deps" if self.engine.is_podman else "-T"
        functions = (
            f'docker() {{ local what=$2; shift 2; [ "$what" != run ] || set -- {options} "$@"; '
            f'{compose} "$what" "$@"; }}; command -v sudo >/dev/null || sudo() {{ "$@"; }}; '
        )
        command = ["bash", "-c", f"{functions}set -e\n{line}"]
        return run(command, timeout_s=_RUN_TIMEOUT_S, cwd=self.folder).stdout

    def container(self, service: str) -> str:
        """Name of a service's container."""
        return self.engine.container(self.project, service)

    def execute(self, service: str, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command in a service's container."""
        return run([self.engine.program, "exec", self.container(service), *command], check=check)

    def sql(
        self, database: str, statement: str, *, user: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """What psql prints, as a user of the deployment."""
        user = user or database
        secret = {"airflow": "AIRFLOW_DB_PASSWORD", "daydreaming": "RESULTS_DB_PASSWORD"}[user]
        url = f"postgresql://{user}:{self.setting(secret)}@postgres/{database}"
        return self.execute(
            "postgres", "psql", url, "--tuples-only", "--no-align", "-c", statement, check=False
        )

    def daydreaming(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the package's command in a container of its own, as the docs say."""
        command = self.engine.compose(self.project, self.env_file, "cli")
        no_deps = ["--no-deps"] if self.engine.is_podman else []
        return run(
            [*command, "run", "--rm", "-T", *no_deps, "cli", "daydreaming", *arguments],
            timeout_s=_RUN_TIMEOUT_S,
            check=False,
            cwd=self.folder,
        )

    def simulator(self, path: str, **body: object) -> dict[str, Any]:
        """What the simulator says, which no port of the host reaches."""
        url, sent = f"http://127.0.0.1:8000{path}", json.dumps(body) if body else ""
        return dict(json.loads(self.execute("simulator", "python", "-c", _ASK, url, sent).stdout))

    def client(self) -> AirflowClient:
        """The REST API, as the first admin."""
        return AirflowClient(self.url, self.setting("ADMIN_USER"), self.setting("ADMIN_PASSWORD"))

    def up(self) -> None:
        """Start everything and wait until every service's own health check passes."""
        self.start("airflow-init", *self.services)
        self.wait("airflow-init", *self.services)

    def wait(self, *services: str) -> None:
        """Wait until each service's own health check passes, and the one-shot init has done its work."""
        waiting = list(services)
        deadline = time.monotonic() + _START_TIMEOUT_S
        while waiting:
            waiting = [name for name in waiting if not self._is_ready(name)]
            assert time.monotonic() < deadline, self._why_not(waiting)
            time.sleep(2)
            print(f"waiting for {', '.join(waiting) or 'nothing'}", flush=True)

    def start(self, *services: str) -> None:
        """Start services, and wait for nothing."""
        # podman 4 cannot start a container whose dependency's dependency runs already; and so this shows
        # that the services wait for what they need by themselves.
        no_deps = ["--no-deps"] if self.engine.is_podman else []
        self.compose("up", "--detach", "--no-build", *no_deps, *services, timeout_s=_START_TIMEOUT_S)

    def state(self, service: str) -> dict[str, Any]:
        """What the engine says of a service's container; its state is in ``State``."""
        found = run([self.engine.program, "inspect", self.container(service)]).stdout
        return dict(json.loads(found)[0])

    def _is_ready(self, service: str) -> bool:
        if service != "airflow-init":
            return self.engine.is_healthy(self.container(service))
        state = self.state(service)["State"]
        return (state["Status"].lower(), state["ExitCode"]) == ("exited", 0)

    def _why_not(self, services: Sequence[str]) -> str:
        logs = (
            run([self.engine.program, "logs", "--tail", "30", self.container(name)], check=False).stdout
            for name in ("airflow-init", *services)
        )
        return f"not healthy: {', '.join(services)}\n" + "\n".join(logs)

    def down(self, *options: str) -> None:
        """Stop and remove the containers; with ``--volumes`` what they stored, too."""
        self.compose("down", *options, timeout_s=600)


@contextmanager
def running_stack(engine: Engine, folder: Path) -> Iterator[Stack]:
    """Secrets, images, everything up; everything removed in the end, volumes included."""
    image = "localhost/daydreaming-compose-test:latest"
    port = _free_port()
    for name in _FILES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    write_env(
        folder,
        DAYDREAMING_IMAGE=image,
        PORT=str(port),
        PUBLIC_URL=f"http://127.0.0.1:{port}",
        LOCAL_LLM_URL="http://simulator:8000/v1",
        API_WORKERS="1",
        WORKER_CONCURRENCY="4",
        METRICS="true",
        DAYDREAMING_DAILY_BUDGET_USD="5",
    )
    services = yaml.safe_load((ROOT / "docker-compose.yaml").read_text(encoding="utf-8"))["services"]
    named = [services[name]["image"] for name in SERVICES]
    public = [name for name in named if "DAYDREAMING_IMAGE" not in name]
    engine.provide_images([f"apache/airflow:{airflow_version()}", *public])
    print("Building the image", flush=True)
    engine.build(image)
    stack = Stack(engine, f"daydreaming-test-{port}", folder, port)
    try:
        stack.up()
        yield stack
    finally:
        stack.down("--volumes")


def write_env(folder: Path, **settings: str) -> Path:
    """``.env`` as `make secrets` makes it, with other settings."""
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    (folder / ".env.example").write_text(example, encoding="utf-8")
    run([sys.executable, str(ROOT / "deploy" / "make_secrets.py"), str(folder)])
    env_file = folder / ".env"
    text = env_file.read_text(encoding="utf-8")
    for name, value in settings.items():
        text, count = re.subn(rf"^{name}=.*$", f"{name}={value}", text, flags=re.MULTILINE)
        assert count == 1, name
    env_file.write_text(text, encoding="utf-8")
    return env_file


def airflow_version() -> str:
    """Version of the image that ours is built on."""
    found = re.search(
        r"^FROM apache/airflow:(\S+)", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert found
    return found[1]


@contextmanager
def log_in(url: str, user: str, password: str) -> Iterator[httpx.Client]:
    """A browser's session: the login form of the FAB auth manager, its token, its cookies."""
    with httpx.Client(base_url=url, follow_redirects=True, timeout=60, trust_env=False) as browser:
        form = browser.get("/auth/login/")
        token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', form.text)
        assert token, form.text[:2000]
        data = {"username": user, "password": password, "csrf_token": token[1]}
        browser.post("/auth/login/", data=data, headers={"Referer": f"{url}/auth/login/"})
        yield browser


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
