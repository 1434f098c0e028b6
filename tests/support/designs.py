"""Scores of a crossed design, simulated with known variance components."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from daydreaming.analysis.components import PARTS, RESIDUAL
from daydreaming.analysis.scores import parsed_scores

COLUMNS = (
    "combo_id",
    "generation_template",
    "generation_model",
    "generation_replicate",
    "evaluation_model",
    "evaluation_template",
    "evaluation_replicate",
)
#: Names of the levels by column; replicates are numbers.
PREFIXES = {"combo_id": "c", "generation_template": "t", "generation_model": "g", "evaluation_model": "j",
            "evaluation_template": "r"}  # fmt: skip


def crossed(
    *, combos: int = 1, templates: int = 1, generators: int = 1, replicates: int = 1, judges: int = 1,
    rubrics: int = 1, evaluation_replicates: int = 1,
) -> pd.DataFrame:  # fmt: skip
    """Every cell of a design: the factors, replicates and the essay, one row per evaluation."""
    levels = (combos, templates, generators, replicates, judges, rubrics, evaluation_replicates)
    frame = pd.DataFrame(list(product(*map(range, levels))), columns=list(COLUMNS))
    for column, prefix in PREFIXES.items():
        frame[column] = [f"{prefix}{i:04}" for i in frame[column]]
    frame[["generation_replicate", "evaluation_replicate"]] += 1
    parts = [frame[column].astype(str) for column in COLUMNS[:4]]
    return frame.assign(essay=parts[0].str.cat(parts[1:], sep="_"))


def with_values(
    frame: pd.DataFrame, rng: np.random.Generator, variances: Mapping[str, float]
) -> pd.DataFrame:
    """Add ``value``: 5 and a normal effect of each part and the residual, by their variances."""
    value = np.full(len(frame), 5.0)
    for name, variance in variances.items():
        if name == RESIDUAL:
            code = np.arange(len(frame))
        else:
            code = frame.groupby(list(PARTS[name])).ngroup().to_numpy()
        value += (np.sqrt(variance) * rng.normal(size=code.max() + 1))[code]
    return frame.assign(value=value)


def as_scores(frame: pd.DataFrame, **columns: Any) -> pd.DataFrame:
    """The frame as ``parsed_scores`` returns it: ``value`` is the score, NaN is unscored."""
    rows = frame.assign(
        score=frame["value"],
        generation_task_id=frame["essay"],
        evaluation_task_id=[f"e{i:06}" for i in range(len(frame))],
        **columns,
    )
    return parsed_scores(rows.drop(columns=["value", "essay"]).to_dict("records"))


def without(frame: pd.DataFrame, rng: np.random.Generator, share: float) -> pd.DataFrame:
    """The frame with a share of its rows gone, at random."""
    return frame[rng.random(len(frame)) >= share].reset_index(drop=True)
