"""How models did over all experiments: by combination, and day by day."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from daydreaming.analysis.frames import Kind, typed_frame
from daydreaming.analysis.scales import group_statistics

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

ROLES: Final[Mapping[str, tuple[str, str]]] = {
    "generator": ("generation_model", "generation_timestamp"),
    "judge": ("evaluation_model", "evaluation_timestamp"),
}
"""By role: the column that names the model, and when it answered."""

_STATISTICS: Final[Mapping[str, Kind]] = {
    "essays": "integer",
    "evaluations": "integer",
    "scored": "integer",
    "unscored": "integer",
    "mean": "number",
    "sd": "number",
    "min": "number",
    "max": "number",
    "scale": "text",
    "mean_0_10": "number",
}
BY_COMBINATION_KINDS: Final[Mapping[str, Kind]] = {
    "role": "text",
    "model": "text",
    "combo_id": "text",
    **_STATISTICS,
}
OVER_TIME_KINDS: Final[Mapping[str, Kind]] = {"role": "text", "model": "text", "day": "text", **_STATISTICS}
_DAY_LENGTH = len("2026-03-01")


def model_performance_by_combination(evaluations: pd.DataFrame) -> pd.DataFrame:
    """Scores of each model's essays, and of each judge's verdicts, by combination of concepts.

    Args:
        evaluations: As ``evaluation_results`` returns.

    Returns:
        One row per role (``generator``, ``judge``), model and combination, sorted: ``essays`` (distinct),
        ``evaluations``, ``scored``, ``unscored``, then of the scores ``mean``, ``sd`` (n − 1; empty below
        2), ``min``, ``max``, ``scale`` (the one that they share, else ``0-10 (rescaled)``) and
        ``mean_0_10``. For a judge these describe how it scores, not how good it is.
    """
    return _by_role(evaluations, "combo_id", BY_COMBINATION_KINDS)


def model_performance_over_time(evaluations: pd.DataFrame) -> pd.DataFrame:
    """The same by day (UTC): of a generator the day of its essay, of a judge that of its verdict.

    Args:
        evaluations: As ``evaluation_results`` returns.

    Returns:
        As above, with ``day`` (``YYYY-MM-DD``, '' where nobody knows) in place of ``combo_id``.
    """
    return _by_role(evaluations, "day", OVER_TIME_KINDS)


def _by_role(evaluations: pd.DataFrame, key: str, kinds: Mapping[str, Kind]) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    for role, (model, timestamp) in ROLES.items() if len(evaluations) else ():
        frame = evaluations.assign(day=evaluations[timestamp].str[:_DAY_LENGTH])
        statistics = group_statistics(frame, [model, key])
        statistics["essays"] = frame.groupby([model, key])["generation_task_id"].nunique()
        table = statistics.reset_index().rename(
            columns={model: "model", "planned": "evaluations", "count": "scored"}
        )
        records = table.assign(role=role).to_dict("records")
        rows += [{str(name): value for name, value in row.items()} for row in records]
    return typed_frame(rows, kinds)
