"""The compose file, started for real, with the simulator as its provider."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
import yaml

from daydreaming.cli.rest import AirflowClient
from tests.compose import documented
from tests.compose.documented import lines
from tests.compose.engine import ROOT, Engine, run

#: Grafana, the third of the profile, has no stand-in where no image registry can be reached.
METRICS_SERVICES = ("statsd-exporter", "prometheus")
AIRFLOW_SERVICES = (
    "airflow-apiserver",
    "airflow-scheduler",
    "airflow-dag-processor",
    "airflow-triggerer",
    "airflow-triggerer-2",
    "airflow-worker",
)
SERVICES = ("postgres", "redis", "simulator", *METRICS_SERVICES, *AIRFLOW_SERVICES)
PROFILES = ("simulator", "triggerer-2", "metrics", "cli")
_AS_DOCKER = Path(__file__).with_name("as_docker.sh")
_ASK = """
import sys, urllib.request
url, body = sys.argv[1], sys.argv[2].encode() or None
print(urllib.request.urlopen(url, body).read().decode())
"""
#: On a busy machine with 2 cores init takes minutes, and so do the services after it.
_START_TIMEOUT_S = 1800.0
_RUN_TIMEOUT_S = 1800.0
#: Airflow counts a triggerer as dead after 30 s; the leases of its calls run out within 90 s.
_WAIT_TIMEOUT_S = 900.0
#: An image may have to be built.
_TYPED_TIMEOUT_S = 3600.0

Found = TypeVar("Found")


@dataclass(frozen=True)
class Stack:
    """What was started.

    Attributes:
        folder: A clone of ``upstream``, and ``.env``.
        typed: The lines that were typed in it.
    """

    engine: Engine
    project: str
    folder: Path
    port: int
    typed: list[str] = field(default_factory=list)

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

    @property
    def upstream(self) -> Path:
        """The repository that the deployment was cloned from, which is not the project's own."""
        return self.folder.with_name("upstream")

    def shell(self, line: str, *, answer: str = "") -> str:
        """Type a line of the docs in the deployment's folder, as a person does; returns its output.

        Args:
            line: As it stands there; ``docker`` is the engine, and its project this one.
            answer: What is typed while it runs.
        """
        compose = shlex.join(self.engine.compose(self.project, self.env_file))
        names = f"ENGINE={self.engine.program} PROJECT={self.project} COMPOSE=({compose})"
        script = f"set -eu; {names}; . {shlex.quote(str(_AS_DOCKER))}\n{line}"
        out = run(["bash", "-c", script], timeout_s=_TYPED_TIMEOUT_S, cwd=self.folder, typed=answer).stdout
        print(f"$ {line}\n{out}", flush=True)
        self.typed.append(line)
        return out

    def container(self, service: str, number: int = 1) -> str:
        """Name of a service's container."""
        return self.engine.container(self.project, service, number)

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
    """Start everything by the commands of the docs; everything is removed in the end, volumes included."""
    port = _free_port()
    engine.provide_images([f"apache/airflow:{airflow_version()}", *_public_images()])
    stack = Stack(engine, f"daydreaming-test-{port}", folder, port)
    _clone(stack)
    secrets, build_and_start, admin = lines(documented.START)
    use_simulator, start_simulator, _ = lines(documented.SIMULATOR)
    [start_metrics] = lines(documented.METRICS)
    stack.shell(secrets)
    assert stack.setting("ADMIN_PASSWORD") in stack.shell(admin)
    change_settings(
        stack.env_file,
        DAYDREAMING_IMAGE="localhost/daydreaming-compose-test:latest",
        PORT=str(port),
        PUBLIC_URL=stack.url,
        API_WORKERS="1",
        WORKER_CONCURRENCY="4",
        METRICS="true",
        DAYDREAMING_DAILY_BUDGET_USD="5",
    )
    # Before the first start, which the page has first: else all services would start twice.
    stack.shell(use_simulator)
    try:
        stack.shell(build_and_start)
        stack.shell(start_simulator)
        stack.shell(documented.inline("docker compose --profile triggerer-2"))
        stack.shell(f"{start_metrics} {' '.join(METRICS_SERVICES) if engine.is_podman else ''}")
        stack.wait("airflow-init", *SERVICES)
        yield stack
    finally:
        stack.down("--volumes")


def _clone(stack: Stack) -> None:
    """Clone the project as it stands in this working tree, committed or not."""
    listed = run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (stack.upstream / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, stack.upstream / name)
    run(["git", "init", "--quiet"], cwd=stack.upstream)
    commit(stack, "The first release")
    run(["git", "clone", "--quiet", str(stack.upstream), str(stack.folder)])


def commit(stack: Stack, subject: str) -> None:
    """Commit all that is in the upstream repository."""
    author = ("-c", "user.name=A Test", "-c", "user.email=test@example.org")
    run(["git", "add", "--all"], cwd=stack.upstream)
    run(["git", *author, "commit", "--quiet", "--message", subject], cwd=stack.upstream)


def _public_images() -> list[str]:
    """Of the services that are tried, those that are not built here."""
    ours, caddys = (
        yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))["services"]
        for name in ("docker-compose.yaml", "deploy/caddy/docker-compose.yaml")
    )
    named = [ours[name]["image"] for name in SERVICES]
    return [*(image for image in named if "DAYDREAMING_IMAGE" not in image), caddys["caddy"]["image"]]


def write_env(folder: Path, **settings: str) -> Path:
    """``.env`` as `make secrets` makes it, with other settings."""
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    (folder / ".env.example").write_text(example, encoding="utf-8")
    run([sys.executable, str(ROOT / "deploy" / "make_secrets.py"), str(folder)])
    change_settings(folder / ".env", **settings)
    return folder / ".env"


def change_settings(env_file: Path, **settings: str) -> None:
    """Set what is named in it already."""
    text = env_file.read_text(encoding="utf-8")
    for name, value in settings.items():
        text, count = re.subn(rf"^{name}=.*$", f"{name}={value}", text, flags=re.MULTILINE)
        assert count == 1, name
    env_file.write_text(text, encoding="utf-8")


def airflow_version() -> str:
    """Version of the image that ours is built on."""
    found = re.search(
        r"^FROM apache/airflow:(\S+)", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert found
    return found[1]


def wait_for(what: str, look: Callable[[], Found]) -> Found:
    """Look every second until there is something; returns it."""
    deadline = time.monotonic() + _WAIT_TIMEOUT_S
    while not (found := look()):
        assert time.monotonic() < deadline, f"no {what}"
        time.sleep(1)
    return found


@contextmanager
def log_in(
    url: str, user: str, password: str, *, verify: ssl.SSLContext | bool = True
) -> Iterator[httpx.Client]:
    """A browser's session: the login form of the FAB auth manager, its token, its cookies."""
    options: dict[str, Any] = {"follow_redirects": True, "timeout": 60, "trust_env": False, "verify": verify}
    with httpx.Client(base_url=url, **options) as browser:
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
