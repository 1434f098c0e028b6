from __future__ import annotations

import math

import pandas as pd
import pytest

from daydreaming.analysis.cross_experiment import evaluation_results, generation_results
from daydreaming.errors import StoreError

GENERATION_COLUMNS = (
    "generation_task_id combo_id generation_template generation_model generation_status "
    "generation_timestamp response_file response_size_bytes experiment_id experiments replicate parser "
    "model_returned upstream_provider finish_reason prompt_tokens completion_tokens cost_usd latency_s "
    "attempts prompt_sha256 request_hash essay_error"
)
EVALUATION_COLUMNS = (
    "evaluation_task_id generation_task_id combo_id generation_template generation_model evaluation_template "
    "evaluation_model evaluation_status evaluation_timestamp eval_response_file eval_response_size_bytes "
    "experiment_id experiments replicate generation_replicate generation_timestamp score score_error parser "
    "score_min score_max model_returned upstream_provider finish_reason prompt_tokens completion_tokens "
    "cost_usd latency_s attempts prompt_sha256 request_hash"
)
CASES = [
    (generation_results, GENERATION_COLUMNS, "generation_task_id", "generation_timestamp"),
    (evaluation_results, EVALUATION_COLUMNS, "evaluation_task_id", "evaluation_timestamp"),
]


@pytest.mark.parametrize(("table", "columns", "key", "timestamp"), CASES)
def test_columns_are_those_of_the_original_then_ours_with_and_without_rows(table, columns, key, timestamp):
    empty, one = table([]), table([{key: "a"}])
    assert " ".join(empty.columns) == " ".join(one.columns) == columns
    assert empty.dtypes.to_dict() == one.dtypes.to_dict()
    assert (len(empty), len(one)) == (0, 1)


@pytest.mark.parametrize(("table", "columns", "key", "timestamp"), CASES)
def test_there_is_one_row_per_id_the_latest_in_order_of_ids(table, columns, key, timestamp):
    rows = [
        {key: "b", timestamp: "2025-01-02T00:00:00Z", "experiment_id": "first"},
        {key: "a", timestamp: "2025-01-05T00:00:00Z", "experiment_id": "first"},
        {key: "b", timestamp: "2025-01-03T00:00:00Z", "experiment_id": "second"},
        {key: "b", timestamp: "2025-01-03T00:00:00Z", "experiment_id": "another"},
    ]
    result = table(rows)
    assert result[[key, "experiment_id"]].to_numpy().tolist() == [["a", "first"], ["b", "second"]]
    pd.testing.assert_frame_equal(result, table(rows[::-1]))


@pytest.mark.parametrize(("table", "columns", "key", "timestamp"), CASES)
def test_a_row_without_an_id_is_refused(table, columns, key, timestamp):
    with pytest.raises(StoreError, match=f"{key} is empty in 1 of 1 rows"):
        table([{"combo_id": "c"}])


def test_an_unknown_cost_is_missing_and_not_zero():
    table = generation_results([{"generation_task_id": "a", "cost_usd": None, "prompt_tokens": None}])
    assert math.isnan(table["cost_usd"][0])
    assert table["prompt_tokens"].isna().all()


def test_an_unscored_evaluation_keeps_its_row_with_the_error():
    table = evaluation_results([{"evaluation_task_id": "a", "score": None, "score_error": "no SCORE line"}])
    assert math.isnan(table["score"][0])
    assert table["score_error"].tolist() == ["no SCORE line"]
