"""When the calls that are left will have been answered."""

from __future__ import annotations

import pytest

from daydreaming.inputs.records import LLMModel
from daydreaming.llm.limits import RateLimits
from daydreaming.pipeline.time_left import CallsLeft, time_left
from daydreaming.pipeline.wall_time import Load

#: A minute with its margin, as the limiter counts it.
MINUTE_S = 61.0


def left(stage, model_id, calls, per_minute=None, *, rpm=None, unsent=None, name=None):
    row = LLMModel(
        model_id,
        name or model_id,
        "prov",
        "M",
        for_generation=True,
        for_evaluation=True,
        specialization="",
        conn_id="c",
        pool="p",
    )
    unsent = calls if unsent is None else unsent
    load = Load(stage, row, RateLimits(rpm=rpm), unsent, 0) if unsent else None
    return CallsLeft(stage, model_id, calls, per_minute, load)


@pytest.mark.parametrize(
    ("calls", "per_minute", "rpm", "expected"),
    [
        (0, None, 20, 0.0),
        (0, 5.0, None, 0.0),
        (10, 5.0, None, 120.0),
        # The limits alone: the 41st starts in the third minute.
        (41, None, 20, 2 * MINUTE_S),
        # Of both, the longer.
        (41, 20.5, 20, 2 * MINUTE_S),
        (41, 10.25, 20, 240.0),
        # Nothing tells: all may start at once, and none has been answered.
        (10, None, None, None),
        (10, None, 20, None),
    ],
)
def test_a_model_takes_the_longer_of_its_limits_and_its_rate(calls, per_minute, rpm, expected):
    found = time_left([left("generation", "m", calls, per_minute, rpm=rpm)])
    assert found.by_model == {("generation", "m"): expected}
    assert found.total_s == expected


def test_calls_in_flight_take_time_by_the_rate_and_no_start():
    found = time_left([left("generation", "m", 41, 41.0, rpm=20, unsent=1)])
    assert found.total_s == 60.0


def test_evaluations_begin_when_the_slowest_generator_has_ended():
    found = time_left(
        [
            left("generation", "a", 10, 10.0),
            left("generation", "b", 30, 10.0),
            left("evaluation", "j", 20, 10.0),
            left("evaluation", "k", 0, 10.0),
        ]
    )
    assert found.by_model == {
        ("generation", "a"): 60.0,
        ("generation", "b"): 180.0,
        ("evaluation", "j"): 300.0,
        ("evaluation", "k"): 0.0,
    }
    assert found.total_s == 300.0


def test_what_is_not_known_of_one_is_not_known_of_all_that_wait_for_it():
    found = time_left([left("generation", "a", 10), left("evaluation", "j", 20, 10.0)])
    assert found.by_model == {("generation", "a"): None, ("evaluation", "j"): None}
    assert found.total_s is None


def test_models_that_share_their_limits_wait_for_each_other():
    found = time_left(
        [
            left("generation", "a", 20, 60.0, rpm=20, name="same"),
            left("evaluation", "j", 21, 60.0, rpm=20, name="same"),
        ]
    )
    assert found.by_model[("evaluation", "j")] == 20.0 + MINUTE_S
    # 41 calls at 20 a minute.
    assert found.total_s == 2 * MINUTE_S


def test_nothing_planned_is_nothing_left():
    assert time_left([]).total_s == 0.0
