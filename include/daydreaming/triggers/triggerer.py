"""Spare the triggerer, for our calls, what Airflow does for every trigger and a call has no use for.

Measured on Airflow 3.3.2 (docs/adr/0017-what-a-call-spares-the-triggerer.md):

- A trigger that ends its task with success makes it queue a callback. The DAG processor parses the DAG
  for it, finds that it is not for a failure, and drops it, also where the task has an
  ``on_success_callback``.
- A trigger that no worker has started gets the whole serialised DAG sent with it, to render its
  arguments. Ours has none.
- The first trigger that asks for a connection or the state of a run waits, and all others with it, until
  the execution API inside the triggerer is built: 5 s of CPU. Built at the start, it is there by then.
"""

from __future__ import annotations

import importlib
import logging
import sys
import threading
from collections.abc import Callable
from typing import Any

from daydreaming.settings import DAG_ID
from daydreaming.triggers.llm import TRIGGER_PATH

log = logging.getLogger(__name__)
#: Only a triggerer has imported it.
_TRIGGERER = "airflow.jobs.triggerer_job_runner"
#: The process that runs triggers is forked, and finds them loaded: the first call would hold up all
#: others for more than a second.
_FIRST_CALLS_MODULES = ("airflow.providers.openai.hooks.openai", "daydreaming.triggers.desk")


def adapt() -> None:
    """Let this process handle our calls so where it is a triggerer, and all else as Airflow does."""
    if _TRIGGERER not in sys.modules:
        return
    _end_without_callback()
    _start_without_dag()
    _build_api_at_start()
    for name in _FIRST_CALLS_MODULES:
        importlib.import_module(name)


def _end_without_callback() -> None:
    from airflow.models.trigger import handle_event_submit  # noqa: TID251 - what ends a task lives there
    from airflow.triggers.base import TaskSuccessEvent

    theirs = handle_event_submit.dispatch(TaskSuccessEvent)
    handle_event_submit.register(TaskSuccessEvent, _ending_ours(theirs))


def _ending_ours(theirs: Callable[..., None]) -> Callable[..., None]:
    def end(event: Any, *, task_instance: Any, session: Any) -> None:
        if task_instance.dag_id != DAG_ID or event.xcoms:
            theirs(event, task_instance=task_instance, session=session)
            return
        task_instance.trigger_id = None
        task_instance.set_state(event.task_instance_state, session=session)
        session.flush()

    return end


def _start_without_dag() -> None:
    supervisor: Any = sys.modules[_TRIGGERER].TriggerRunnerSupervisor
    supervisor._create_workload = _without_dag(supervisor._create_workload)  # noqa: SLF001 - no other place


def _without_dag(theirs: Callable[..., Any]) -> Callable[..., Any]:
    def create_workload(*args: Any, **kwargs: Any) -> Any:
        workload = theirs(*args, **kwargs)
        if workload is not None and workload.classpath == TRIGGER_PATH:
            # The trigger then gets the plain task instance, as one that a worker has started.
            workload.dag_data = workload.dag_run_data = None
        return workload

    return create_workload


def _build_api_at_start() -> None:
    supervisor: Any = sys.modules[_TRIGGERER].TriggerRunnerSupervisor
    supervisor.run = _with_api(supervisor.run)


def _with_api(theirs: Callable[..., None]) -> Callable[..., None]:
    def run(self: Any) -> None:
        # Not before: the process that runs triggers is forked without threads.
        threading.Thread(target=_build_api, args=(self,), name="build-execution-api", daemon=True).start()
        theirs(self)

    return run


def _build_api(supervisor: Any) -> None:
    try:
        # The first request of any kind builds the routes.
        supervisor.client.get("health")
    except Exception as error:  # noqa: BLE001 - the first trigger that needs it tries again, and tells
        log.warning("The execution API was not built at the start: %s", error)
