"""A Redis server for tests, as docker-compose.yaml starts it: with an append-only file. Debian's program."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self

_START_TIMEOUT_S = 30.0


class RedisServer:
    """Redis on a port of loopback, until the ``with`` block ends."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="daydreaming-redis-"))
        self._server: subprocess.Popen[bytes] | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = int(probe.getsockname()[1])

    @property
    def url(self) -> str:
        """What Celery takes as its broker."""
        return f"redis://127.0.0.1:{self._port}/0"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def start(self) -> None:
        """Start it, on what it had stored before."""
        program = shutil.which("redis-server")
        assert program, "redis-server is not installed: apt-get install redis-server"
        options = ["--bind", "127.0.0.1", "--port", str(self._port), "--appendonly", "yes", "--save", ""]
        self._server = subprocess.Popen(
            [program, *options, "--dir", str(self._folder)], stdout=subprocess.DEVNULL
        )
        until = time.monotonic() + _START_TIMEOUT_S
        while not self._answers():
            assert self._server.poll() is None, "Redis ended"
            assert time.monotonic() < until, "Redis does not answer"
            time.sleep(0.05)

    def kill(self) -> None:
        """End it as a crash does."""
        if self._server is not None:
            self._server.kill()
            self._server.wait()
            self._server = None

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self._port), timeout=5) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(7) == b"+PONG\r\n"
        except OSError:
            return False
