"""The rate limits of models: from their row in ``llm_models.csv``, and from their connection's extra.

The trigger that calls and the task that estimates read a connection each in its own way; what its extra
means is decided here. Standard library only: every task instance imports this.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from daydreaming.errors import InputError
from daydreaming.inputs.records import LLMModel
from daydreaming.llm.limits import RateLimits

_LIMITS = tuple(limit.name for limit in fields(RateLimits))
_KEY = "rate_limits"


@dataclass(frozen=True)
class ConnectionLimits:
    """What a connection says of the limits of the models behind it.

    Attributes:
        given: ``rpm``, ``tpm``, ``rpd`` and ``burst`` for all its models, and ``models``, an object of
            such objects by the provider's name. Its values are checked with the models that they limit.
    """

    conn_id: str
    given: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of_extra(cls, conn_id: str, extra: object) -> ConnectionLimits:
        """Read ``rate_limits`` of a connection's extra.

        Args:
            conn_id: The connection.
            extra: What its extra holds; no limits where that is no object.

        Raises:
            InputError: ``rate_limits`` is there, and is no such object.
        """
        given = extra.get(_KEY) if isinstance(extra, Mapping) else None
        if given is None:
            return cls(conn_id)
        models = given.get("models", {}) if isinstance(given, dict) else None
        if not isinstance(models, dict) or not all(isinstance(own, dict) for own in models.values()):
            raise _refused(conn_id, f"got {given!r}")
        names = [name for own in models.values() for name in own] + [n for n in given if n != "models"]
        if unknown := {*names} - {*_LIMITS}:
            raise _refused(conn_id, f"got {', '.join(sorted(unknown))}")
        return cls(conn_id, dict(given))

    def of(self, model: LLMModel) -> RateLimits:
        """Limits of a model: its row's; where that leaves one open its own here, then that for all.

        Raises:
            InputError: One of them is no whole number of at least 1.
        """
        own = self.given.get("models", {}).get(model.model, {})
        values = {
            name: _first(getattr(model, name, None), own.get(name), self.given.get(name)) for name in _LIMITS
        }
        try:
            return RateLimits(**values)
        except InputError as error:
            raise _refused(self.conn_id, " ".join(error.problems)) from error


def row_limits(model: LLMModel) -> RateLimits:
    """What ``llm_models.csv`` alone says of a model's limits."""
    return RateLimits(rpm=model.rpm, tpm=model.tpm, rpd=model.rpd)


def _refused(conn_id: str, why: str) -> InputError:
    return InputError(
        f"Airflow connection {conn_id!r}: {_KEY} in its extra must be an object with "
        f"{', '.join(_LIMITS)} (whole numbers) and models (such objects by model name); {why}"
    )


def _first(*values: int | None) -> int | None:
    return next((value for value in values if value is not None), None)
