"""Whether and when to try a call again. PURE: the caller brings the random number."""

from __future__ import annotations

from dataclasses import dataclass

from daydreaming.errors import DaydreamingError, LLMTransientError

#: Seconds before the second attempt; doubled for each further one, up to the cap.
BACKOFF_BASE_S = 1.0
BACKOFF_CAP_S = 60.0
#: Beyond it the cap holds; a larger power of 2 would be no float at some time.
_MAX_DOUBLINGS = 10


@dataclass(frozen=True)
class Retry:
    """Try again after ``after_s`` seconds."""

    after_s: float


@dataclass(frozen=True)
class GiveUp:
    """Stop trying.

    Attributes:
        permanent: True where another try cannot help; False where only the attempts are used up.
    """

    permanent: bool


def decide_retry(
    error: DaydreamingError, *, attempt: int, max_attempts: int, jitter: float
) -> Retry | GiveUp:
    """Decide after the ``attempt``-th failure (counted from 1).

    Args:
        error: What the attempt ended with.
        attempt: Number of the attempt that failed, from 1.
        max_attempts: Attempts that may be made in all.
        jitter: A random number in [0, 1): spreads retries so that they do not come all at once.

    Returns:
        ``Retry`` with ``Retry-After`` obeyed where the provider gave one, else exponential
        backoff with half of it random ("equal jitter"; Brooker, "Exponential Backoff And
        Jitter", AWS Architecture Blog, 2015).
    """
    if not isinstance(error, LLMTransientError):
        return GiveUp(permanent=True)
    if attempt >= max_attempts:
        return GiveUp(permanent=False)
    backoff_s = min(BACKOFF_CAP_S, BACKOFF_BASE_S * 2 ** min(attempt - 1, _MAX_DOUBLINGS))
    spread_s = backoff_s / 2 + jitter * backoff_s / 2
    if error.retry_after_s is not None:
        return Retry(after_s=error.retry_after_s + jitter * BACKOFF_BASE_S)
    return Retry(after_s=spread_s)
