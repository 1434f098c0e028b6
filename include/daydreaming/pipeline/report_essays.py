"""The essays that the report shows in full, with what their judges said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from daydreaming.pipeline.report_scores import essay_scores
from daydreaming.report.ranking import best_essays, disputed_essays, extremes
from daydreaming.report.source import Essay, EssayScore, Rows
from daydreaming.store.files import DataRoot

if TYPE_CHECKING:
    import pandas as pd

_Chosen = Sequence[tuple[Mapping[str, Any], float]]


def shown_essays(
    files: DataRoot, scores: pd.DataFrame, tables: Mapping[str, Rows]
) -> tuple[list[Essay], list[Essay]]:
    """The best essays, and the most disputed ones with their highest and lowest verdict.

    Args:
        files: Where essays and verdicts are.
        scores: As ``parsed_scores`` returns.
        tables: Rows of the statistics, by name.

    Raises:
        StoreError: An essay or a verdict is no UTF-8.
    """
    spread = tables.get("comprehensive_variance_analysis", ())
    best, disputed = best_essays(spread), disputed_essays(spread)
    of_essay = essay_scores(scores, {row["generation_task_id"] for row, _ in (*best, *disputed)})
    return (
        [_essay(files, *chosen, of_essay, with_verdicts=False) for chosen in best],
        [_essay(files, *chosen, of_essay, with_verdicts=True) for chosen in disputed],
    )


def _essay(
    files: DataRoot,
    row: Mapping[str, Any],
    value: float,
    of_essay: Mapping[str, Sequence[EssayScore]],
    *,
    with_verdicts: bool,
) -> Essay:
    generation_id = row["generation_task_id"]
    scores = of_essay[generation_id]
    return Essay(
        generation_id,
        row["combo_id"],
        row["generation_template"],
        row["generation_model"],
        row["generation_replicate"],
        value,
        row["scale"],
        files.read_essay(generation_id),
        scores,
        _verdicts(files, scores) if with_verdicts else {},
    )


def _verdicts(files: DataRoot, scores: Sequence[EssayScore]) -> dict[str, str]:
    ends = extremes([(score.evaluation_task_id, score.share) for score in scores])
    return {
        name: files.read_response("evaluation", name)
        for name in ends
        if files.is_answered("evaluation", name)
    }
