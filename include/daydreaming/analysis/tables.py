"""Every table that is made of ``parsed_scores`` alone, by the name of its file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from daydreaming.analysis.agreement import evaluator_agreement
from daydreaming.analysis.comparisons import factor_levels, friedman, paired_comparisons
from daydreaming.analysis.dstudy import d_study
from daydreaming.analysis.final_results import final_results
from daydreaming.analysis.gstudy import g_study
from daydreaming.analysis.judge_audit import adjusted_ranking, judge_audit
from daydreaming.analysis.missing import missing_cells
from daydreaming.analysis.pivots import (
    evaluation_model_template_pivot,
    generation_scores_pivot,
    perfect_score_paths,
)
from daydreaming.analysis.power import detectable_effects
from daydreaming.analysis.reliability import judge_reliability
from daydreaming.analysis.variance import comprehensive_variance

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pandas as pd

ANALYSES: Final[Mapping[str, Callable[[pd.DataFrame], pd.DataFrame]]] = {
    "final_results": final_results,
    "perfect_score_paths": perfect_score_paths,
    "generation_scores_pivot": generation_scores_pivot,
    "evaluation_model_template_pivot": evaluation_model_template_pivot,
    "evaluator_agreement_analysis": evaluator_agreement,
    "comprehensive_variance_analysis": comprehensive_variance,
    "judge_reliability": judge_reliability,
    "factor_levels": factor_levels,
    "paired_comparisons": paired_comparisons,
    "friedman": friedman,
    "g_study": g_study,
    "d_study": d_study,
    "judge_audit": judge_audit,
    "adjusted_ranking": adjusted_ranking,
    "missing_cells": missing_cells,
    "detectable_effects": detectable_effects,
}
"""File name without ``.csv``, and the function that makes the table of what ``parsed_scores`` returns."""
