"""What the simulator counts. No clock of its own: callers pass the time."""

from __future__ import annotations

import hashlib
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from daydreaming.llm.simulator.behaviour import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_DUPLICATES_LISTED = 100

Unanswered = Literal["rpm", "max_tokens", "client_gone", "batch_failed"]


def call_key(model: str, prompt: str) -> bytes:
    """What tells the calls of one prompt on one model from all others."""
    return hashlib.sha256(model.encode("utf-8", "surrogatepass") + b"\0" + _sha256(prompt).digest()).digest()


@dataclass
class ModelStats:
    """Counters of one model.

    Attributes:
        answered: Complete, usable answers that were sent in full; an unreadable one is among them.
        faults: Calls by fault that was served.
        unanswered: Other calls without a complete answer: refused by ``rpm``, cut at ``max_tokens``,
            ``client_gone`` (it hung up before its answer; a timeout or a drop stays that fault), or
            ``batch_failed`` (a member of a batch).
        statuses: Responses by HTTP status; a connection without a response is not among them, nor is a
            batch's member.
        first_at: Arrival of the first call, seconds since 1970; ``last_at`` of the last.
    """

    first_at: float
    last_at: float
    calls: int = 0
    answered: int = 0
    in_flight: int = 0
    peak_concurrency: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    unanswered: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)

    def snapshot(self) -> dict[str, Any]:
        """The counters, ready for JSON."""
        return {
            "calls": self.calls,
            "answered": self.answered,
            "faults": dict(self.faults),
            "unanswered": dict(self.unanswered),
            "status_codes": dict(self.statuses),
            "in_flight": self.in_flight,
            "peak_concurrency": self.peak_concurrency,
            "first_call_at": _iso(self.first_at),
            "last_call_at": _iso(self.last_at),
        }


class Stats:
    """Counters of one server since its start or the last reset."""

    def __init__(self) -> None:
        self.bad_requests: Counter[str] = Counter()
        self.batches: Counter[str] = Counter()
        self.in_flight = 0
        self.peak_concurrency = 0
        self._models: dict[str, ModelStats] = {}
        self._answers: Counter[bytes] = Counter()
        self._duplicates = 0
        self._duplicate_prompts: list[str] = []

    def arrived(self, model: str, now: float) -> ModelStats:
        """Count a well-formed call; returns the counters of its model."""
        counters = self._models.setdefault(model, ModelStats(first_at=now, last_at=now))
        counters.calls += 1
        counters.last_at = now
        return counters

    @contextmanager
    def working(self, counters: ModelStats) -> Iterator[None]:
        """Count a call as in flight; one that is refused at once never is."""
        for gauge in (self, counters):
            gauge.in_flight += 1
            gauge.peak_concurrency = max(gauge.peak_concurrency, gauge.in_flight)
        try:
            yield
        finally:
            self.in_flight -= 1
            counters.in_flight -= 1

    def ended(
        self,
        counters: ModelStats,
        prompt: str,
        key: bytes,
        status: int | None,
        failure: Fault | Unanswered | None,
    ) -> None:
        """Count how a call ended.

        ``key`` is the ``call_key`` of the call, ``status`` the HTTP status that was sent (None where the
        connection was closed without one), ``failure`` None for a good answer.
        """
        if status is not None:
            counters.statuses[str(status)] += 1
        if isinstance(failure, Fault):
            counters.faults[failure.value] += 1
        elif failure is not None:
            counters.unanswered[failure] += 1
        if failure is None or failure is Fault.UNREADABLE:
            counters.answered += 1
            self._count_answer(prompt, key)

    def snapshot(self) -> dict[str, Any]:
        """Everything that ``/stats`` says.

        ``duplicates`` counts the pairs of model and prompt answered more than once, ``prompts_answered``
        the pairs answered at all; ``duplicate_prompts`` holds the SHA-256 of the first 100 prompts.
        ``batches`` counts those created and those that ended, by how, and ``members`` of those that
        were carried out, which count as calls too.
        """
        models = self._models
        return {
            "calls": sum(counters.calls for counters in models.values()),
            "answered": sum(counters.answered for counters in models.values()),
            "prompts_answered": len(self._answers),
            "duplicates": self._duplicates,
            "duplicate_prompts": list(self._duplicate_prompts),
            "bad_requests": dict(self.bad_requests),
            "batches": dict(self.batches),
            "in_flight": self.in_flight,
            "peak_concurrency": self.peak_concurrency,
            "models": {model: counters.snapshot() for model, counters in models.items()},
        }

    def _count_answer(self, prompt: str, key: bytes) -> None:
        self._answers[key] += 1
        if self._answers[key] == 2:
            self._duplicates += 1
            if len(self._duplicate_prompts) < MAX_DUPLICATES_LISTED:
                self._duplicate_prompts.append(_sha256(prompt).hexdigest())


def _sha256(prompt: str) -> hashlib._Hash:
    return hashlib.sha256(prompt.encode("utf-8", "surrogatepass"))


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, tz=UTC).isoformat(timespec="milliseconds")
