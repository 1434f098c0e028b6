"""What is known of a model's limits beyond its configuration: pauses, refusals, and its ramp.

A model without a known limit is called faster and faster (``llm.limits.ramp_offset_s``) until its
provider refuses; what it had let through until then, or what it states, is its limit from then on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from daydreaming.llm.limits import MARGIN_S, MINUTE_S, RateLimits, learned_rpm, ramp_offset_s

if TYPE_CHECKING:
    from sqlalchemy import Connection

#: From then on a ramp allows more than any machine sends.
RAMP_END_S = 10.0
#: How fast a limit that was only observed is tried upwards again.
_GROWTH_PER_MINUTE = 1.05
_GROWS_AFTER_S = 120.0
#: What was learned may not hold any more; it does as long as calls wait for it.
_FORGOTTEN_AFTER_S = 3600.0
#: No column for whole numbers holds more.
MOST_TOKENS = 2**31 - 1


@dataclass
class LearnedRate:
    """A row of ``model_rates``; see there."""

    conn_id: str
    model_name: str
    paused_until: float = 0.0
    learned_rpm: int | None = None
    learned_tpm: int | None = None
    learned_at: float | None = None
    is_stated: bool = False
    ramp_from: float = 0.0
    ramp_count: int = 0

    def is_forgotten(self, now: float) -> bool:
        """Whether what was learned is too old to go by; True where nothing was."""
        return self.learned_at is None or now - self.learned_at > _FORGOTTEN_AFTER_S

    def forget(self) -> None:
        """Know nothing any more of what was learned."""
        self.learned_rpm = self.learned_tpm = self.learned_at = None
        self.is_stated = False

    def effective(self, limits: RateLimits, now: float) -> RateLimits:
        """What is configured; what that leaves open, as it was learned."""
        if self.learned_at is None:
            return limits
        # Those who wait keep it alive; what it grows to is bounded all the same.
        age_s = min(now - self.learned_at, _FORGOTTEN_AFTER_S)
        grown = 1.0
        if not self.is_stated and age_s > _GROWS_AFTER_S:
            grown = _GROWTH_PER_MINUTE ** ((age_s - _GROWS_AFTER_S) / MINUTE_S)
        rpm = None if self.learned_rpm is None else int(self.learned_rpm * grown)
        return replace(limits, rpm=limits.rpm or rpm, tpm=limits.tpm or self.learned_tpm)

    def ramp(self, count: int, now: float) -> list[float]:
        """Times of the next ``count`` starts on the ramp."""
        first = self.ramp_count
        self.ramp_count += count
        begin = max(now, self.paused_until)
        return [max(begin, self.ramp_from + ramp_offset_s(k)) for k in range(first, first + count)]

    def restart_ramp(self, at: float) -> None:
        """Begin slowly again."""
        self.ramp_from, self.ramp_count = at, 0

    def learn(self, seen: int, rpms: Sequence[int], tpms: Sequence[int], now: float) -> None:
        """Take over what a provider stated when it refused, or what it had let through until then.

        Args:
            seen: Starts of the last minute that it did not refuse (yet).
            rpms: Requests per minute that it stated, one for each refusal that did.
            tpms: Tokens per minute likewise.
            now: The limiter's clock.
        """
        is_recent = self.learned_at is not None and now - self.learned_at < MINUTE_S
        if self.is_forgotten(now):
            self.learned_tpm = None
        if rpms:
            self.learned_rpm, self.is_stated = min(rpms), True
        elif not is_recent:
            self.learned_rpm, self.is_stated = learned_rpm(seen, None), False
        elif not self.is_stated:
            # Of the calls that were in flight one after the other is refused: the last word is the lowest.
            observed = learned_rpm(seen, None)
            self.learned_rpm = min(observed, self.learned_rpm or observed)
        self.learned_tpm = min(tpms) if tpms else self.learned_tpm
        self.learned_at = now


def load_rate(connection: Connection, key: tuple[str, str]) -> LearnedRate:
    """What is known of a model behind a connection."""
    from sqlalchemy import select

    from daydreaming.store.schema import ModelRate

    fields = [getattr(ModelRate, name) for name in LearnedRate.__dataclass_fields__]
    query = select(*fields).where(ModelRate.conn_id == key[0], ModelRate.model_name == key[1])
    row = connection.execute(query).one_or_none()
    return LearnedRate(*key) if row is None else LearnedRate(*row)


def save_rate(connection: Connection, rate: LearnedRate) -> None:
    """Keep it for all processes."""
    from daydreaming.store.schema import ModelRate
    from daydreaming.store.upsert import upsert

    upsert(connection, ModelRate, [asdict(rate)])


def count_recent(connection: Connection, key: tuple[str, str], now: float) -> int:
    """Calls of the last minute that were not refused (yet)."""
    from sqlalchemy import func, select

    return connection.scalar(select(func.count()).where(*_recent(key, now))) or 0


def was_used(connection: Connection, key: tuple[str, str], now: float) -> bool:
    """Whether the model was called within the last minute: a provider forgets what is older."""
    from sqlalchemy import func, select

    from daydreaming.store.schema import LLMCall

    mine = (LLMCall.conn_id == key[0], LLMCall.model_name == key[1])
    last = connection.scalar(select(func.max(LLMCall.start_at)).where(*mine))
    return last is not None and last > now - MINUTE_S - MARGIN_S


def remember_starts(connection: Connection, key: tuple[str, str], now: float) -> None:
    """Count the starts of a model that had no limit until now: its provider counts them too."""
    from sqlalchemy import BigInteger, case, cast, false, func, insert, select

    from daydreaming.store.schema import CallStart, LLMCall

    used = cast(LLMCall.prompt_tokens, BigInteger) + LLMCall.completion_tokens
    columns = ("call_id", "conn_id", "model_name", "stage", "cell_id", "queued_at", "start_at", "tokens")
    query = select(
        LLMCall.call_id,
        LLMCall.conn_id,
        LLMCall.model_name,
        LLMCall.stage,
        LLMCall.cell_id,
        LLMCall.start_at,
        LLMCall.start_at,
        case((used > MOST_TOKENS, MOST_TOKENS), else_=func.coalesce(used, 0)),
        false(),
    ).where(*_recent(key, now), LLMCall.call_id.not_in(select(CallStart.call_id)))
    connection.execute(insert(CallStart).from_select([*columns, "waiting"], query))


def _recent(key: tuple[str, str], now: float) -> tuple[Any, ...]:
    from daydreaming.store.schema import LLMCall

    return (
        LLMCall.conn_id == key[0],
        LLMCall.model_name == key[1],
        LLMCall.start_at > now - MINUTE_S - MARGIN_S,
        LLMCall.start_at <= now,
        LLMCall.state.in_(("reserved", "answered")),
    )
