"""The container engine of this machine: Docker with its compose, else podman with podman-compose."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_STAND_INS = Path(__file__).with_name("stand_ins") / "build.sh"
NEITHER = (
    "Neither Docker nor podman runs here, so the compose file was not tried. Install Docker with its compose "
    "plugin and start it. Or, on Debian as root: podman, buildah, runc, netavark, aardvark-dns, iptables, "
    "and debootstrap where no image registry can be reached. See docs/deployment.md."
)


class CommandError(AssertionError):
    """A command of the engine failed; shows the end of what it printed."""


def run(
    command: Sequence[str], *, timeout_s: float = 120, check: bool = True, cwd: Path = ROOT, typed: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run a command, with what is typed into it; its output is text, stderr with stdout."""
    result = subprocess.run(
        command,
        input=typed,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=timeout_s,
        cwd=cwd,
        check=False,
    )
    if check and result.returncode:
        raise CommandError(f"{' '.join(command)}: exit code {result.returncode}\n{result.stdout[-4000:]}")
    return result


@dataclass(frozen=True)
class Engine:
    """Docker or podman."""

    is_podman: bool

    @property
    def program(self) -> str:
        """The engine's own command."""
        return "podman" if self.is_podman else "docker"

    def compose(self, project: str, env_file: Path, *profiles: str) -> list[str]:
        """The command that takes compose's own commands."""
        start = [str(_podman_compose())] if self.is_podman else ["docker", "compose"]
        chosen = [part for profile in profiles for part in ("--profile", profile)]
        return [*start, "--project-name", project, "--env-file", str(env_file), *chosen]

    def container(self, project: str, service: str, number: int = 1) -> str:
        """Name of a container of a service."""
        return ("_" if self.is_podman else "-").join((project, service, str(number)))

    def is_healthy(self, container: str) -> bool:
        """Whether the service's own health check passes."""
        if self.is_podman:  # without systemd nothing runs the checks, so this does
            return run(["podman", "healthcheck", "run", container], check=False).returncode == 0
        status = run(["docker", "inspect", "--format", "{{.State.Health.Status}}", container], check=False)
        return status.stdout.strip() == "healthy"

    def provide_images(self, images: Sequence[str]) -> None:
        """See that the public images are there; podman gets stand-ins for those that cannot be pulled."""
        if not self.is_podman:
            return  # compose pulls them
        for image in images:
            name = f"docker.io/{image}" if "/" in image else f"docker.io/library/{image}"
            if run(["podman", "image", "exists", name], check=False).returncode == 0:
                continue
            pulled = run(["podman", "pull", "--quiet", name], timeout_s=1800, check=False)
            if pulled.returncode:
                print(f"{name} cannot be pulled; building a stand-in from packages", flush=True)
                run(["bash", str(_STAND_INS), name], timeout_s=3600)

    def kill(self, container: str) -> None:
        """End a container at once, and for good."""
        run([self.program, "kill", "--signal", "KILL", container])
        # podman starts it again, as its restart policy says, unless it was stopped.
        run([self.program, "stop", "-t", "0", container])


def find_engine() -> Engine | None:
    """What runs here; None where neither does."""
    if shutil.which("docker") and _works("docker", "info") and _works("docker", "compose", "version"):
        return Engine(is_podman=False)
    if shutil.which("podman") and _podman_compose().exists() and _works("podman", "info"):
        return Engine(is_podman=True)
    return None


def _works(*command: str) -> bool:
    return run(command, check=False).returncode == 0


def _podman_compose() -> Path:
    return Path(sys.executable).with_name("podman-compose")
