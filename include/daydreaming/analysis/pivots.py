"""Wide tables: perfect scores with their files, scores by generation, judges by rubric."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from daydreaming.analysis.final_results import is_perfect
from daydreaming.analysis.scales import DECIMALS, group_statistics, with_shared_scale
from daydreaming.analysis.scores import EVALUATION_ORDER, generations

if TYPE_CHECKING:
    from collections.abc import Sequence

PERFECT_COLUMNS: Final = (
    "combo_id",
    "generation_template",
    "generation_model",
    "evaluation_template",
    "evaluation_model",
    "score",
    "generation_response_path",
    "evaluation_response_path",
    "generation_task_id",
    "evaluation_task_id",
    "generation_replicate",
    "evaluation_replicate",
    "score_max",
)
JUDGE_CELL: Final = ("mean", "sd", "count")


def perfect_score_paths(scores: pd.DataFrame) -> pd.DataFrame:
    """Every evaluation that gave the highest score of its scale, with the files of essay and verdict.

    Args:
        scores: One row per planned evaluation, as ``parsed_scores`` returns.

    Returns:
        Columns of ``PERFECT_COLUMNS``, sorted by generation, rubric, judge and replicate.
    """
    perfect = scores.loc[is_perfect(scores)].sort_values(list(EVALUATION_ORDER), ignore_index=True)
    return perfect[list(PERFECT_COLUMNS)]


def generation_scores_pivot(scores: pd.DataFrame) -> pd.DataFrame:
    """One row per generation, one column per rubric and judge.

    Args:
        scores: One row per planned evaluation, as ``parsed_scores`` returns.

    Returns:
        Sorted by generation. Columns:

        - ``combo_id, generation_template, generation_model, generation_replicate, generation_task_id``.
        - ``{evaluation_template}__{evaluation_model}``, sorted: the mean over evaluation replicates on the
          template's own scale; empty where nothing was scored. (Where two pairs would share a name, all
          are joined by ``/``, which no ID holds.)
        - ``sum_scores``: the sum of those cells; empty unless every cell that was planned for the
          generation is scored, since a sum of fewer verdicts would pass for a worse essay.
        - ``mean_score``: the mean of the cells that are scored.
        - ``n_planned``, ``n_scored``: evaluations planned and scored.
        - ``scale``: of ``sum_scores``' terms and of ``mean_score``, the same in all rows: the scale that
          all rubrics share, else ``0-10 (rescaled)``.
    """
    pair = ["evaluation_template", "evaluation_model"]
    cells = _cell_means(with_shared_scale(scores, ["evaluation_template"]), pair)
    comparable = with_shared_scale(scores)
    totals = _totals(comparable, pair)
    cells.columns = pd.Index(_pair_names(list(cells.columns)), dtype="str")
    table = generations(scores).join(cells, on="generation_task_id")
    return table.join(totals, on="generation_task_id")


def evaluation_model_template_pivot(scores: pd.DataFrame) -> pd.DataFrame:
    """How each judge scores by each rubric: one row per judge.

    Args:
        scores: One row per planned evaluation, as ``parsed_scores`` returns.

    Returns:
        Sorted by judge. Columns:

        - ``evaluation_model``; ``planned``, ``count``, ``unscored``: its evaluations in all;
          ``mean_0_10``: the mean of its scores, each put on 0–10.
        - for each rubric, sorted, on the rubric's own scale: ``{evaluation_template}__mean``,
          ``{evaluation_template}__sd`` (n − 1; empty below 2 scores), ``{evaluation_template}__count``
          (scored; empty where the judge had nothing to judge by this rubric, 0 where all failed).
    """
    cells = _judge_cells(with_shared_scale(scores, ["evaluation_template"]))
    totals = group_statistics(scores, ["evaluation_model"])[["planned", "count", "unscored", "mean_0_10"]]
    return totals.join(cells).reset_index()


def _judge_cells(frame: pd.DataFrame) -> pd.DataFrame:
    groups = frame.groupby(["evaluation_template", "evaluation_model"])["value"]
    cells = pd.DataFrame({"mean": groups.mean().round(DECIMALS), "sd": groups.std().round(DECIMALS)})
    cells = cells.assign(count=groups.count().astype("Int64"))
    templates = cells.index.unique("evaluation_template")
    columns = [cells.loc[template].add_prefix(f"{template}__") for template in templates]
    return pd.concat(columns, axis="columns") if columns else pd.DataFrame(index=pd.Index([], dtype="str"))


def _cell_means(frame: pd.DataFrame, pair: Sequence[str]) -> pd.DataFrame:
    means = frame.groupby(["generation_task_id", *pair])["value"].mean()
    return means.round(DECIMALS).unstack(list(pair)).sort_index(axis="columns")


def _totals(frame: pd.DataFrame, pair: Sequence[str]) -> pd.DataFrame:
    cells = frame.groupby(["generation_task_id", *pair])["value"].mean()
    by_generation = cells.groupby("generation_task_id")
    complete = by_generation.count() == by_generation.size()
    rows = frame.groupby("generation_task_id")
    return pd.DataFrame(
        {
            "sum_scores": by_generation.sum().where(complete).round(DECIMALS),
            "mean_score": by_generation.mean().round(DECIMALS),
            "n_planned": rows.size(),
            "n_scored": rows["value"].count(),
            "scale": rows["scale"].first(),
        }
    )


def _pair_names(pairs: Sequence[Any]) -> list[str]:
    names = [f"{template}__{model}" for template, model in pairs]
    if len(set(names)) == len(names):
        return names
    return [f"{template}/{model}" for template, model in pairs]
