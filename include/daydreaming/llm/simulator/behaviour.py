"""What happens to a call: which fault, how long it takes. Pure, so that tests can predict it."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from daydreaming.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping


class Fault(StrEnum):
    """A way to go wrong; ``rate_<value>`` is its share of the calls. Shares are walked in this order.

    ``RATE_LIMITED`` answers at once, ``TIMEOUT`` after ``hang_s``, the others after the latency.
    ``UNREADABLE`` is a complete, paid answer without the score or the essay tags or headers asked
    for; an essay that is asked for without tags or headers stays readable.
    """

    RATE_LIMITED = "429"
    SERVER_ERROR = "500"
    TIMEOUT = "timeout"
    DROPPED = "dropped"
    HTML = "html"
    EMPTY = "empty"
    TRUNCATED = "truncated"
    UNREADABLE = "unreadable"
    ERROR_BODY = "error_body"


FIXED_SETTINGS = ("seed", "models", "api_key", "price")
_SHARE_TOLERANCE = 1e-9


@dataclass(frozen=True)
class SimulatorConfig:
    """All settings of a simulator; the command line has one flag for each.

    Attributes:
        seed: Another seed, other answers and other faults.
        latency_s: Seconds until a call is answered; ``jitter_s`` is added or taken away at most.
        rpm: Requests that one model admits per ``window_s`` (a minute); None for no limit.
        window_s: Length in seconds of the sliding window that ``rpm`` counts in.
        retry_after_s: ``Retry-After`` of the 429 answers that ``rate_429`` makes.
        hang_s: Seconds that ``rate_timeout`` keeps a connection open before it closes it.
        rate_429: Share of calls with this fault, 0 to 1; the other ``rate_*`` likewise.
        batch_latency_s: Seconds until a batch is complete.
        batch_failed: Share of a batch's members, 0 to 1, that fail in it.
        sticky: Faults decided by model and prompt alone, so that each attempt has the same fate.
        models: Names that are served, others get 404; empty serves any name.
        api_key: Key that ``/v1`` asks for; None for none.
        price: US dollars per million prompt tokens and per million completion tokens.

    Raises:
        InputError: A value outside its range; lists every such value.
    """

    seed: int = 7
    latency_s: float = 0.0
    jitter_s: float = 0.0
    rpm: int | None = None
    window_s: float = 60.0
    retry_after_s: int = 1
    hang_s: float = 60.0
    rate_429: float = 0.0
    rate_500: float = 0.0
    rate_timeout: float = 0.0
    rate_dropped: float = 0.0
    rate_html: float = 0.0
    rate_empty: float = 0.0
    rate_truncated: float = 0.0
    rate_unreadable: float = 0.0
    rate_error_body: float = 0.0
    batch_latency_s: float = 0.0
    batch_failed: float = 0.0
    sticky: tuple[Fault, ...] = ()
    models: tuple[str, ...] = ()
    api_key: str | None = field(default=None, repr=False)
    price: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        problems = [*_number_problems(self), *_share_problems(self)]
        if problems:
            raise InputError(problems)

    def share(self, fault: Fault) -> float:
        """Share of the calls that end in ``fault``."""
        return float(getattr(self, f"rate_{fault}"))

    def changeable(self) -> dict[str, object]:
        """The settings that may change while the server runs, ready for JSON."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name not in FIXED_SETTINGS}


def changed(config: SimulatorConfig, changes: Mapping[str, object]) -> SimulatorConfig:
    """``config`` with ``changes`` (setting: value, as they come from JSON).

    Raises:
        InputError: An unknown or fixed setting, or a value outside its range.
    """
    allowed = config.changeable()
    problems = [
        f"{key}: {'is fixed at start' if key in FIXED_SETTINGS else 'no such setting'}. "
        f"Settings that can be changed: {', '.join(allowed)}."
        for key in changes
        if key not in allowed
    ]
    if problems:
        raise InputError(problems)
    values = dict(changes)
    if "sticky" in values:
        values["sticky"] = read_sticky(values["sticky"])
    return replace(config, **values)  # type: ignore[arg-type]


def read_sticky(names: object) -> tuple[Fault, ...]:
    """The faults that ``names`` (a list of strings) means; ``rate_500`` may stand for ``500``.

    Raises:
        InputError: Not a list, or a name that is no fault.
    """
    if not isinstance(names, list | tuple):
        raise InputError(f"sticky must be a list of faults; got {names!r}. Use [] for none.")
    stripped = [str(name).removeprefix("rate_") for name in names]
    unknown = [name for name in stripped if name not in list(Fault)]
    if unknown:
        raise InputError(f"sticky: no such fault: {', '.join(unknown)}. Use some of: {', '.join(Fault)}.")
    return tuple(Fault(name) for name in stripped)


def draw(seed: int, *parts: str | int) -> float:
    """A number in [0, 1) that depends on the arguments alone, the same on every machine."""
    key = json.dumps([seed, *parts])
    digest = hashlib.sha256(key.encode("ascii")).digest()
    return (int.from_bytes(digest[:8]) >> 11) / 2**53


def fault_for(config: SimulatorConfig, model: str, prompt: str, attempt: int) -> Fault | None:
    """The fault of the ``attempt``-th call (from 1) of this prompt on this model; None for an answer.

    One number in [0, 1) is drawn per seed, model, prompt and attempt, and the shares are added up in
    the order of ``Fault`` until they pass it. Sticky faults come first, by a draw without the
    attempt; the others then share what is left, so that each keeps its share of all calls.
    A request that was refused before (400, 401, 404, over ``rpm``) is no attempt.
    """
    sticky_share = sum(config.share(fault) for fault in config.sticky)
    if config.sticky:
        fault = _pick(config, draw(config.seed, "fault", model, prompt, 0), config.sticky)
        if fault is not None:
            return fault
    others = [fault for fault in Fault if fault not in config.sticky]
    return _pick(config, draw(config.seed, "fault", model, prompt, attempt) * (1 - sticky_share), others)


def fails_in_batch(config: SimulatorConfig, model: str, prompt: str) -> bool:
    """Whether a member of a batch fails in it; decided by model and prompt alone."""
    return draw(config.seed, "batch", model, prompt) < config.batch_failed


def latency_for(config: SimulatorConfig, model: str, prompt: str, attempt: int) -> float:
    """Seconds that this call takes: ``latency_s`` ± ``jitter_s``, never below 0."""
    if not config.jitter_s:
        return config.latency_s
    offset = 2 * draw(config.seed, "latency", model, prompt, attempt) - 1
    return max(0.0, config.latency_s + config.jitter_s * offset)


def _pick(config: SimulatorConfig, number: float, among: Collection[Fault]) -> Fault | None:
    passed = 0.0
    for fault in Fault:
        if fault in among:
            passed += config.share(fault)
            if number < passed:
                return fault
    return None


def _number_problems(config: SimulatorConfig) -> Iterable[str]:
    for name in ("latency_s", "jitter_s", "hang_s", "batch_latency_s"):
        if not _is_number(value := getattr(config, name)) or value < 0:
            yield f"{name} must be a number of seconds, 0 or more; got {value!r}."
    if not _is_number(config.window_s) or config.window_s <= 0:
        yield f"window_s must be a number of seconds above 0; got {config.window_s!r}."
    if not _is_whole(config.seed):
        yield f"seed must be a whole number; got {config.seed!r}."
    if not _is_whole(config.retry_after_s) or config.retry_after_s < 0:
        yield f"retry_after_s must be a whole number of seconds, 0 or more; got {config.retry_after_s!r}."
    if config.rpm is not None and (not _is_whole(config.rpm) or config.rpm < 1):
        yield f"rpm must be a whole number, 1 or more, or none for no limit; got {config.rpm!r}."
    if config.price is not None and not all(_is_number(price) and price >= 0 for price in config.price):
        yield f"price must be two numbers of 0 or more (input, output); got {config.price!r}."


def _share_problems(config: SimulatorConfig) -> list[str]:
    values = {f"rate_{fault}": getattr(config, f"rate_{fault}") for fault in Fault}
    problems = [
        f"{name} must be a share between 0 and 1; got {value!r}."
        for name, value in {**values, "batch_failed": config.batch_failed}.items()
        if not _is_number(value) or not 0 <= value <= 1
    ]
    if not problems and sum(values.values()) > 1 + _SHARE_TOLERANCE:
        total = f"{sum(values.values()):g}"
        problems.append(f"The rate_* shares must add up to 1 at most; got {total}. Lower some of them.")
    return problems


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
