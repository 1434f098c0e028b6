"""Limits of the models that a plan would call, and where they were found."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from daydreaming.inputs.records import LLMModel
from daydreaming.llm.limits import RateLimits
from daydreaming.pipeline.connection_limits import ConnectionLimits, row_limits

#: Gives what a connection says of limits; None where the connection is not known.
LimitsReader = Callable[[str], ConnectionLimits | None]
_ROWS = "llm_models.csv"


@dataclass(frozen=True)
class CalledLimits:
    """What some models are held to.

    Attributes:
        by_row: Limits by the model's row.
        sources: Where those that are set come from, as a person reads it.
        unknown: Connections that were not known, and may set others.
    """

    by_row: dict[str, RateLimits]
    sources: tuple[str, ...]
    unknown: tuple[str, ...]

    @classmethod
    def read(cls, models: Iterable[LLMModel], read: LimitsReader) -> CalledLimits:
        """Find the limits of the models that would be called; a batch has none.

        Raises:
            InputError: A connection's limits cannot be used.
        """
        called = {model.id: model for model in models if not model.is_batched}.values()
        connections = {conn_id: read(conn_id) for conn_id in {m.conn_id: None for m in called}}
        by_row = {}
        sources: dict[str, None] = {}
        for model in called:
            connection, own = connections[model.conn_id], row_limits(model)
            by_row[model.id] = connection.of(model) if connection else own
            if own != RateLimits():
                sources[_ROWS] = None
            if by_row[model.id] != own:
                sources[f"connection {model.conn_id}"] = None
        unknown = tuple(conn_id for conn_id, connection in connections.items() if connection is None)
        return cls(by_row, tuple(sources), unknown)

    def of(self, model: LLMModel) -> RateLimits:
        """What a model is held to; nothing where it would not be called."""
        return self.by_row.get(model.id, RateLimits())

    def notes(self) -> tuple[str, ...]:
        """What a person should know of connections that could not be looked into."""
        if not self.unknown:
            return ()
        stored = ", ".join(self.unknown)
        note = (
            f"Not known in this terminal, which has no AIRFLOW_CONN_… variable for it: connection {stored}. "
            "Airflow must have it, else a run fails before its first call; limits that it sets are not in "
            "the wall time."
        )
        return (note,)
