from __future__ import annotations

import logging

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from daydreaming.errors import InputError
from daydreaming.operators.failures import fail_clearly


@fail_clearly
def work(error=None, *, result=7):
    """Works."""
    if error is not None:
        raise error
    return result


def test_a_function_that_succeeds_is_left_as_it_is():
    assert work() == 7
    assert work(result=8) == 8
    assert (work.__name__, work.__doc__) == ("work", "Works.")


def test_each_problem_has_its_line_in_the_log_and_the_task_is_not_retried(caplog):
    with (
        caplog.at_level(logging.ERROR),
        pytest.raises(AirflowFailException, match="row 2: bad\nrow 3: 100 % worse"),
    ):
        work(InputError(["row 2: bad", "row 3: 100 % worse"]))
    assert [record.getMessage() for record in caplog.records] == ["row 2: bad", "row 3: 100 % worse"]


@pytest.mark.parametrize("error", [ValueError("a defect"), AirflowSkipException("skip")])
def test_other_errors_pass_unchanged(error):
    with pytest.raises(type(error)) as caught:
        work(error)
    assert caught.value is error
