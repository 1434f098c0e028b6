from __future__ import annotations

import pandas as pd
import pytest

from daydreaming.analysis.cross_experiment import evaluation_results
from daydreaming.analysis.model_performance import (
    BY_COMBINATION_KINDS,
    OVER_TIME_KINDS,
    model_performance_by_combination,
    model_performance_over_time,
)

#: Two essays of `gen`, on two days; `judge` reads both a day later and cannot be read once.
ROWS = [
    {
        "evaluation_task_id": f"{essay}-{rubric}",
        "generation_task_id": essay,
        "combo_id": combo,
        "generation_model": "gen",
        "evaluation_model": "judge",
        "evaluation_template": rubric,
        "generation_timestamp": f"2026-03-0{day}T23:59:59+00:00",
        "evaluation_timestamp": f"2026-03-0{day + 1}T00:00:01+00:00",
        "score": score,
        "score_min": 0,
        "score_max": top,
    }
    for essay, combo, day, rubric, score, top in [
        ("e1", "c1", 1, "rigor", 9, 9),
        ("e1", "c1", 1, "style", 4, 10),
        ("e2", "c2", 2, "style", 6, 10),
        ("e2", "c2", 2, "taste", None, 10),
    ]
]


def rows_of(table: pd.DataFrame, *columns: str) -> list[list[object]]:
    return table[list(columns)].to_numpy().tolist()


def test_models_are_described_in_both_roles_by_combination():
    table = model_performance_by_combination(evaluation_results(ROWS))
    assert list(table.columns) == list(BY_COMBINATION_KINDS)
    columns = (
        "model",
        "combo_id",
        "essays",
        "evaluations",
        "scored",
        "unscored",
        "mean",
        "scale",
        "mean_0_10",
    )
    described = [["c1", 1, 2, 2, 0, 7, "0-10 (rescaled)", 7], ["c2", 1, 2, 1, 1, 6, "0-10", 6]]
    expected = [[model, *row] for model in ("gen", "judge") for row in described]
    assert rows_of(table, *columns) == expected
    assert table["role"].tolist() == ["generator", "generator", "judge", "judge"]
    assert table["sd"].isna().tolist() == [False, True, False, True]


def test_a_generator_has_the_day_of_the_essay_and_a_judge_that_of_the_verdict():
    table = model_performance_over_time(evaluation_results(ROWS))
    assert list(table.columns) == list(OVER_TIME_KINDS)
    assert rows_of(table, "role", "model", "day", "evaluations") == [
        ["generator", "gen", "2026-03-01", 2],
        ["generator", "gen", "2026-03-02", 2],
        ["judge", "judge", "2026-03-02", 2],
        ["judge", "judge", "2026-03-03", 2],
    ]


def test_what_nobody_dated_is_kept_without_a_day():
    undated = [{**row, "generation_timestamp": None} for row in ROWS]
    table = model_performance_over_time(evaluation_results(undated))
    assert rows_of(table[table["role"] == "generator"], "day", "evaluations") == [["", 4]]


@pytest.mark.parametrize("make", [model_performance_by_combination, model_performance_over_time])
def test_without_evaluations_the_table_is_its_header(make):
    empty, full = make(evaluation_results([])), make(evaluation_results(ROWS))
    assert empty.empty
    assert empty.dtypes.to_dict() == full.dtypes.to_dict()
