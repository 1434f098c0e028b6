"""The limit on requests per minute, as a sliding window."""

from __future__ import annotations

from collections import deque


class RateWindow:
    """Admits at most so many requests within any ``window_s`` seconds; refused ones do not count."""

    def __init__(self) -> None:
        self._admitted: deque[float] = deque()

    def admit(self, limit: int, window_s: float, now: float) -> float | None:
        """Admit a request at ``now`` (seconds of any clock); else the seconds until there is room."""
        while self._admitted and self._admitted[0] <= now - window_s:
            self._admitted.popleft()
        if len(self._admitted) < limit:
            self._admitted.append(now)
            return None
        # The limit may have been lowered since: then more than one has to leave the window.
        return self._admitted[-limit] + window_s - now
