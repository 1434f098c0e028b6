"""Turn the package's errors into Airflow's: one clear line, and no retry of a person's mistake."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from airflow.sdk.exceptions import AirflowFailException

from daydreaming.errors import DaydreamingError

P = ParamSpec("P")
R = TypeVar("R")
log = logging.getLogger(__name__)


def fail_clearly(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate a task's function: each problem gets its line in the log, and the task fails for good."""

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except DaydreamingError as error:
            for line in str(error).splitlines():
                log.error(line)  # noqa: TRY400 - the line says it all, a traceback would bury it
            raise AirflowFailException(str(error)) from None

    return wrapper
