"""What the triggerer does otherwise for our calls, beside Airflow's own way."""

from __future__ import annotations

import sys
import threading
from functools import singledispatch
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from airflow.callbacks.callback_requests import TaskCallbackRequest
from airflow.dag_processing.processor import _execute_task_callbacks
from airflow.executors.workloads import TaskInstance
from airflow.executors.workloads.trigger import RunTrigger
from airflow.jobs.triggerer_job_runner import TriggerRunnerSupervisor
from airflow.models import trigger as airflows  # noqa: TID251 - what ends a task lives there
from airflow.triggers.base import TaskFailedEvent, TaskSkippedEvent, TaskSuccessEvent, TriggerEvent

from daydreaming.triggers import triggerer
from daydreaming.triggers.llm import TRIGGER_PATH, LLMCallTrigger


@pytest.fixture(autouse=True)
def unchanged_after_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_create_workload", "run"):
        monkeypatch.setattr(TriggerRunnerSupervisor, name, getattr(TriggerRunnerSupervisor, name))


class Instance:
    """A deferred task instance that notes what is set."""

    def __init__(self, dag_id: str = "daydream_experiment") -> None:
        self.dag_id, self.trigger_id, self.state = dag_id, 7, "deferred"

    def set_state(self, state: str, *, session: Any) -> None:
        self.state = state


@pytest.fixture
def handled(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Events that went to Airflow's own handler; ours is registered beside it."""
    events: list[object] = []

    @singledispatch
    def handle(event: object, *, task_instance: Any, session: Any) -> None:
        events.append(event)

    monkeypatch.setattr(airflows, "handle_event_submit", handle)
    triggerer.adapt()
    return events


def submit(event: TriggerEvent, instance: Instance) -> None:
    airflows.handle_event_submit(event, task_instance=instance, session=SimpleNamespace(flush=lambda: None))


def test_an_answered_call_ends_without_a_callback(handled: list[object]) -> None:
    instance = Instance()
    submit(TaskSuccessEvent(), instance)
    assert (instance.state, instance.trigger_id) == ("success", None)
    assert handled == []


@pytest.mark.parametrize(
    ("event", "dag_id"),
    [
        (TaskSuccessEvent(), "another_dag"),
        (TaskSuccessEvent(xcoms={"return_value": 1}), "daydream_experiment"),
        (TaskSkippedEvent(), "daydream_experiment"),
        (TaskFailedEvent(), "daydream_experiment"),
        (TriggerEvent({"status": "failed"}), "daydream_experiment"),
    ],
)
def test_all_else_ends_as_airflow_ends_it(handled: list[object], event: TriggerEvent, dag_id: str) -> None:
    instance = Instance(dag_id)
    submit(event, instance)
    assert handled == [event]
    assert instance.state == "deferred"


def test_airflow_dispatches_by_the_events_class() -> None:
    """The handler is registered on this; where it fails, ADR 0017 is to be read again."""
    assert airflows.handle_event_submit.dispatch(
        TaskSuccessEvent
    ) is not airflows.handle_event_submit.dispatch(TriggerEvent)


def test_airflow_runs_no_callback_for_a_success() -> None:
    """Where it begins to, our handler would keep callbacks from running, and has to go (ADR 0017)."""
    instance = TaskInstance.model_construct(
        id=UUID(int=1), dag_id="d", task_id="t", run_id="r", try_number=1, map_index=-1
    )
    request = TaskCallbackRequest.model_construct(
        ti=instance,
        task_callback_type="success",
        filepath="d.py",
        bundle_name="b",
        bundle_version=None,
        msg=None,
    )
    warnings: list[str] = []
    log = SimpleNamespace(warning=lambda text, **_: warnings.append(text))
    _execute_task_callbacks(None, request, log)  # type: ignore[arg-type] - it does not get as far as the DAG
    assert warnings == ["Task callback requested but is not a failure callback"]


@pytest.mark.parametrize(
    ("classpath", "dag_data"), [(TRIGGER_PATH, None), ("airflow.triggers.base.BaseTrigger", {"dag": {}})]
)
def test_only_our_triggers_go_without_the_whole_dag(
    monkeypatch: pytest.MonkeyPatch, classpath: str, dag_data: dict[str, Any] | None
) -> None:
    workload = RunTrigger(id=1, classpath=classpath, encrypted_kwargs="", dag_data={"dag": {}})
    monkeypatch.setattr(TriggerRunnerSupervisor, "_create_workload", lambda *_: workload)
    monkeypatch.setattr(airflows, "handle_event_submit", singledispatch(lambda event: None))
    triggerer.adapt()
    supervisor = TriggerRunnerSupervisor.__new__(TriggerRunnerSupervisor)
    assert supervisor._create_workload(None, None, None, None).dag_data == dag_data  # type: ignore[arg-type]


class Api:
    """The client of the execution API inside the triggerer; builds it at the first request."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error, self.paths, self.built = error, list[str](), threading.Event()

    def get(self, path: str) -> None:
        self.paths.append(path)
        self.built.set()
        if self.error:
            raise self.error


@pytest.mark.parametrize("error", [None, RuntimeError("no routes")])
def test_the_execution_api_is_built_beside_the_first_loop(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception | None
) -> None:
    loops: list[object] = []
    monkeypatch.setattr(TriggerRunnerSupervisor, "run", loops.append)
    monkeypatch.setattr(airflows, "handle_event_submit", singledispatch(lambda event: None))
    triggerer.adapt()
    api = Api(error)
    supervisor = SimpleNamespace(client=api)
    TriggerRunnerSupervisor.run(supervisor)  # type: ignore[arg-type]
    assert api.built.wait(10)
    for thread in threading.enumerate():
        if thread.name == "build-execution-api":
            thread.join(10)
    assert (loops, api.paths) == ([supervisor], ["health"])
    assert [record.getMessage() for record in caplog.records if "was not built" in record.getMessage()] == (
        [f"The execution API was not built at the start: {error}"] if error else []
    )


def test_the_triggerers_api_answers_what_is_asked_of_it_at_the_start() -> None:
    supervisor = TriggerRunnerSupervisor.__new__(TriggerRunnerSupervisor)
    assert supervisor.make_client().get("health").status_code == 200


def test_a_service_that_is_no_triggerer_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, triggerer._TRIGGERER)
    monkeypatch.setattr(airflows, "handle_event_submit", None)
    triggerer.adapt()
    assert triggerer._TRIGGERER not in sys.modules


@pytest.mark.parametrize(("task_id", "stage"), [("generate", "generation"), ("evaluate", "evaluation")])
def test_a_trigger_without_arguments_knows_its_instance(task_id: str, stage: str) -> None:
    trigger = LLMCallTrigger()
    trigger.task_instance = TaskInstance.model_construct(run_id="run-1", task_id=task_id, map_index=3)
    assert trigger._place() == ("run-1", stage, 3)
    assert trigger.serialize() == (TRIGGER_PATH, {})
