"""Who is told of what: read from the environment, and never refused where a DAG file is parsed.

A value that is not allowed is a problem that ``load_inputs`` reports; the DAGs are there all the same.
"""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["smtp", "slack", "slackwebhook"]

_PREFIX = "DAYDREAMING_NOTIFY_"
#: Airflow's own names of the connections.
DEFAULT_CONN_IDS: Mapping[Kind, str] = {"smtp": "smtp_default", "slack": "slack_api_default"}
_VARIABLES: Mapping[Kind, str] = {"smtp": f"{_PREFIX}SMTP_CONN", "slack": f"{_PREFIX}SLACK_CONN"}
_PROVIDERS: Mapping[Kind, str] = {
    "smtp": "airflow.providers.smtp",
    "slack": "airflow.providers.slack",
    "slackwebhook": "airflow.providers.slack",
}
_ADDRESSES: Mapping[Kind, re.Pattern[str]] = {
    "smtp": re.compile(r"[^@\s,;:<>\"]+@[^@\s,;:<>\"]+"),
    "slack": re.compile(r"[#@]?[\w.-]+"),
    "slackwebhook": re.compile(r"[\w.-]+"),
}
_RULE = "smtp:ADDRESS, slack:#CHANNEL or slackwebhook:CONNECTION_ID, separated by commas"
DEADLINE = "DAYDREAMING_NIGHTLY_DEADLINE_H"
_MOST_HOURS = 7 * 24.0


@dataclass(frozen=True)
class Target:
    """One place that messages go to.

    Attributes:
        address: E-mail address or channel; '' for a webhook, which has a channel of its own.
        conn_id: Airflow connection that they go through.
    """

    kind: Kind
    address: str
    conn_id: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.address or self.conn_id}"


@dataclass(frozen=True)
class NotifySettings:
    """Targets by occasion, and the deadline of a night.

    Attributes:
        success: Told of runs that succeeded.
        failure: Told of runs that failed, and of a night that is not over at its deadline.
        budget: Told of runs in which a cap kept calls from being sent.
        nightly_deadline_h: Hours after which a night should be over; None for no deadline.
        problems: One line for each value that is not allowed.
    """

    success: tuple[Target, ...] = ()
    failure: tuple[Target, ...] = ()
    budget: tuple[Target, ...] = ()
    nightly_deadline_h: float | None = None
    problems: tuple[str, ...] = field(default=(), compare=False)

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> NotifySettings:
        """Read the settings; what is not allowed is left out, and told in ``problems``."""
        env = os.environ if env is None else env
        problems: list[str] = []
        targets = {
            name: _targets(env, f"{_PREFIX}{name.upper()}", problems)
            for name in ("success", "failure", "budget")
        }
        hours = _hours(env.get(DEADLINE, ""), problems)
        if hours is not None and not targets["failure"]:
            problems.append(
                f"{DEADLINE} is set and {_PREFIX}FAILURE names nobody: a late night would be told to nobody."
            )
        return cls(**targets, nightly_deadline_h=hours, problems=tuple(dict.fromkeys(problems)))

    @property
    def targets(self) -> tuple[Target, ...]:
        """Every target once."""
        return tuple(dict.fromkeys((*self.success, *self.failure, *self.budget)))


def missing_providers(targets: tuple[Target, ...]) -> list[str]:
    """A line for each Airflow provider that targets need and that is not installed."""
    needed = {_PROVIDERS[target.kind]: target for target in targets}
    return [
        f"{target}: {name} is not installed, so nobody is told. Run pip install "
        f"apache-airflow-providers-{name.rpartition('.')[2]} where Airflow's services run, and restart them."
        for name, target in sorted(needed.items())
        if not _is_installed(name)
    ]


def _is_installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def _targets(env: Mapping[str, str], variable: str, problems: list[str]) -> tuple[Target, ...]:
    found = []
    for item in filter(None, (part.strip() for part in env.get(variable, "").split(","))):
        target = _target(env, item)
        if target is None:
            problems.append(f"{variable} must be {_RULE}; got {item!r}. It is left out.")
        else:
            found.append(target)
    return tuple(dict.fromkeys(found))


def _target(env: Mapping[str, str], item: str) -> Target | None:
    name, _, address = item.partition(":")
    kind = next((kind for kind in _ADDRESSES if kind == name), None)
    if kind is None or not _ADDRESSES[kind].fullmatch(address):
        return None
    if kind not in DEFAULT_CONN_IDS:
        return Target(kind, "", conn_id=address)
    return Target(kind, address, env.get(_VARIABLES[kind]) or DEFAULT_CONN_IDS[kind])


def _hours(text: str, problems: list[str]) -> float | None:
    if not text.strip():
        return None
    try:
        hours = float(text)
    except ValueError:
        hours = 0.0
    if not 0 < hours <= _MOST_HOURS:
        problems.append(
            f"{DEADLINE} must be hours, more than 0 and at most {_MOST_HOURS:g}; got {text!r}. "
            "There is no deadline."
        )
        return None
    return hours
