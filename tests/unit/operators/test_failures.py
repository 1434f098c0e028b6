"""What a task does where something fails: one line, and again only where that can help."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowException

from daydreaming.errors import ObjectStoreError, StoreError
from daydreaming.operators import failures
from daydreaming.operators.failures import FailedForGood, fail_clearly
from daydreaming.operators.llm import LLMCallOperator

DOWN = ObjectStoreError("s3://dreams: the object store cannot be reached.", "down")


@pytest.fixture
def waits(monkeypatch) -> list[float]:
    """Seconds that were waited."""
    waited: list[float] = []
    monkeypatch.setattr(failures.time, "sleep", waited.append)
    return waited


def task(*errors: Exception):
    left = list(errors)

    @fail_clearly
    def run(name: str) -> str:
        if left:
            raise left.pop(0)
        return f"done by {name}"

    return run


def test_a_store_that_is_down_for_a_while_is_asked_again(waits, caplog):
    assert task(DOWN, DOWN)("ada") == "done by ada"
    assert waits == [1.0, 4.0]
    assert caplog.messages == [
        f"{DOWN} Tried again in 1 s.",
        f"{DOWN} Tried again in 4 s.",
    ]


def test_one_that_stays_down_fails_the_task_in_one_line(waits, caplog):
    with pytest.raises(FailedForGood):
        task(*[DOWN] * 9)("ada")
    assert sum(waits) == 65
    assert caplog.messages[-1] == str(DOWN)


@pytest.mark.parametrize("error", [StoreError("broken."), ObjectStoreError("no such bucket.", "missing")])
def test_what_trying_again_cannot_mend_fails_at_once(waits, error):
    with pytest.raises(FailedForGood, match=str(error)):
        task(error)("ada")
    assert waits == []


@pytest.mark.parametrize(
    ("error", "raised"), [(DOWN, AirflowException), (StoreError("broken."), FailedForGood)]
)
def test_a_call_whose_store_is_down_is_left_to_airflows_retries(monkeypatch, error, raised):
    def find(*_: object) -> None:
        raise error

    monkeypatch.setattr("daydreaming.operators.llm.find_cell", find)
    context = {"run_id": "run-1", "ti": SimpleNamespace(map_index=0, try_number=1)}
    with pytest.raises(raised, match=str(error)):
        LLMCallOperator(task_id="generate", stage="generation").execute(context)
