"""Every table that is made of ``parsed_scores`` alone, by the name of its file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from daydreaming.analysis.agreement import evaluator_agreement
from daydreaming.analysis.comparisons import factor_levels, friedman, paired_comparisons
from daydreaming.analysis.final_results import final_results
from daydreaming.analysis.pivots import (
    evaluation_model_template_pivot,
    generation_scores_pivot,
    perfect_score_paths,
)
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
}
"""File name without ``.csv``, and the function that makes the table of what ``parsed_scores`` returns."""
