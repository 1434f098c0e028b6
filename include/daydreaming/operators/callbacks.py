"""Callbacks and deadlines of the DAGs, as the environment asks for them; none where it asks for none.

A DAG file is read anew in each task's process, so nothing that sends is imported here.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from airflow.sdk import get_parsing_context

from daydreaming.operators.notify_settings import NotifySettings

if TYPE_CHECKING:
    from airflow.sdk.definitions.deadline import DeadlineAlert

    from daydreaming.operators.notifiers import RunNotifier


def run_callbacks() -> dict[str, RunNotifier]:
    """Callbacks of the experiment DAG; none where nobody is to be told, and none for a task's process."""
    if get_parsing_context().task_id:
        return {}
    wanted = NotifySettings.from_env()
    if not wanted.targets:
        return {}
    from daydreaming.operators.notifiers import RunNotifier

    callbacks: dict[str, RunNotifier] = {}
    if wanted.success or wanted.budget:
        callbacks["on_success_callback"] = RunNotifier("success")
    if wanted.failure or wanted.budget:
        callbacks["on_failure_callback"] = RunNotifier("failed")
    return callbacks


def night_deadline() -> DeadlineAlert | None:
    """The deadline of the nightly run; None where none is set, or nobody would be told."""
    wanted = NotifySettings.from_env()
    if wanted.nightly_deadline_h is None or not wanted.failure:
        return None
    from airflow.sdk.definitions.callback import AsyncCallback
    from airflow.sdk.definitions.deadline import DeadlineAlert, DeadlineReference

    from daydreaming.operators.notifiers import NightNotifier

    return DeadlineAlert(
        # Unlike the logical date, a run that a person starts has it too.
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=timedelta(hours=wanted.nightly_deadline_h),
        callback=AsyncCallback(NightNotifier),
    )
