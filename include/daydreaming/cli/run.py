"""`daydreaming run`: start an experiment in Airflow and follow it to its tables."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from rich.console import Console

from daydreaming.cli.progress import follow
from daydreaming.cli.rest import AirflowClient, AirflowUnreachableError
from daydreaming.pipeline.completeness import count_run, describe
from daydreaming.pipeline.plan import read_inputs
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.files import DataRoot
from daydreaming.store.plans import read_run, runs_of_plan
from daydreaming.store.results import count_made_by_run

_DAG_TIMEOUT_S = 120.0


def run_experiment(
    settings: Settings, overrides: Mapping[str, Any], console: Console, *, wait: bool = True
) -> bool:
    """Run an experiment.

    Args:
        settings: The deployment's settings.
        overrides: Parameters, ``experiment`` among them.
        console: Where progress and the final table go.
        wait: Follow the run to its end.

    Returns:
        Whether the run succeeded; True where it is not waited for.

    Raises:
        InputError: Parameters or inputs are wrong: nothing was started.
        AirflowUnreachableError: Airflow does not answer.
    """
    read_inputs(settings, overrides)
    client = AirflowClient.from_env()
    _wait_for_dag(client)
    run_id = client.trigger(overrides)
    console.print(f"Run {run_id} of daydream_experiment", highlight=False, soft_wrap=True)
    if not wait:
        return True
    state = follow(client, settings, run_id, console)
    if state == "success":
        _show_results(settings, run_id, console)
        return True
    _show_failure(client, settings, run_id, console)
    return False


def _wait_for_dag(client: AirflowClient) -> None:
    deadline = time.monotonic() + _DAG_TIMEOUT_S
    while not client.dag_is_ready():
        if time.monotonic() > deadline:
            raise AirflowUnreachableError(
                "Airflow runs, but has not read dags/daydream_experiment.py yet. "
                "See the log of the DAG processor."
            )
        time.sleep(1)


def _show_results(settings: Settings, run_id: str, console: Console) -> None:
    run = read_run(engine_for(settings), run_id)
    shards = runs_of_plan(engine_for(settings), run_id)
    made = sum(count_made_by_run(engine_for(settings), shard.run_id) for shard in shards)
    counts = count_run(settings, run_id)
    final = DataRoot(settings.data_root).summary(run.experiment_id) / "final_results.csv"
    if run.params["dry_run"]:
        console.print("Dry run: nothing was sent.")
        return
    console.print(_summary(final), highlight=False, soft_wrap=True, markup=False)
    answered = counts.generation.answered + counts.evaluation.answered
    calls = f"{made} new calls, {answered - made} answers reused" if made else (
        f"No new call: all {answered} answers were reused"
    )  # fmt: skip
    console.print(f"{calls}. Tables: {final.parent}", highlight=False, soft_wrap=True)


def _summary(final: Any) -> str:
    import pandas as pd

    from daydreaming.analysis.leaderboard import summary_text

    return summary_text(pd.read_csv(final))


def _show_failure(client: AirflowClient, settings: Settings, run_id: str, console: Console) -> None:
    failed = ", ".join(client.failed_tasks(run_id)) or "none"
    console.print(f"The run failed; failed tasks: {failed}", highlight=False, soft_wrap=True)
    counts = count_run(settings, run_id)
    if counts.planned:
        console.print(describe(counts), highlight=False, soft_wrap=True)
    console.print(
        f"Read why in the log of a failed task at {client.url}; clear the run with 'only failed' to call "
        "again what is missing.",
        highlight=False,
        soft_wrap=True,
    )
