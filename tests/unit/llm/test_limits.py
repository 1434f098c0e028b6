from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daydreaming.errors import InputError
from daydreaming.llm.limits import (
    DAY_S,
    MARGIN_S,
    MINUTE_S,
    RAMP_FIRST,
    RateLimits,
    Start,
    learned_rpm,
    needed_history_s,
    plan_start,
    plan_starts,
    ramp_offset_s,
)
from daydreaming.llm.simulator.window import RateWindow

#: The machine may be slow: no check of the time that an example takes.
PROPERTY = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
MINUTE = MINUTE_S + MARGIN_S
DAY = DAY_S + MARGIN_S


def at(*times, tokens=0):
    return [Start(time, tokens) for time in times]


@pytest.mark.parametrize(
    ("limits", "history", "requests", "planned"),
    [
        # no limit, or none reached: at once
        (RateLimits(), at(1.0, 2.0), [9, 9], [100.0, 100.0]),
        (RateLimits(burst=1), [], [9, 9], [100.0, 100.0]),
        (RateLimits(rpm=3), [], [9, 9, 9], [100.0] * 3),
        # requests per minute: a start leaves the window at its very end
        (RateLimits(rpm=2), [], [0] * 5, [100.0, 100.0, 161.0, 161.0, 222.0]),
        (RateLimits(rpm=1), at(39.0), [0], [100.0]),
        (RateLimits(rpm=1), at(39.5), [0], [100.5]),
        (RateLimits(rpm=2), at(50.0, 60.0), [0, 0], [111.0, 121.0]),
        # a history that was made under a higher limit
        (RateLimits(rpm=1), at(98.0, 99.0, 100.0), [0], [161.0]),
        # requests per day, together with a minute's
        (RateLimits(rpd=2), at(100.0 - DAY, 100.0), [0, 0], [100.0, 100.0 + DAY]),
        (RateLimits(rpm=1, rpd=2), [], [0] * 3, [100.0, 161.0, 100.0 + DAY]),
        # tokens per minute
        (RateLimits(tpm=100), [], [60, 40, 1], [100.0, 100.0, 161.0]),
        (RateLimits(tpm=100), at(50.0, 60.0, 70.0, tokens=30), [10, 41, 30], [100.0, 121.0, 131.0]),
        (RateLimits(tpm=100), at(50.0, tokens=100), [0], [100.0]),
        (RateLimits(tpm=100), at(50.0, 60.0, tokens=150), [100], [121.0]),
        # a request that fits no window
        (RateLimits(tpm=100), at(90.0, tokens=1), [101, 1, 1], [151.0, 212.0, 212.0]),
        (RateLimits(tpm=100), [], [500, 500], [100.0, 161.0]),
        (RateLimits(tpm=100), [], [500, 0], [100.0, 161.0]),
        # bursts: a part of the minute with the same part of its margin
        (RateLimits(rpm=4, burst=2), [], [0] * 6, [100.0, 100.0, 130.5, 130.5, 161.0, 161.0]),
        (RateLimits(rpm=4, burst=4), [], [0] * 5, [100.0] * 4 + [161.0]),
        (RateLimits(rpm=4, burst=9), [], [0] * 5, [100.0] * 4 + [161.0]),
        (RateLimits(rpm=4, burst=1), at(99.0), [0], [114.25]),
        # first come, first served: also behind those to come
        (RateLimits(rpm=9), at(300.0), [0], [300.0]),
        (RateLimits(tpm=100), at(300.0, tokens=10), [5], [300.0]),
    ],
)
def test_a_start_is_the_earliest_that_keeps_every_window(limits, history, requests, planned):
    assert plan_starts(history, limits, requests, 100.0) == planned


@pytest.mark.parametrize(("not_before", "planned"), [(0.0, 111.0), (110.0, 111.0), (120.0, 120.0)])
def test_no_start_comes_before_a_pause_is_over(not_before, planned):
    assert plan_start(at(50.0), RateLimits(rpm=1), 0, 100.0, not_before) == planned


def test_nothing_is_planned_for_no_requests():
    assert plan_starts(at(1.0), RateLimits(rpm=1), [], 100.0) == []


whole = st.integers(1, 12)
LIMITS = st.builds(
    RateLimits,
    rpm=st.none() | whole,
    tpm=st.none() | st.integers(1, 40),
    rpd=st.none() | whole,
    # Half of the windows of a burst are no binary fractions: sums must hold there too.
    burst=st.none() | whole,
)
# Eighths: sums of them are exact, so that the comparisons below are.
TIMES = st.integers(0, 8 * 200).map(lambda n: n / 8) | st.integers(0, 8 * 90_000).map(lambda n: n / 8)
TOKENS = st.integers(0, 50)
HISTORY = st.lists(st.builds(Start, TIMES, TOKENS), max_size=30).map(lambda s: sorted(s, key=lambda x: x.at))
REQUESTS = st.lists(TOKENS, min_size=1, max_size=30)


def count_windows(limits):
    if limits.rpm:
        yield limits.rpm, 61.0
    if limits.rpd:
        yield limits.rpd, 86401.0
    if limits.rpm and limits.burst and limits.burst < limits.rpm:
        yield limits.burst, 61.0 * limits.burst / limits.rpm


def may_start(start, earlier, limits):
    """Whether the half-open windows that end with ``start`` have room for it: counted one by one."""
    for count, window_s in count_windows(limits):
        if sum(e.at + window_s > start.at for e in earlier) + 1 > count:
            return False
    if limits.tpm:
        others = sum(e.tokens for e in earlier if e.at + 61.0 > start.at)
        return others == 0 or others + start.tokens <= limits.tpm
    return True


@PROPERTY
@given(HISTORY, LIMITS, REQUESTS, TIMES, TIMES)
def test_every_start_keeps_the_order_the_pause_and_all_windows(history, limits, requests, now, not_before):
    planned = plan_starts(history, limits, requests, now, not_before)
    done = list(history)
    for time, tokens in zip(planned, requests, strict=True):
        start = Start(time, tokens)
        assert time >= max([now, not_before, *(e.at for e in done)])
        assert may_start(start, done, limits)
        done.append(start)


@PROPERTY
@given(HISTORY, LIMITS, REQUESTS, TIMES, TIMES)
def test_no_start_could_come_earlier(history, limits, requests, now, not_before):
    planned = plan_starts(history, limits, requests, now, not_before)
    done = list(history)
    for time, tokens in zip(planned, requests, strict=True):
        sooner = Start(time - 1 / 64, tokens)
        is_first_possible = time == max([now, not_before, *(e.at for e in done)])
        assert is_first_possible or not may_start(sooner, done, limits)
        done.append(Start(time, tokens))


@PROPERTY
@given(LIMITS, st.lists(REQUESTS, min_size=1, max_size=4), TIMES)
def test_no_window_anywhere_has_more_than_its_limit(limits, batches, now):
    starts = []
    for batch in batches:
        planned = plan_starts(starts, limits, batch, now)
        starts += [Start(time, tokens) for time, tokens in zip(planned, batch, strict=True)]
        now += 7.5
    for first in starts:
        for count, window_s in count_windows(limits):
            assert sum(first.at <= s.at < first.at + window_s for s in starts) <= count
        window = [s.tokens for s in starts if first.at <= s.at < first.at + MINUTE and s.tokens]
        assert not limits.tpm or len(window) <= 1 or sum(window) <= limits.tpm


@PROPERTY
@given(HISTORY, LIMITS, REQUESTS, TIMES)
def test_planning_several_is_planning_one_after_the_other(history, limits, requests, now):
    done = list(history)
    for tokens in requests:
        done.append(Start(plan_start(done, limits, tokens, now), tokens))
    assert plan_starts(history, limits, requests, now) == [s.at for s in done[len(history) :]]


@PROPERTY
@given(HISTORY, LIMITS, REQUESTS, TIMES)
def test_starts_older_than_the_needed_history_change_nothing(history, limits, requests, now):
    recent = [s for s in history if s.at > now - needed_history_s(limits)]
    assert plan_starts(recent, limits, requests, now) == plan_starts(history, limits, requests, now)


@pytest.mark.parametrize(
    ("limits", "seconds"),
    [
        (RateLimits(), 0.0),
        (RateLimits(burst=3), 0.0),
        (RateLimits(rpm=1), MINUTE),
        (RateLimits(tpm=1), MINUTE),
        (RateLimits(rpm=5, burst=1), MINUTE),
        (RateLimits(rpd=1), DAY),
        (RateLimits(rpm=1, tpm=1, rpd=1), DAY),
    ],
)
def test_history_matters_for_the_longest_window(limits, seconds):
    assert needed_history_s(limits) == seconds


@PROPERTY
@given(st.integers(1, 40), st.none() | st.integers(1, 40), st.randoms(use_true_random=False))
def test_a_provider_with_a_sliding_minute_refuses_none_that_arrives_within_the_margin(
    rpm: int, burst: int | None, chance: random.Random
):
    planned = plan_starts([], RateLimits(rpm=rpm, burst=burst), [0] * 200, 1000.0)
    arrivals = sorted(time + chance.uniform(0.0, MARGIN_S) for time in planned)
    provider = RateWindow()
    assert [provider.admit(rpm, MINUTE_S, arrival) for arrival in arrivals] == [None] * 200


def test_a_burst_spreads_requests_and_lets_no_fewer_through():
    smooth = plan_starts([], RateLimits(rpm=120, burst=12), [0] * 1200, 0.0)
    at_once = plan_starts([], RateLimits(rpm=120), [0] * 1200, 0.0)
    assert smooth[-1] == pytest.approx(at_once[-1] + MINUTE * 108 / 120)


@pytest.mark.parametrize("name", ["rpm", "tpm", "rpd", "burst"])
@pytest.mark.parametrize("value", [0, -5, 1.5, "20", True, float("nan")])
def test_a_limit_below_1_or_of_another_kind_is_refused(name, value):
    message = rf"{name} must be a whole number, 1 or more; got {value!r}\. Leave it out for no limit"
    with pytest.raises(InputError, match=message):
        RateLimits(**{name: value})


def test_all_wrong_limits_are_named_together():
    with pytest.raises(InputError) as caught:
        RateLimits(rpm=0, tpm=1, burst=-1)
    assert [line.split()[0] for line in caught.value.problems] == ["rpm", "burst"]


@pytest.mark.parametrize(
    ("k", "offset_s"), [(0, 0.0), (7, 0.0), (15, 1.0), (31, 2.0), (63, 3.0), (8 * 1024 - 1, 10.0)]
)
def test_a_ramp_starts_with_a_few_and_doubles_each_second(k, offset_s):
    assert ramp_offset_s(k) == pytest.approx(offset_s)


@pytest.mark.parametrize("seconds", [0, 1, 2, 3, 4])
def test_so_many_starts_are_allowed_after_each_second(seconds):
    allowed = sum(ramp_offset_s(k) <= seconds for k in range(1000))
    assert allowed == RAMP_FIRST * 2**seconds


def test_a_ramp_never_goes_back():
    offsets = [ramp_offset_s(k) for k in range(500)]
    assert offsets == sorted(offsets)


@pytest.mark.parametrize(
    ("started", "stated", "rpm"),
    [
        (100, None, 90),
        (10, None, 9),
        (11, None, 9),
        (1, None, 1),
        (0, None, 1),
        (100, 20, 20),
        (5, 20, 20),
        (100, 0, 1),
    ],
)
def test_a_refusal_teaches_the_stated_limit_or_a_little_less_than_was_started(started, stated, rpm):
    assert learned_rpm(started, stated) == rpm
