"""Runs the simulator as a child process, for tests, the demo and the benchmark."""

from __future__ import annotations

import json
import selectors
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from dataclasses import fields
from typing import IO, TYPE_CHECKING, Any, Self

from daydreaming.errors import DaydreamingError
from daydreaming.llm.simulator.behaviour import SimulatorConfig

if TYPE_CHECKING:
    from types import TracebackType

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 10.0
CALL_TIMEOUT_S = 30.0
_READY = "listening on "


class SimulatorProcess:
    """A simulator on loopback that ends with the ``with`` block, or with this process.

    Attributes:
        config: Settings that it was started with.

    Example:
        >>> with SimulatorProcess(SimulatorConfig(seed=7, rate_500=0.1)) as simulator:
        ...     simulator.base_url
        'http://127.0.0.1:40123/v1'
    """

    def __init__(
        self,
        config: SimulatorConfig | None = None,
        *,
        port: int = 0,
        start_timeout_s: float = START_TIMEOUT_S,
    ) -> None:
        self.config = config or SimulatorConfig()
        self._port = port
        self._start_timeout_s = start_timeout_s
        self._child: subprocess.Popen[str] | None = None
        self._errors: IO[str] | None = None
        self._base_url = ""
        # A proxy that is set for the world outside has no business on loopback.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

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
            raise DaydreamingError("The simulator is not running. Use it in a with block, or call start().")
        return self._base_url

    @property
    def root_url(self) -> str:
        """Where ``/stats`` and ``/control`` are; no slash at the end."""
        return self.base_url.removesuffix("/v1")

    @property
    def pid(self) -> int | None:
        """Process id; None where it is not running."""
        return self._child.pid if self._child else None

    def start(self) -> None:
        """Start the server and wait until it listens.

        Raises:
            DaydreamingError: It ended, or said nothing in time; holds what it wrote to stderr.
        """
        if self._child is not None:
            raise DaydreamingError(f"The simulator is already running at {self._base_url}.")
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115
        self._child = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "daydreaming.llm.simulator", *flags_of(self.config, self._port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        line = self._first_line(self._child)
        if not line.startswith(_READY):
            said = self._said() or "nothing"
            self.stop()
            limit = f"{self._start_timeout_s:g} s"
            raise DaydreamingError(f"The simulator ended or was not ready in {limit}. It said: {said}")
        self._base_url = line.removeprefix(_READY).strip()

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
            for pipe in (child.stdin, child.stdout):
                if pipe is not None:
                    pipe.close()
        if self._errors is not None:
            self._errors.close()
            self._errors = None

    def stats(self) -> dict[str, Any]:
        """The counters (``Stats.snapshot`` says what they are)."""
        return self._call("/stats")

    def reset(self, *, attempts: bool = False) -> None:
        """Set the counters to zero; with ``attempts`` also forget how often each prompt was tried."""
        self._call("/stats/reset", {"attempts": attempts})

    def control(self, **changes: object) -> dict[str, Any]:
        """Change settings for the calls from now on, as in ``control(rate_500=0.0, sticky=[])``.

        Returns:
            All settings that can be changed, as they now are.

        Raises:
            DaydreamingError: An unknown setting, or a value outside its range.
        """
        return self._call("/control", changes)

    def _call(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        try:
            with self._opener.open(self.root_url + path, data, timeout=CALL_TIMEOUT_S) as reply:
                answer: dict[str, Any] = json.load(reply)
        except urllib.error.HTTPError as error:
            with error:
                message = error.read().decode(errors="replace")
            raise DaydreamingError(f"The simulator answered {error.code} to {path}: {message}") from error
        return answer

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
        return self._errors.read()[-2000:].strip()


def flags_of(config: SimulatorConfig, port: int) -> list[str]:
    """The command-line flags that make a server with these settings."""
    flags = [f"--port={port}", "--until-stdin-closes"]
    for field in fields(config):
        value = getattr(config, field.name)
        if value is None or value == ():
            continue
        text = ",".join(str(item) for item in value) if isinstance(value, tuple) else str(value)
        flags.append(f"--{field.name.replace('_', '-')}={text}")
    return flags
