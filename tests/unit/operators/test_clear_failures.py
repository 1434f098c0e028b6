from __future__ import annotations

import logging
from types import SimpleNamespace

import pytest
from airflow.sdk.definitions.retry_policy import RetryAction
from airflow.sdk.exceptions import AirflowSkipException

from daydreaming.errors import InputError
from daydreaming.operators import failures
from daydreaming.operators.failures import FailedForGood, end_run_clearly, fail_clearly
from daydreaming.store.database import engine_for
from daydreaming.store.plans import read_refusal
from tests.support.experiments import planned_run


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
        pytest.raises(FailedForGood, match="row 2: bad\nrow 3: 100 % worse"),
    ):
        work(InputError(["row 2: bad", "row 3: 100 % worse"]))
    assert [record.getMessage() for record in caplog.records] == ["row 2: bad", "row 3: 100 % worse"]


@pytest.mark.parametrize("error", [ValueError("a defect"), AirflowSkipException("skip")])
def test_other_errors_pass_unchanged(error):
    with pytest.raises(type(error)) as caught:
        work(error)
    assert caught.value is error


@end_run_clearly
def plan(run_id):
    """Plans."""
    raise InputError(["row 2: bad", f"row 3: worse in {run_id}"])


def test_a_failure_before_the_first_call_is_noted_as_the_reason_of_the_run(settings):
    planned_run(settings)
    with pytest.raises(FailedForGood, match="row 2: bad"):
        plan(run_id="run-1")
    assert read_refusal(engine_for(settings), "run-1") == "row 2: bad\nrow 3: worse in run-1"


def test_a_run_that_was_never_recorded_fails_with_its_own_reason(settings):
    with pytest.raises(FailedForGood, match="row 2: bad"):
        plan(run_id="unknown")


def test_a_task_with_retries_is_not_tried_again(monkeypatch):
    task = SimpleNamespace(retry_policy=None)
    monkeypatch.setattr(failures, "get_current_context", lambda: {"ti": SimpleNamespace(task=task)})
    with pytest.raises(FailedForGood) as ended:
        work(InputError("row 2: bad"))
    assert task.retry_policy.evaluate(ended.value, 1, 3).action is RetryAction.FAIL
    assert ended.value.code == 1  # of a process that ends Airflow logs no traceback
