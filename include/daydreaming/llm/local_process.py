"""Runs the local model server as a child process, for tests and the benchmark."""

from __future__ import annotations

import selectors
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from types import TracebackType
from typing import IO, Self

from daydreaming.errors import DaydreamingError
from daydreaming.llm.local import READY

START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 10.0
_SHOWN_LINES = 15


class LocalServerProcess:
    """The local model on a free port of loopback; ends with the ``with`` block.

    Example:
        >>> with LocalServerProcess() as server:
        ...     server.base_url
        'http://127.0.0.1:40123/v1'
    """

    def __init__(self, arguments: Sequence[str] = (), *, start_timeout_s: float = START_TIMEOUT_S) -> None:
        self._arguments = tuple(arguments)
        self._start_timeout_s = start_timeout_s
        self._child: subprocess.Popen[str] | None = None
        self._errors: IO[str] | None = None
        self._base_url = ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def base_url(self) -> str:
        """What an OpenAI client takes as its base URL; ends in ``/v1``."""
        if not self._base_url:
            raise DaydreamingError("The local model is not running. Use it in a with block, or call start().")
        return self._base_url

    @property
    def pid(self) -> int | None:
        """Process id; None where it is not running."""
        return self._child.pid if self._child else None

    def start(self) -> None:
        """Start the server and wait until it answers.

        Raises:
            DaydreamingError: It ended, or was not ready in time; holds the last lines that it wrote.
        """
        if self._child is not None:
            raise DaydreamingError("The local model is already running.")
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115
        self._child = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "daydreaming.llm.local", *self._arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        line = self._first_line(self._child)
        if not line.startswith(READY):
            said = self._said() or "nothing"
            self.stop()
            raise DaydreamingError(
                f"The local model ended or was not ready in {self._start_timeout_s:g} s. It said:\n{said}"
            )
        self._base_url = line.removeprefix(READY).strip()

    def stop(self) -> None:
        """End the server and wait for it; calls in flight are cut off. Harmless when it is not running."""
        child, self._child, self._base_url = self._child, None, ""
        if child is not None:
            child.terminate()
            try:
                child.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
            if child.stdout is not None:
                child.stdout.close()
        if self._errors is not None:
            self._errors.close()
            self._errors = None

    def _first_line(self, child: subprocess.Popen[str]) -> str:
        if child.stdout is None:
            return ""
        # Not select(): it refuses file descriptors above 1,023.
        with selectors.DefaultSelector() as selector:
            selector.register(child.stdout, selectors.EVENT_READ)
            ready = selector.select(self._start_timeout_s)
        return child.stdout.readline() if ready else ""

    def _said(self) -> str:
        if self._errors is None:
            return ""
        self._errors.seek(0)
        return "\n".join(self._errors.read().splitlines()[-_SHOWN_LINES:])
