"""Decisions of the simulator: pure, so checked without a server."""

from __future__ import annotations

from collections import Counter

import pytest

from daydreaming.errors import InputError
from daydreaming.llm.simulator.behaviour import (
    Fault,
    SimulatorConfig,
    changed,
    draw,
    fault_for,
    latency_for,
    read_sticky,
)
from daydreaming.llm.simulator.window import RateWindow

PROMPTS = [f"prompt {number}" for number in range(2000)]
EACH_TEN_PERCENT = SimulatorConfig(**{f"rate_{fault}": 0.1 for fault in Fault})


def test_draws_are_the_same_on_every_machine():
    assert draw(7, "fault", "m", "a prompt", 1) == pytest.approx(0.6935477743936965, abs=0)


def test_draws_take_text_that_is_no_valid_unicode():
    assert 0 <= draw(7, "\ud800") < 1


def test_no_shares_mean_no_faults():
    assert {fault_for(SimulatorConfig(), "m", prompt, 1) for prompt in PROMPTS} == {None}


@pytest.mark.parametrize("fault", list(Fault))
def test_a_share_of_one_is_that_fault_every_time(fault):
    config = SimulatorConfig(**{f"rate_{fault}": 1.0})
    assert {fault_for(config, "m", prompt, attempt) for prompt in PROMPTS[:50] for attempt in (1, 2)} == {
        fault
    }


@pytest.mark.parametrize("sticky", [(), (Fault.TRUNCATED, Fault.UNREADABLE), tuple(Fault)], ids=len)
def test_each_fault_keeps_its_share_whatever_is_sticky(sticky):
    config = changed(EACH_TEN_PERCENT, {"sticky": list(sticky)})
    counts = Counter(fault_for(config, "m", prompt, 1) for prompt in PROMPTS)
    assert set(counts) == {None, *Fault}
    assert all(150 < count < 250 for count in counts.values())


def test_shares_are_added_up_in_the_documented_order():
    number = draw(7, "fault", "m", "p", 1)
    before = SimulatorConfig(rate_429=number, rate_500=1 - number)
    assert fault_for(before, "m", "p", 1) is Fault.SERVER_ERROR
    after = SimulatorConfig(rate_429=number + 1e-6, rate_500=1 - number - 1e-6)
    assert fault_for(after, "m", "p", 1) is Fault.RATE_LIMITED


def test_a_fault_depends_on_seed_model_and_attempt():
    config = EACH_TEN_PERCENT
    first = [fault_for(config, "m", prompt, 1) for prompt in PROMPTS]
    assert first == [fault_for(config, "m", prompt, 1) for prompt in PROMPTS]
    assert first != [fault_for(config, "m", prompt, 2) for prompt in PROMPTS]
    assert first != [fault_for(config, "other", prompt, 1) for prompt in PROMPTS]
    assert first != [fault_for(SimulatorConfig(seed=8, rate_429=0.5), "m", prompt, 1) for prompt in PROMPTS]


def test_a_sticky_fault_is_the_fate_of_every_attempt_and_the_others_are_not():
    config = SimulatorConfig(rate_truncated=0.3, rate_500=0.3, sticky=(Fault.TRUNCATED,))
    fates = [[fault_for(config, "m", prompt, attempt) for attempt in range(1, 6)] for prompt in PROMPTS[:200]]
    stuck = [fate for fate in fates if Fault.TRUNCATED in fate]
    assert stuck
    assert all(set(fate) == {Fault.TRUNCATED} for fate in stuck)
    assert any(set(fate) == {Fault.SERVER_ERROR, None} for fate in fates)


def test_latency_stays_within_jitter_and_is_the_same_each_time():
    config = SimulatorConfig(latency_s=2.0, jitter_s=0.5)
    seconds = [latency_for(config, "m", prompt, 1) for prompt in PROMPTS]
    assert seconds == [latency_for(config, "m", prompt, 1) for prompt in PROMPTS]
    assert 1.5 <= min(seconds) < 1.6
    assert 2.4 < max(seconds) <= 2.5


def test_latency_is_never_negative():
    config = SimulatorConfig(latency_s=0.1, jitter_s=5)
    assert min(latency_for(config, "m", prompt, 1) for prompt in PROMPTS) == 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rate_500": 1.2}, r"rate_500 must be a share between 0 and 1; got 1\.2"),
        ({"rate_500": "0.1"}, r"rate_500 must be a share between 0 and 1; got '0\.1'"),
        ({"rate_500": float("nan")}, "rate_500 must be a share between 0 and 1; got nan"),
        ({"rate_500": 0.6, "rate_html": 0.6}, r"must add up to 1 at most; got 1\.2"),
        ({"latency_s": -1}, "latency_s must be a number of seconds, 0 or more; got -1"),
        ({"hang_s": float("inf")}, "hang_s must be a number of seconds, 0 or more; got inf"),
        ({"window_s": 0}, "window_s must be a number of seconds above 0; got 0"),
        ({"rpm": 0}, "rpm must be a whole number, 1 or more, or none for no limit; got 0"),
        ({"retry_after_s": 0.5}, r"retry_after_s must be a whole number of seconds, 0 or more; got 0\.5"),
        ({"seed": True}, "seed must be a whole number; got True"),
        (
            {"price": (1.0, -1.0)},
            r"price must be two numbers of 0 or more \(input, output\); got \(1\.0, -1\.0\)",
        ),
    ],
)
def test_settings_outside_their_range_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        SimulatorConfig(**settings)


def test_all_wrong_settings_are_reported_together():
    with pytest.raises(InputError) as raised:
        SimulatorConfig(latency_s=-1, rpm=0, rate_html=2)
    assert len(raised.value.problems) == 3


def test_shares_that_add_up_to_one_but_for_rounding_are_taken():
    shares = {"rate_429": 0.7, "rate_500": 0.2, "rate_timeout": 0.1 + 1e-12}
    assert sum(shares.values()) > 1
    assert SimulatorConfig(**shares).rate_timeout > 0.1


def test_changes_replace_only_what_they_name():
    config = SimulatorConfig(seed=9, latency_s=1, rpm=5)
    after = changed(config, {"rate_500": 0.25, "rpm": None, "sticky": ["rate_truncated", "500"]})
    assert (after.seed, after.latency_s, after.rpm, after.rate_500) == (9, 1, None, 0.25)
    assert after.sticky == (Fault.TRUNCATED, Fault.SERVER_ERROR)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rate_418": 0.1}, "rate_418: no such setting. Settings that can be changed: latency_s, "),
        ({"seed": 3}, "seed: is fixed at start"),
        ({"sticky": ["teapot"]}, "sticky: no such fault: teapot. Use some of: 429, 500, timeout"),
        ({"sticky": "truncated"}, "sticky must be a list of faults; got 'truncated'"),
        ({"rpm": "many"}, "rpm must be a whole number"),
    ],
)
def test_changes_that_make_no_sense_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        changed(SimulatorConfig(), changes)


def test_the_key_is_neither_shown_nor_changeable():
    config = SimulatorConfig(api_key="a-key")
    assert "a-key" not in repr(config)
    assert "api_key" not in config.changeable()


def test_sticky_faults_are_read_with_or_without_their_prefix():
    assert read_sticky(["rate_429", "html"]) == (Fault.RATE_LIMITED, Fault.HTML)


def test_the_window_admits_its_limit_and_says_how_long_to_wait():
    window = RateWindow()
    assert [window.admit(2, 60, now) for now in (0.0, 10.0)] == [None, None]
    assert window.admit(2, 60, 20.0) == 40.0
    assert window.admit(2, 60, 59.0) == 1.0
    assert window.admit(2, 60, 60.0) is None
    assert window.admit(2, 60, 60.5) == 9.5


def test_the_window_obeys_a_limit_that_was_lowered():
    window = RateWindow()
    for now in (0.0, 1.0, 2.0):
        assert window.admit(3, 60, now) is None
    assert window.admit(1, 60, 3.0) == 59.0
    assert window.admit(1, 60, 62.0) is None
