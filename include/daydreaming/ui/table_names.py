"""Names of the tables of statistics for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_NAMES: Final[Mapping[str, str]] = {
    "adjusted_ranking": "Ranking without the judges' habits",
    "comprehensive_variance_analysis": "Variance of scores",
    "d_study": "What more of each thing would bring",
    "detectable_effects": "Smallest differences that are found",
    "evaluation_model_template_pivot": "Scores by judge and rubric",
    "evaluator_agreement_analysis": "Agreement of the judges by essay",
    "factor_levels": "Levels by mean score",
    "final_results": "Means by factor",
    "friedman": "Friedman tests",
    "g_study": "Variance components",
    "generation_scores_pivot": "Scores by essay",
    "human_agreement": "People and judges",
    "judge_audit": "Habits of each judge",
    "judge_reliability": "Reliability of the judges",
    "missing_cells": "Ranks that missing scores leave open",
    "paired_comparisons": "Levels in pairs",
    "perfect_score_paths": "Essays with the highest score",
}


def table_name(name: str) -> str:
    """What a table holds, in words; its own name without underscores where nobody has named it."""
    return _NAMES.get(name) or name.replace("_", " ").capitalize()
