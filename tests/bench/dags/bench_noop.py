"""The yardstick: a mapped task that does nothing."""

from __future__ import annotations

from airflow.sdk import Param, dag, task


@task
def indices(params: dict) -> list[int]:
    return list(range(params["size"]))


@task
def noop(index: int) -> None:
    """Nothing."""


@dag(
    schedule=None,
    params={"size": Param(200, type="integer")},
    max_active_tasks=1024,
    is_paused_upon_creation=False,
)
def bench_noop():
    noop.expand(index=indices())


bench_noop()
