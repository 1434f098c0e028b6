"""The frame that every table is made of: one row per planned evaluation, scored or not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from daydreaming.analysis.frames import Kind, typed_frame
from daydreaming.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd

SCORE_KINDS: Final[Mapping[str, Kind]] = {
    "combo_id": "text",
    "generation_template": "text",
    "generation_model": "text",
    "evaluation_template": "text",
    "evaluation_model": "text",
    "score": "number",
    "error": "text",
    "evaluation_response_path": "text",
    "evaluation_task_id": "text",
    "generation_task_id": "text",
    "generation_replicate": "integer",
    "evaluation_replicate": "integer",
    "parser": "text",
    "score_min": "number",
    "score_max": "number",
    "generation_response_path": "text",
    "description_level": "text",
    "k_max": "integer",
    "generation_family": "text",
    "evaluation_family": "text",
    "essay_chars": "integer",
    "generation_cost_usd": "number",
    "evaluation_cost_usd": "number",
    "generation_model_name": "text",
    "evaluation_model_name": "text",
}
"""Columns of ``parsed_scores`` in order; the first eight are those that the Dagster original publishes.

The last seven may be empty: who made the two models, how long the essay is, what the two calls cost, and the
names of the models at their providers. What a generation costs stands in each of its rows.
"""

REQUIRED_COLUMNS: Final = (
    "combo_id",
    "generation_template",
    "generation_model",
    "evaluation_template",
    "evaluation_model",
    "evaluation_task_id",
    "generation_task_id",
)

GENERATION_COLUMNS: Final = (
    "combo_id",
    "generation_template",
    "generation_model",
    "generation_replicate",
    "generation_task_id",
)
"""What names a generation, in the order by which tables of generations are sorted."""

EVALUATION_ORDER: Final = (
    *GENERATION_COLUMNS,
    "evaluation_template",
    "evaluation_model",
    "evaluation_replicate",
    "evaluation_task_id",
)

DEFAULT_SCALE: Final = (0.0, 10.0)
"""Scale of rows that name none: the only one that the Dagster original had."""


def parsed_scores(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """One row per planned evaluation, with all factors, typed and in a fixed order.

    A score outside the scale of its own row is taken out and its ``error`` says so: it is unscored.

    Args:
        rows: One mapping per evaluation with the keys of ``SCORE_KINDS``; further keys are left out.

    Returns:
        Columns of ``SCORE_KINDS``. ``score`` is on the template's own scale, NaN when unscored;
        ``error`` is '' when scored. Sorted by ``EVALUATION_ORDER``.

    Raises:
        StoreError: A row without its factors or IDs, an evaluation twice, or a scale that is none.
    """
    frame = typed_frame(rows, SCORE_KINDS, REQUIRED_COLUMNS)
    _refuse_duplicates(frame)
    frame = _with_scale(frame)
    return _unscore_outside_scale(frame).sort_values(list(EVALUATION_ORDER), ignore_index=True)


def generations(scores: pd.DataFrame) -> pd.DataFrame:
    """The generations of ``scores``, one row each: ``GENERATION_COLUMNS``, sorted by them."""
    factors = scores[list(GENERATION_COLUMNS)].drop_duplicates("generation_task_id")
    return factors.sort_values(list(GENERATION_COLUMNS), ignore_index=True)


def _refuse_duplicates(frame: pd.DataFrame) -> None:
    twice = frame.loc[frame["evaluation_task_id"].duplicated(), "evaluation_task_id"]
    if len(twice):
        raise StoreError(
            f"{len(twice)} rows repeat an evaluation_task_id, first {twice.iloc[0]!r}; each evaluation "
            "may stand in one row. Select the rows of one experiment."
        )


def _with_scale(frame: pd.DataFrame) -> pd.DataFrame:
    unnamed = frame["score_min"].isna() & frame["score_max"].isna()
    frame.loc[unnamed, ["score_min", "score_max"]] = DEFAULT_SCALE
    wrong = frame.loc[~(frame["score_min"] < frame["score_max"])]
    if len(wrong):
        first = wrong.iloc[0]
        raise StoreError(
            f"evaluation template {first['evaluation_template']!r}: score_min must be less than score_max; "
            f"got {first['score_min']:g} and {first['score_max']:g}. Correct evaluation_templates.csv."
        )
    return frame


def _unscore_outside_scale(frame: pd.DataFrame) -> pd.DataFrame:
    outside = frame["score"].notna() & ~frame["score"].between(frame["score_min"], frame["score_max"])
    wrong = frame.loc[outside]
    # A loop over the wrong rows only: there are none unless a scale was edited after the verdict.
    texts = [
        f"score {score:g} is outside the scale {low:g}-{high:g}"
        for score, low, high in zip(wrong["score"], wrong["score_min"], wrong["score_max"], strict=True)
    ]
    frame.loc[outside, "error"] = texts
    frame.loc[outside, "score"] = float("nan")
    return frame
