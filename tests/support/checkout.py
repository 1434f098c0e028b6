"""A checkout of the project in a folder of its own, in which everything is installed already.

A copy and no clone: what is not committed yet is tried too. That a clone has all that it needs is seen
where CI begins with one.
"""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from daydreaming.cli.environment import Home
from daydreaming.cli.services import stop
from tests.support.documents import ROOT
from tests.support.shell import link_programs, plain_environment, type_in_shell

_FOLDERS = ("include", "dags", "plugins", "data/01_raw", "data/experiments")
_FILES = ("Makefile", "pyproject.toml", "requirements*")
#: What `make` makes last in an environment. They are newer than the locks, so nothing is installed anew.
_STAMPS = (".installed", ".demo-installed")


@dataclass(frozen=True)
class Checkout:
    """The copy.

    Attributes:
        env: Of the shells in which something is typed in it.
    """

    folder: Path
    env: Mapping[str, str]

    @property
    def home(self) -> Home:
        """The Airflow home of what is started in it."""
        return Home(self.folder / ".airflow")

    def type(self, text: str, **settings: str) -> str:
        """Type lines in it; what they print."""
        return type_in_shell(text, self.folder, {**self.env, **settings}).stdout


@contextmanager
def checkout(folder: Path) -> Iterator[Checkout]:
    """Make one; what was started in it is stopped at the end."""
    for name in _FOLDERS:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for pattern in _FILES:
        for path in ROOT.glob(pattern):
            shutil.copy(path, folder)
    link_programs(folder)
    for stamp in _STAMPS:
        (folder / ".venv" / stamp).touch()
    # The package is found in the copy, before the one that is installed; by a process in isolated mode (the
    # trial of templates) in the latter, which is the same where nobody edits it meanwhile. A port of its own:
    # two that start at once would both find 8080 free.
    path = os.pathsep.join(filter(None, (str(folder / "include"), os.environ.get("PYTHONPATH"))))
    env = plain_environment(PYTHONPATH=path, AIRFLOW__API__PORT=str(_free_port()))
    del env["AIRFLOW_HOME"]
    made = Checkout(folder, env)
    try:
        yield made
    finally:
        stop(made.home)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
