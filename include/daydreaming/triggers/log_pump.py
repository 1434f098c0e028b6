"""Let no trigger wait for its log line to be read.

Airflow's triggerer and the process that it runs triggers in talk over two sockets, both written
with blocking calls. Where many triggers start and end at once, the triggerer is still sending new
ones when the log's socket is full: each waits for the other to read, for ever (Airflow 3.3.2;
docs/adr/0013-a-pump-for-the-triggerers-logs.md). So a thread takes what is logged off the socket at
once, and hands it on as fast as it is read.
"""

from __future__ import annotations

import atexit
import os
import queue
import threading
from typing import Any

_CHUNK = 1 << 16
_FLUSH_TIMEOUT_S = 5.0

_lock = threading.Lock()
_pumps: dict[int, LogPump] = {}


class LogPump:
    """Puts an unbounded queue between whoever writes to a file descriptor and where that leads.

    Args:
        descriptor: Of a pipe or socket; from now on, writing to it never blocks for long.
    """

    def __init__(self, descriptor: int) -> None:
        self._target = os.dup(descriptor)
        self._source, sink = os.pipe()
        # Whoever has the descriptor goes on writing to it, and knows nothing of the change.
        os.dup2(sink, descriptor)
        os.close(sink)
        self._descriptor = descriptor
        self._chunks: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=work, name=f"daydreaming-log-{name}", daemon=True)
            for name, work in (("in", self._take), ("out", self._hand_on))
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Hand on what was written, and put the descriptor back."""
        os.dup2(self._target, self._descriptor)
        for thread in self._threads:
            thread.join(_FLUSH_TIMEOUT_S)

    def _take(self) -> None:
        while chunk := os.read(self._source, _CHUNK):
            self._chunks.put(chunk)
        self._chunks.put(b"")

    def _hand_on(self) -> None:
        while chunk := self._chunks.get():
            view = memoryview(chunk)
            while view:
                view = view[os.write(self._target, view) :]


def unblock_logs() -> None:
    """Put a pump in front of this process's log, once, where it goes to a supervisor."""
    pid = os.getpid()
    if pid in _pumps:
        return
    descriptor = _log_descriptor()
    with _lock:
        if descriptor is None or pid in _pumps:
            return
        _pumps[pid] = LogPump(descriptor)
        atexit.register(_pumps[pid].close)


def _log_descriptor() -> int | None:
    """The descriptor that structlog writes JSON lines to; None where it is not a supervisor's socket."""
    import stat

    import structlog

    factory: Any = structlog.get_config()["logger_factory"]
    try:
        descriptor = int(factory.io.fileno())
        mode = os.fstat(descriptor).st_mode
    except (AttributeError, OSError, ValueError):
        return None
    return descriptor if stat.S_ISSOCK(mode) and descriptor > 2 else None
