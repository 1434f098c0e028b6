"""The metrics that calls and batches send through Airflow's ``stats``: names, units and tags.

Airflow puts its prefix before each name, and hands it to StatsD or OpenTelemetry, as it is configured; to
neither by default. Tags are bounded by what a person has configured (stages, models, connections). An
experiment is none: there are ever more of them, and each would be a time series for every model and stage.
What one experiment does is in the results database, on its pages and on each line that a call logs.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

log = logging.getLogger(__name__)

_CALL = ("stage", "model", "connection")
#: What would end a tag, or the name with it, in StatsD's lines; and what Airflow lets pass in none.
_NOT_IN_A_TAG = re.compile(r"[^A-Za-z0-9_./-]")


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes:
        name: Below Airflow's prefix.
        kind: ``counter``: how many more; ``timer``: how long; ``gauge``: how many there are.
        unit: Of what is sent.
        tags: That each value of it has.
        meaning: For a person.
    """

    name: str
    kind: Literal["counter", "timer", "gauge"]
    unit: str
    tags: tuple[str, ...]
    meaning: str


REQUESTS = Metric("daydreaming.call.requests", "counter", "requests", _CALL, "requests sent to a model")
OUTCOMES = Metric(
    "daydreaming.call.outcomes",
    "counter",
    "requests",
    (*_CALL, "outcome"),
    "requests that ended, those of batches too: `answered`, `rate_limited` (HTTP 429), `transient` (another "
    "failure that trying again may mend), `permanent`, or `unknown` (no answer came: it may be billed)",
)
RETRIES = Metric(
    "daydreaming.call.retries", "counter", "requests", _CALL, "failed requests that the triggerer tries again"
)
RESCHEDULED = Metric(
    "daydreaming.call.rescheduled",
    "counter",
    "calls",
    _CALL,
    "calls sent away, because the limits let them start more than 10 minutes later",
)
REFUSALS = Metric(
    "daydreaming.call.budget_refusals",
    "counter",
    "calls",
    _CALL,
    "calls that the ledger refused: they might have passed a cap. A refused batch counts once",
)
LATENCY = Metric(
    "daydreaming.call.latency", "timer", "ms", _CALL, "from sending a request to its answer; not of batches"
)
LIMITER_WAIT = Metric(
    "daydreaming.call.limiter_wait", "timer", "ms", _CALL, "how long a request waited for its start time"
)
ANSWERS = Metric(
    "daydreaming.call.answers",
    "counter",
    "answers",
    (*_CALL, "reading"),
    "answers stored: `read` (an essay or a score was found in it) or `unread`",
)
TOKENS = Metric(
    "daydreaming.call.tokens",
    "counter",
    "tokens",
    (*_CALL, "direction"),
    "tokens that the provider counted: `input` or `output`",
)
COST = Metric(
    "daydreaming.call.cost_nanousd",
    "counter",
    "10⁻⁹ US dollars",
    _CALL,
    "what requests cost, where it is known",
)
BATCHES = Metric(
    "daydreaming.batches",
    "counter",
    "batches",
    (*_CALL, "outcome"),
    "batches that ended: `delivered`, `cancelled` or `failed`",
)
OPEN_CALLS = Metric(
    "daydreaming.calls.open",
    "gauge",
    "calls",
    ("hostname",),
    "calls that a triggerer holds: waiting for their start, sent, or being stored",
)
DAY_SPENT = Metric(
    "daydreaming.budget.day_spent_nanousd", "gauge", "10⁻⁹ US dollars", (), "spent today (UTC), by all"
)
DAY_RESERVED = Metric(
    "daydreaming.budget.day_reserved_nanousd",
    "gauge",
    "10⁻⁹ US dollars",
    (),
    "worst case of the calls of today that are not settled",
)
DAY_CAP = Metric(
    "daydreaming.budget.day_cap_nanousd",
    "gauge",
    "10⁻⁹ US dollars",
    (),
    "`DAYDREAMING_DAILY_BUDGET_USD`; not sent where it is not set",
)
METRICS = (
    REQUESTS,
    OUTCOMES,
    RETRIES,
    RESCHEDULED,
    REFUSALS,
    LATENCY,
    LIMITER_WAIT,
    ANSWERS,
    TOKENS,
    COST,
    BATCHES,
    OPEN_CALLS,
    DAY_SPENT,
    DAY_RESERVED,
    DAY_CAP,
)


def count(metric: Metric, tags: Mapping[str, str], value: int = 1) -> None:
    """Count something, by whole numbers of 0 or more."""
    from airflow.sdk.observability import stats

    _send(metric, lambda: stats.incr(metric.name, value, tags=_clean(tags)))


def timing(metric: Metric, tags: Mapping[str, str], seconds: float) -> None:
    """Tell how long something took."""
    from airflow.sdk.observability import stats

    _send(metric, lambda: stats.timing(metric.name, timedelta(seconds=seconds), tags=_clean(tags)))


def gauge(metric: Metric, tags: Mapping[str, str], value: float) -> None:
    """Tell how much of something there is."""
    from airflow.sdk.observability import stats

    _send(metric, lambda: stats.gauge(metric.name, value, tags=_clean(tags)))


def metrics_on() -> bool:
    """Whether Airflow sends metrics anywhere: what has to be looked up for them need not be, else."""
    from airflow.sdk.configuration import conf

    switches = ("statsd_on", "statsd_datadog_enabled", "otel_on")
    return any(conf.getboolean("metrics", switch) for switch in switches)


def _send(metric: Metric, send: Callable[[], None]) -> None:
    try:
        send()
    except Exception as error:  # noqa: BLE001 - a call that was paid for does not fail for want of a figure
        log.warning("The metric %s was not sent: %s", metric.name, error)


def _clean(tags: Mapping[str, str]) -> dict[str, str]:
    return {name: _NOT_IN_A_TAG.sub("_", value) or "none" for name, value in tags.items()}
