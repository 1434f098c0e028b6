"""The two tables that span all experiments: one row per generation, one per evaluation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from daydreaming.analysis.frames import Kind, typed_frame

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd

_CALL_KINDS: Final[Mapping[str, Kind]] = {
    "model_returned": "text",
    "upstream_provider": "text",
    "finish_reason": "text",
    "prompt_tokens": "integer",
    "completion_tokens": "integer",
    "cost_usd": "number",
    "latency_s": "number",
    "attempts": "integer",
    "prompt_sha256": "text",
    "request_hash": "text",
}

GENERATION_RESULT_KINDS: Final[Mapping[str, Kind]] = {
    "generation_task_id": "text",
    "combo_id": "text",
    "generation_template": "text",
    "generation_model": "text",
    "generation_status": "text",
    "generation_timestamp": "text",
    "response_file": "text",
    "response_size_bytes": "integer",
    "experiment_id": "text",
    "experiments": "text",
    "replicate": "integer",
    "parser": "text",
    **_CALL_KINDS,
    "essay_error": "text",
}
"""Columns of ``generation_results``; the first eight are those that the Dagster original publishes.

``experiment_id`` is the experiment that called for the response, ``experiments`` all that it serves,
separated by a space.
"""

EVALUATION_RESULT_KINDS: Final[Mapping[str, Kind]] = {
    "evaluation_task_id": "text",
    "generation_task_id": "text",
    "combo_id": "text",
    "generation_template": "text",
    "generation_model": "text",
    "evaluation_template": "text",
    "evaluation_model": "text",
    "evaluation_status": "text",
    "evaluation_timestamp": "text",
    "eval_response_file": "text",
    "eval_response_size_bytes": "integer",
    "experiment_id": "text",
    "experiments": "text",
    "replicate": "integer",
    "generation_replicate": "integer",
    "generation_timestamp": "text",
    "score": "number",
    "score_error": "text",
    "parser": "text",
    "score_min": "number",
    "score_max": "number",
    **_CALL_KINDS,
}
"""Columns of ``evaluation_results``; the first eleven are those that the Dagster original publishes.

``replicate`` counts the evaluation, ``generation_replicate`` the essay; the score is on the scale from
``score_min`` to ``score_max``. The other columns are as in ``generation_results``.
"""


def generation_results(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Every generation that was ever answered or tried, over all experiments.

    Args:
        rows: From the results database, with the keys of ``GENERATION_RESULT_KINDS``; further keys are left
            out, absent ones are missing values.

    Returns:
        Columns of ``GENERATION_RESULT_KINDS``, one row per ``generation_task_id``, sorted by it; of several
        rows with one ID the one with the latest ``generation_timestamp`` stays. Missing text is '', a missing
        number empty. Times are ISO 8601 text.

    Raises:
        StoreError: A row without an ID, or a number that is none.
    """
    return _one_row_per_id(rows, GENERATION_RESULT_KINDS, "generation_task_id", "generation_timestamp")


def evaluation_results(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Every evaluation that was ever answered or tried, over all experiments.

    Args:
        rows: From the results database, with the keys of ``EVALUATION_RESULT_KINDS``; further keys are left
            out, absent ones are missing values.

    Returns:
        Columns of ``EVALUATION_RESULT_KINDS``, one row per ``evaluation_task_id``, else as
        ``generation_results``. ``score`` is on the template's own scale, empty when unscored.

    Raises:
        StoreError: A row without an ID, or a number that is none.
    """
    return _one_row_per_id(rows, EVALUATION_RESULT_KINDS, "evaluation_task_id", "evaluation_timestamp")


def _one_row_per_id(
    rows: Iterable[Mapping[str, Any]], kinds: Mapping[str, Kind], key: str, timestamp: str
) -> pd.DataFrame:
    frame = typed_frame(rows, kinds, required=[key])
    # The other columns break ties, so that the row that stays does not depend on the order of the rows.
    order = [key, timestamp, *(column for column in kinds if column not in {key, timestamp})]
    if frame[key].is_unique:
        return frame.sort_values(key, ignore_index=True)
    return frame.sort_values(order).drop_duplicates(key, keep="last", ignore_index=True)
