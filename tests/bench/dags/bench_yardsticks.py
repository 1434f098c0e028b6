"""The yardsticks: a mapped task that does nothing, and one that defers to Airflow's own trigger first."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from airflow.providers.standard.triggers.temporal import DateTimeTrigger
from airflow.sdk import BaseOperator, Param, dag, task

SIZE = {"size": Param(200, type="integer")}
PAST = datetime(2020, 1, 1, tzinfo=UTC)


class DeferOperator(BaseOperator):
    """Goes the way of a call, and calls nothing: worker, triggerer, done."""

    def __init__(self, *, index: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.index = index

    def execute(self, context: Any) -> None:
        self.defer(trigger=DateTimeTrigger(PAST, end_from_trigger=True), method_name="execute")


@task
def indices(params: dict) -> list[int]:
    return list(range(params["size"]))


@task
def noop(index: int) -> None:
    """Nothing."""


@dag(schedule=None, params=SIZE, max_active_tasks=1024, is_paused_upon_creation=False)
def bench_noop():
    noop.expand(index=indices())


@dag(schedule=None, params=SIZE, max_active_tasks=1024, is_paused_upon_creation=False)
def bench_deferred():
    DeferOperator.partial(task_id="deferred").expand(index=indices())


bench_noop()
bench_deferred()
