"""Guards for all tests: nothing outside this machine, no key of the developer's, no home of his."""

from __future__ import annotations

import ipaddress
import os
import socket
import tempfile
from pathlib import Path

import pytest

# Before any test module imports Airflow, which reads AIRFLOW_HOME once and makes the folder.
_HOME = tempfile.TemporaryDirectory(prefix="daydreaming-tests-")
for _name in list(os.environ):
    if _name.startswith(("AIRFLOW_", "DAYDREAMING_")) or _name.endswith("_API_KEY"):
        del os.environ[_name]
os.environ["AIRFLOW_HOME"] = _HOME.name
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
os.environ["AIRFLOW__USAGE_DATA_COLLECTION__ENABLED"] = "False"
# Before NumPy: the threads of one test process would spin for the cores that the others need.
os.environ["OPENBLAS_NUM_THREADS"] = "1"

_connect, _connect_ex, _getaddrinfo = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo


def _refuse_others(address: object) -> None:
    if isinstance(address, tuple):  # text is a Unix socket
        _refuse_other_host(address[0])


def _refuse_other_host(host: object) -> None:
    """Names other than localhost count as others: a test has nothing to look up."""
    name = host.decode() if isinstance(host, bytes) else str(host or "")
    try:
        is_local = ipaddress.ip_address(name).is_loopback
    except ValueError:
        is_local = name in ("localhost", "", socket.gethostname())
    if not is_local:
        pytest.fail(f"a test tried to reach {name}; only loopback is allowed")


@pytest.fixture(autouse=True)
def _only_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(self: socket.socket, address: object) -> None:
        _refuse_others(address)
        _connect(self, address)  # type: ignore[arg-type]

    def connect_ex(self: socket.socket, address: object) -> int:
        _refuse_others(address)
        return _connect_ex(self, address)  # type: ignore[arg-type]

    def getaddrinfo(host: object, *args: object, **kwargs: object) -> object:
        _refuse_other_host(host)
        return _getaddrinfo(host, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(socket.socket, "connect_ex", connect_ex)


@pytest.fixture
def airflow_home() -> Path:
    """The temporary Airflow home of this test session."""
    return Path(_HOME.name)
