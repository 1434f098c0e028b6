"""Fields on every line that is logged of a call: which experiment, stage, model and cell it is."""

from __future__ import annotations

from daydreaming.inputs.records import Stage


def bind_log(experiment_id: str, stage: Stage, model_id: str, cell_id: str | None = None) -> None:
    """Put fields on every line that is logged from here on in this task or trigger."""
    import structlog

    fields = {"experiment_id": experiment_id, "stage": stage, "model": model_id, "cell_id": cell_id}
    structlog.contextvars.bind_contextvars(**{name: value for name, value in fields.items() if value})
