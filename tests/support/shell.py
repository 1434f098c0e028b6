"""Type what a document shows, in a real shell."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

#: The programs of this environment: ``daydreaming``, ``pytest`` and so on.
PROGRAMS = Path(sys.executable).parent
#: Of a `make` that runs the tests: one that is typed in a test would take them for its own.
_OF_MAKE = ("MAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MFLAGS")
_SHOWN_CHARS = 4000
_TIMEOUT_S = 900.0


def plain_environment(**settings: str) -> dict[str, str]:
    """This process's environment with our programs on the path, and some settings."""
    env = {name: value for name, value in os.environ.items() if name not in _OF_MAKE}
    return {**env, "PATH": f"{PROGRAMS}{os.pathsep}{env['PATH']}", **settings}


def type_in_shell(
    text: str, folder: Path, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Let bash carry out lines, which end with the first that fails.

    Args:
        text: The lines.
        folder: Where they are typed.
        env: Of the shell; by default as of ``plain_environment``.
    """
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text],
        cwd=folder,
        env=dict(plain_environment() if env is None else env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    said = f"{done.stdout[-_SHOWN_CHARS:]}\n{done.stderr[-_SHOWN_CHARS:]}"
    assert done.returncode == 0, f"exit code {done.returncode}:\n{text}\n{said}"
    return done


def link_programs(folder: Path) -> None:
    """Let ``.venv`` of a folder hold this environment's programs and packages."""
    environment = folder / ".venv"
    environment.mkdir()
    for name in ("bin", "lib", "pyvenv.cfg"):
        (environment / name).symlink_to(Path(sys.prefix) / name)
