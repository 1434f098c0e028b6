"""End an answered call's instance without a callback that nobody runs.

Airflow 3.3.2 queues a callback for each task that a trigger ends with success. The DAG processor then
parses the DAG, finds that the callback is not for a failure, and drops it with a warning, also where
the task has an ``on_success_callback``: 17 ms of CPU an instance, a tenth of what it costs
(docs/adr/0017-no-callback-for-an-answered-call.md).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from daydreaming.settings import DAG_ID


def register() -> None:
    """Let the triggerer of this process end our calls so; everything else ends as Airflow ends it."""
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
