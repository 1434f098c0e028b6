from __future__ import annotations

from dataclasses import replace

import pytest

from daydreaming.inputs.records import LLMModel, Stage
from daydreaming.llm.limits import RateLimits, plan_starts
from daydreaming.pipeline.connection_limits import row_limits
from daydreaming.pipeline.wall_time import Load, starting_time_s, wall_time_s


def model(name: str = "m", conn_id: str = "c", pool: str = "p", **limits: int) -> LLMModel:
    return LLMModel(
        name,
        name,
        "prov",
        "M",
        for_generation=True,
        for_evaluation=True,
        specialization="",
        conn_id=conn_id,
        pool=pool,
        **limits,
    )


def load(calls: int, stage: Stage = "generation", tokens_each: int = 0, burst=None, **of_model) -> Load:
    asked = model(**of_model)
    limits = replace(row_limits(asked), burst=burst)
    return Load(stage, asked, limits, calls, calls * tokens_each)


@pytest.mark.parametrize("calls", [1, 2, 19, 20, 21, 49, 50, 51, 100, 149])
@pytest.mark.parametrize(
    ("limits", "tokens_each"),
    [
        ({}, 100),
        ({"rpm": 20}, 100),
        ({"rpd": 50}, 100),
        ({"rpm": 20, "rpd": 50}, 100),
        ({"tpm": 1000}, 100),
        ({"tpm": 1000}, 400),
        ({"tpm": 1000}, 2000),
        ({"rpm": 3, "tpm": 1000}, 100),
        ({"rpm": 20, "burst": 1}, 100),
        ({"rpm": 20, "burst": 3}, 100),
        ({"rpm": 20, "burst": 20}, 100),
        ({"rpm": 7, "burst": 5}, 100),
        ({"rpm": 20, "burst": 6, "rpd": 50}, 100),
        ({"rpm": 1, "rpd": 2000}, 100),
        ({"burst": 5}, 100),
    ],
)
def test_it_is_when_the_limiter_lets_the_last_call_start(limits, tokens_each, calls):
    starts = plan_starts([], RateLimits(**limits), [tokens_each] * calls, now=0.0)
    assert starting_time_s(load(calls, tokens_each=tokens_each, **limits)) == pytest.approx(starts[-1])


@pytest.mark.parametrize("limits", [{"rpm": 1}, {"tpm": 1}, {"rpd": 1}])
def test_nothing_to_call_takes_no_time(limits):
    assert starting_time_s(load(0, **limits)) == 0
    assert wall_time_s([load(0, **limits)]) == 0


def test_a_stage_takes_as_long_as_its_slowest_model_and_stages_follow_each_other():
    loads = [
        load(21, name="a", rpm=20),
        load(41, name="b", rpm=20),
        load(10, "evaluation", name="c"),
        load(61, "evaluation", name="d", rpm=20),
    ]
    assert wall_time_s(loads) == 2 * 61 + 3 * 61
    assert wall_time_s([]) == 0


def test_rows_of_one_model_behind_one_connection_share_its_limits():
    twice = [load(15, name="m", rpm=20), load(15, name="m", rpm=20)]
    assert wall_time_s(twice) == 61
    assert wall_time_s([twice[0], load(15, name="m", conn_id="other", rpm=20)]) == 0


def test_the_strictest_of_the_rows_of_one_model_holds():
    assert wall_time_s([load(15, name="m"), load(15, name="m", rpm=10)]) == 2 * 61


def test_a_daily_limit_that_the_minutes_keep_by_themselves_changes_nothing():
    for limits in ({"rpm": 1}, {"rpm": 1, "rpd": 2000}):
        starts = plan_starts([], RateLimits(**limits), [1] * 4001, now=0.0)
        assert starting_time_s(load(4001, **limits)) == starts[-1] == 4000 * 61


def test_the_strictest_burst_of_two_rows_holds():
    assert wall_time_s([load(15, rpm=30, burst=10), load(15, rpm=30, burst=5)]) == pytest.approx(5 * 61 / 6)


def test_a_daily_limit_holds_for_both_stages_together():
    loads = [load(30, name="m", rpd=50), load(40, "evaluation", name="m", rpd=50)]
    assert wall_time_s(loads) == 86_401
