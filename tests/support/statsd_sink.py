"""A StatsD server: a UDP socket on loopback that keeps what Airflow's `stats` send to it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

_READ_EVERY_S = 0.05


@dataclass(frozen=True)
class Sample:
    """One line: with Airflow's prefix and the tags taken from the name."""

    name: str
    kind: str
    value: float
    tags: Mapping[str, str] = field(default_factory=dict)


def parse_line(line: str) -> Sample:
    """Read a line as the StatsD exporter does: `name,tag=value,…:value|kind`."""
    name, _, rest = line.partition(":")
    value, kind = rest.split("|")[:2]
    name, *tags = name.split(",")
    return Sample(name, kind, float(value), dict(tag.split("=", 1) for tag in tags))


class StatsdSink:
    """What has come; use it within ``statsd_sink``."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.setblocking(False)
        self._samples: list[Sample] = []
        self._reading = threading.Lock()

    @property
    def port(self) -> int:
        """UDP port on 127.0.0.1."""
        return self._socket.getsockname()[1]

    def close(self) -> None:
        """Listen no more."""
        self._socket.close()

    def samples(self, prefix: str = "airflow.daydreaming.") -> list[Sample]:
        """All samples so far whose name begins so, in the order in which they came."""
        with self._reading:
            while True:
                try:
                    data = self._socket.recv(1 << 16)
                except BlockingIOError:
                    break
                self._samples += map(parse_line, data.decode().splitlines())
        return [sample for sample in self._samples if sample.name.startswith(prefix)]

    def total(self, name: str, **tags: str) -> float:
        """The sum of a metric of ours, over all samples that have these tags."""
        found = [s for s in self.samples() if s.name == f"airflow.{name}" and tags.items() <= s.tags.items()]
        return sum(sample.value for sample in found)

    @contextmanager
    def kept_up(self) -> Iterator[None]:
        """Read what comes meanwhile: a socket holds a few hundred samples, and drops what is more."""
        ended = threading.Event()

        def read() -> None:
            while not ended.wait(_READ_EVERY_S):
                self.samples()

        thread = threading.Thread(target=read, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


def statsd_environment(port: int) -> dict[str, str]:
    """How docker-compose.yaml configures Airflow, with another host."""
    return {
        "AIRFLOW__METRICS__STATSD_ON": "true",
        "AIRFLOW__METRICS__STATSD_HOST": "127.0.0.1",
        "AIRFLOW__METRICS__STATSD_PORT": str(port),
        "AIRFLOW__METRICS__STATSD_INFLUXDB_ENABLED": "true",
        "AIRFLOW__METRICS__LEGACY_NAMES_ON": "false",
    }


def reset_stats() -> None:
    """Let Airflow's `stats` read their configuration anew, as each service does when it starts."""
    from airflow.sdk.configuration import conf
    from airflow.sdk.observability import stats
    from airflow.sdk.observability.metrics import stats_utils

    stats.initialize(
        factory=stats_utils.get_stats_factory(),
        export_legacy_names=conf.getboolean("metrics", "legacy_names_on"),
    )


@contextmanager
def statsd_sink() -> Iterator[StatsdSink]:
    """Serve one, and let this process send to it."""
    sink = StatsdSink()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in statsd_environment(sink.port).items():
            patch.setenv(name, value)
        reset_stats()
        try:
            yield sink
        finally:
            patch.undo()
            reset_stats()
            sink.close()
