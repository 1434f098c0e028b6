from __future__ import annotations

import pytest

from daydreaming.errors import InputError, LLMPermanentError, LLMTransientError, StoreError
from daydreaming.llm.retry import BACKOFF_CAP_S, GiveUp, Retry, decide_retry

BUSY = LLMTransientError("busy")


@pytest.mark.parametrize("error", [LLMPermanentError("no"), StoreError("no"), InputError("no")])
@pytest.mark.parametrize("attempt", [1, 4])
def test_what_trying_again_cannot_mend_is_given_up_at_once(error, attempt):
    assert decide_retry(error, attempt=attempt, max_attempts=4, jitter=0.5) == GiveUp(permanent=True)


@pytest.mark.parametrize(("attempt", "attempts"), [(1, 1), (4, 4), (5, 4)])
@pytest.mark.parametrize("wait", [None, 1.0])
def test_after_the_last_attempt_airflow_decides(attempt, attempts, wait):
    error = LLMTransientError("busy", wait)
    assert decide_retry(error, attempt=attempt, max_attempts=attempts, jitter=0.5) == GiveUp(permanent=False)


@pytest.mark.parametrize(
    ("attempt", "jitter", "seconds"),
    [
        (1, 0.0, 0.5),
        (1, 0.5, 0.75),
        (2, 0.0, 1.0),
        (3, 0.5, 3.0),
        (6, 0.0, 16.0),
        (7, 0.0, BACKOFF_CAP_S / 2),
        (7, 1.0, BACKOFF_CAP_S),
        (99, 0.0, BACKOFF_CAP_S / 2),
        (5_000, 0.0, BACKOFF_CAP_S / 2),
    ],
)
def test_the_wait_doubles_up_to_the_cap_with_half_of_it_random(attempt, jitter, seconds):
    assert decide_retry(BUSY, attempt=attempt, max_attempts=10_000, jitter=jitter) == Retry(seconds)


@pytest.mark.parametrize(
    ("wait", "jitter", "seconds"), [(0.0, 0.0, 0.0), (7.0, 0.0, 7.0), (7.0, 0.5, 7.5), (3600.0, 0.0, 3600.0)]
)
@pytest.mark.parametrize("attempt", [1, 8])
def test_retry_after_is_obeyed_and_never_cut_short(wait, jitter, seconds, attempt):
    error = LLMTransientError("busy", wait)
    assert decide_retry(error, attempt=attempt, max_attempts=9, jitter=jitter) == Retry(seconds)
