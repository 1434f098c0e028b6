"""Turn the package's errors into Airflow's: one clear line, and no retry of a person's mistake."""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn, ParamSpec, TypeVar

from airflow.sdk import get_current_context
from airflow.sdk.definitions.retry_policy import RetryDecision, RetryPolicy

from daydreaming.errors import DaydreamingError, ObjectStoreError, is_store_down
from daydreaming.settings import Settings

P = ParamSpec("P")
R = TypeVar("R")
log = logging.getLogger(__name__)
#: Seconds between two tries at an object store that is down; before each the client itself tries for some.
_WAITS_S = (1.0, 4.0, 10.0, 20.0, 30.0)


def patiently(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate what may be done twice: it is done again for a minute while the object store is down."""

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        for wait_s in _WAITS_S:
            try:
                return function(*args, **kwargs)
            except ObjectStoreError as error:
                if not is_store_down(error):
                    raise
                log.warning("%s Tried again in %.0f s.", error, wait_s)
            time.sleep(wait_s)
        return function(*args, **kwargs)

    return wrapper


def fail_clearly(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate a task's function: each problem gets its line in the log, and the task fails for good."""
    return _fail_for_good_by(patiently(function))


def _fail_for_good_by(function: Callable[P, R]) -> Callable[P, R]:
    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except DaydreamingError as error:
            fail_for_good(str(error))

    return wrapper


def end_run_clearly(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate the function of a task before the first call: its failure is noted as the run's too.

    The function takes ``run_id``, by name, as Airflow passes it.
    """
    patient = patiently(function)

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return patient(*args, **kwargs)
        except DaydreamingError as error:
            note_early_end(str(kwargs["run_id"]), str(error))
            raise

    return _fail_for_good_by(wrapper)


def note_early_end(run_id: str, reason: str) -> None:
    """Note why a run ends before its first call, for command line and pages."""
    from sqlalchemy.exc import SQLAlchemyError

    from daydreaming.pipeline.plan import note_refusal

    # The task's own failure is to be told, whatever hinders the note: they may have one cause.
    with suppress(DaydreamingError, SQLAlchemyError, OSError):
        note_refusal(Settings.from_env(), run_id, reason)


class FailedForGood(SystemExit):
    """A task has failed, and said why.

    No exception of Airflow's: it logs each of those with the frames of its own task runner, which bury the
    line that counts. Of a process that ends it logs that it ended.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.code = 1


class NoRetry(RetryPolicy):
    """Fails a task whatever its ``retries`` say."""

    def evaluate(self, *_: object, **__: object) -> RetryDecision:
        """Fail."""
        return RetryDecision.fail()


def fail_for_good(reason: str) -> NoReturn:
    """Say why, a line for each problem, and fail the task without a retry.

    Raises:
        FailedForGood: Always.
    """
    for line in reason.splitlines():
        log.error(line)
    with suppress(RuntimeError):  # outside a task there is nothing to be tried again
        get_current_context()["ti"].task.retry_policy = NoRetry()
    raise FailedForGood(reason) from None
