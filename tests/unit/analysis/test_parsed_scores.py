from __future__ import annotations

import math
from datetime import UTC, datetime
from decimal import Decimal
from types import MappingProxyType

import pytest

from daydreaming.analysis.frames import typed_frame
from daydreaming.analysis.scores import SCORE_KINDS, parsed_scores
from daydreaming.errors import StoreError


def test_columns_of_the_original_come_first_then_ours(row):
    frame = parsed_scores([row(7)])
    assert " ".join(frame.columns) == (
        "combo_id generation_template generation_model evaluation_template evaluation_model score error "
        "evaluation_response_path evaluation_task_id generation_task_id generation_replicate "
        "evaluation_replicate parser score_min score_max generation_response_path description_level k_max "
        "generation_family evaluation_family essay_chars generation_cost_usd evaluation_cost_usd "
        "generation_model_name evaluation_model_name"
    )


def test_no_rows_give_the_same_columns_and_types(row):
    assert parsed_scores([]).dtypes.to_dict() == parsed_scores([row(7)]).dtypes.to_dict()
    assert parsed_scores([]).empty


def test_an_unscored_evaluation_keeps_its_row_and_error_and_is_not_zero(row):
    frame = parsed_scores(iter([row(None), row(0, judge="j2")]))
    assert frame["error"].tolist() == ["no SCORE line", ""]
    assert math.isnan(frame["score"][0])
    assert frame["score"][1] == 0


def test_scores_stay_on_the_scale_of_their_template(row):
    assert parsed_scores([row(4.5, scale=(0, 9))])["score"].tolist() == [4.5]


@pytest.mark.parametrize(
    ("score", "scale", "error"),
    [
        (10, (0, 9), "score 10 is outside the scale 0-9"),
        (-1, (0, 10), "score -1 is outside the scale 0-10"),
        (0.5, (1, 5), "score 0.5 is outside the scale 1-5"),
        (math.inf, (0, 10), "score inf is outside the scale 0-10"),
    ],
)
def test_a_score_outside_its_scale_is_unscored(row, score, scale, error):
    frame = parsed_scores([row(score, scale=scale)])
    assert math.isnan(frame["score"][0])
    assert frame["error"].tolist() == [error]


def test_a_row_without_a_scale_is_on_the_scale_of_the_original(row):
    frame = parsed_scores([row(7, score_min=None, score_max=None)])
    assert (frame["score_min"][0], frame["score_max"][0]) == (0, 10)


@pytest.mark.parametrize(("low", "high"), [(5, 5), (10, 0), (None, 9)])
def test_a_scale_that_is_none_is_refused(row, low, high):
    with pytest.raises(StoreError, match=r"'r1': score_min must be less than score_max; got .*Correct eval"):
        parsed_scores([row(None, score_min=low, score_max=high)])


def test_rows_are_sorted_by_generation_then_rubric_judge_and_replicate_as_a_number(row):
    rows = [row(1, evaluation_replicate=r) for r in (10, 2, 1)] + [row(1, judge="j0"), row(1, template="g0")]
    frame = parsed_scores(rows)
    assert frame["generation_template"].tolist() == ["g0", "g1", "g1", "g1", "g1"]
    assert frame["evaluation_model"].tolist() == ["j1", "j0", "j1", "j1", "j1"]
    assert frame["evaluation_replicate"].tolist() == [1, 1, 1, 2, 10]


def test_an_evaluation_that_comes_twice_is_refused(row):
    with pytest.raises(StoreError, match=r"1 rows repeat an evaluation_task_id, first 'combo_v1_a.*one row"):
        parsed_scores([row(1), row(2)])


@pytest.mark.parametrize("column", ["combo_id", "generation_task_id", "evaluation_model"])
@pytest.mark.parametrize("missing", [None, ""])
def test_a_row_without_a_factor_or_id_is_refused(row, column, missing):
    with pytest.raises(StoreError, match=f"{column} is empty in 1 of 2 rows.*Rebuild"):
        parsed_scores([row(1), row(2, judge="j2") | {column: missing}])


def test_further_keys_are_left_out_and_absent_ones_are_missing_values(row):
    short = row(7, secret="x")
    del short["k_max"], short["parser"]
    frame = parsed_scores([short])
    assert list(frame.columns) == list(SCORE_KINDS)
    assert frame["k_max"].isna().all()
    assert frame["parser"].tolist() == [""]


def test_any_mapping_is_a_row(row):
    assert parsed_scores([MappingProxyType(row(7)), row(8, judge="j2")])["score"].tolist() == [7, 8]


def test_ids_of_digits_stay_text(row):
    assert parsed_scores([row(7, template="02")])["generation_template"].tolist() == ["02"]


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        ("text", [None, float("nan"), 3, "x"], ["", "", "3", "x"]),
        ("text", [datetime(2025, 3, 1, 2, tzinfo=UTC), None], ["2025-03-01T02:00:00+00:00", ""]),
        ("text", [None, None], ["", ""]),
        ("number", [Decimal("1.5"), 2], [1.5, 2.0]),
        ("integer", [3, 2.0], [3, 2]),
    ],
)
def test_values_become_the_kind_of_their_column(kind, values, expected):
    assert typed_frame([{"c": value} for value in values], {"c": kind})["c"].tolist() == expected


@pytest.mark.parametrize(
    ("kind", "value", "shown"),
    [("number", "seven", "'seven'"), ("integer", 1.5, "1.5"), ("integer", "x", "'x'")],
)
def test_a_number_that_is_none_is_refused(kind, value, shown):
    with pytest.raises(StoreError, match=f"size must hold {kind}s or nothing; got {shown}"):
        typed_frame([{"size": 1}, {"size": value}], {"size": kind})
