"""The experiment ``demo`` with models that are called in batches, and batches that no provider made."""

from __future__ import annotations

import json
from typing import Any

from daydreaming.inputs.records import Stage
from daydreaming.pipeline.batches import BatchOrder, close_delivered, open_batch
from daydreaming.settings import Settings
from daydreaming.store.batches import Batch
from tests.support.experiments import edit_input, planned_run

#: Map indices of the generations by `paid`, which are one batch, and of all evaluations by `judge`.
IN_BATCH = (1, 3)
JUDGED_IN_BATCH = tuple(range(1, 16, 2))
ORIGIN = {
    "batch_id": "batch_1",
    "submitted_at": "2026-03-01T12:00:00+00:00",
    "completed_at": "2026-03-01T13:00:00+00:00",
}


def plan_with_batches(settings: Settings, run_id: str = "run-1", **overrides: Any) -> None:
    """Plan a run of ``demo`` in which `paid` writes, and `judge` judges, in batches."""
    models = "01_raw/llm_models.csv"
    if "llm_batch" not in (settings.inputs_root / models).read_text():
        for row in (
            "paid,prov/paid,openrouter,Paid,true,false,essays",
            "judge,prov/judge,openrouter,Judge,false,true,",
        ):
            edit_input(
                settings.inputs_root,
                models,
                f"{row},openrouter_default,llm_paid",
                f"{row},openrouter_default,llm_batch",
            )
    planned_run(settings, run_id, **overrides)


def opened(settings: Settings, stage: Stage = "generation", run_id: str = "run-1") -> BatchOrder | None:
    """The batch of a stage's batched model, as the task opens it."""
    model = "paid" if stage == "generation" else "judge"
    return open_batch(settings, run_id, stage, model, "openrouter_default")


def row_of(index: int, text: str | None, **fields: Any) -> dict[str, Any]:
    """A member's row as ``LLMBatchOperator`` writes it."""
    return {
        "custom_id": f"0123456789abcdef-{index}",
        "index": index,
        "status": "success",
        "output": text,
        "raw_output": None,
        "error": None,
        "model": "prov/paid-2026",
        "usage": {"input_tokens": 100, "output_tokens": 200},
        "finish_reason": "stop",
        **fields,
    }


def error_row(index: int, status: str = "error", **error: Any) -> dict[str, Any]:
    """The row of a member that failed."""
    given = {"type": "provider_error", "message": "The server had an error.", "provider_code": "server_error"}
    return row_of(index, None, status=status, error={**given, **error}, usage=None, finish_reason=None)


def close_with(batch: Batch, *rows: dict[str, Any]) -> None:
    """End a batch with these results."""
    close_delivered(batch, [json.dumps(row) for row in rows], ORIGIN)
