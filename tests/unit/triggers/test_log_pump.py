"""Log lines never wait for the supervisor that reads them."""

from __future__ import annotations

import os
import socket

import pytest
import structlog

from daydreaming.triggers import log_pump
from daydreaming.triggers.log_pump import LogPump, unblock_logs

LINE = b"x" * 999 + b"\n"


@pytest.fixture
def channel():
    ours, supervisors = socket.socketpair()
    with ours, supervisors:
        yield ours, supervisors


def read_all(end: socket.socket, size: int) -> bytes:
    end.settimeout(20)
    found = b""
    while len(found) < size:
        found += end.recv(1 << 20)
    return found


def test_writing_goes_on_though_nobody_reads(channel):
    ours, supervisors = channel
    pump = LogPump(ours.fileno())
    lines = [str(number).encode() + LINE for number in range(5000)]  # many times what the socket holds
    for line in lines:
        os.write(ours.fileno(), line)
    assert read_all(supervisors, sum(map(len, lines))) == b"".join(lines)
    pump.close()


def test_what_was_written_before_the_end_is_handed_on(channel):
    ours, supervisors = channel
    pump = LogPump(ours.fileno())
    os.write(ours.fileno(), LINE)
    pump.close()
    os.write(ours.fileno(), b"after")
    assert read_all(supervisors, len(LINE) + 5) == LINE + b"after"


def test_a_process_that_logs_to_no_supervisor_is_left_alone(monkeypatch, tmp_path):
    monkeypatch.setattr(log_pump, "_pumps", {})
    with (tmp_path / "log").open("wb") as file:
        for io in (file, None):
            factory = type("Factory", (), {"io": io})()
            monkeypatch.setattr(structlog, "get_config", lambda made=factory: {"logger_factory": made})
            unblock_logs()
    assert log_pump._pumps == {}


def test_a_supervisors_socket_gets_one_pump(channel, monkeypatch):
    monkeypatch.setattr(log_pump, "_pumps", {})
    factory = type("Factory", (), {"io": channel[0]})()
    monkeypatch.setattr(structlog, "get_config", lambda: {"logger_factory": factory})
    unblock_logs()
    [pump] = log_pump._pumps.values()
    unblock_logs()
    assert list(log_pump._pumps.values()) == [pump]
    pump.close()
