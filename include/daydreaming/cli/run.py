"""`daydreaming run`: start an experiment in Airflow and follow it to its tables."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from rich.console import Console

from daydreaming.cli.plain_text import plain
from daydreaming.cli.progress import follow, open_display, say, write_json
from daydreaming.cli.progress_text import progress_json
from daydreaming.cli.rest import AirflowClient, AirflowUnreachableError
from daydreaming.cli.typed import as_typed, typed_command
from daydreaming.pipeline.completeness import Completeness, count_run, describe
from daydreaming.pipeline.plan import read_inputs
from daydreaming.pipeline.progress import ProgressReader
from daydreaming.pipeline.run_failure import FailureReason, reasons_of_run
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.files import DataRoot
from daydreaming.store.plans import RunRecord, runs_of_plan
from daydreaming.store.results import count_made_by_run

_DAG_TIMEOUT_S = 120.0


def run_experiment(
    settings: Settings,
    overrides: Mapping[str, Any],
    console: Console,
    *,
    wait: bool = True,
    as_json: bool = False,
) -> bool:
    """Run an experiment.

    Args:
        settings: The deployment's settings.
        overrides: Parameters, ``experiment`` among them.
        console: Where progress and the final table go.
        wait: Follow the run to its end.
        as_json: One JSON object per line instead: the start, each change, the result.

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
    if as_json:
        write_json(console, {"event": "started", "run_id": run_id})
    else:
        say(console, f"Run {run_id} of daydream_experiment")
    if not wait:
        return True
    with open_display(console, as_json=as_json) as display:
        state = follow(
            client, settings, run_id, display, lambda: _tell_approval(client, run_id, console, as_json)
        )
    succeeded = state == "success"
    if as_json:
        write_json(console, _result(client, settings, run_id, state))
    elif succeeded:
        _show_results(settings, run_id, console)
    else:
        _show_failure(client, settings, run_id, console)
    return succeeded


def _wait_for_dag(client: AirflowClient) -> None:
    deadline = time.monotonic() + _DAG_TIMEOUT_S
    while not client.dag_is_ready():
        if time.monotonic() > deadline:
            raise AirflowUnreachableError(
                "Airflow runs, but has not read dags/daydream_experiment.py yet. "
                "See the log of the DAG processor."
            )
        time.sleep(1)


def _result(client: AirflowClient, settings: Settings, run_id: str, state: str) -> dict[str, Any]:
    """What became of a run, as an object; a run that failed at its beginning has no experiment yet."""
    runs, now = runs_of_plan(engine_for(settings), run_id), datetime.now(UTC)
    progress = ProgressReader(settings, run_id=run_id).read(now)
    tables = DataRoot(settings.data_root).summary(str(progress.experiment_id))
    has_tables = state == "success" and not progress.is_dry
    failed = [] if state == "success" else client.failed_tasks(run_id)
    return {
        "event": "result",
        "run_id": run_id,
        "state": state,
        **progress_json(progress, now),
        "new_calls": _new_calls(settings, runs),
        "failed_tasks": failed,
        "reasons": [asdict(reason) for reason in _reasons(client, settings, run_id, failed)],
        "tables": str(tables) if has_tables else None,
    }


def _new_calls(settings: Settings, runs: list[RunRecord]) -> int:
    return sum(count_made_by_run(engine_for(settings), run.run_id) for run in runs)


def _show_results(settings: Settings, run_id: str, console: Console) -> None:
    runs = runs_of_plan(engine_for(settings), run_id)
    if runs[0].params["dry_run"]:
        say(console, "Dry run: nothing was sent.")
        return
    final = DataRoot(settings.data_root).summary(runs[0].experiment_id) / "final_results.csv"
    say(console, _summary(final))
    say(console, f"{_calls_text(settings, runs, count_run(settings, run_id))}. Tables: {final.parent}")
    say(console, f"Read the essays with: {typed_command()} essays {runs[0].experiment_id}")


def _calls_text(settings: Settings, runs: list[RunRecord], counts: Completeness) -> str:
    made, answered = _new_calls(settings, runs), counts.generation.answered + counts.evaluation.answered
    if not made:
        return f"No new call: all {answered} answers were reused"
    return f"{made} new calls, {answered - made} answers reused"


def _summary(final: Any) -> str:
    import pandas as pd

    from daydreaming.analysis.leaderboard import summary_text

    return summary_text(pd.read_csv(final))


def _show_failure(client: AirflowClient, settings: Settings, run_id: str, console: Console) -> None:
    failed = client.failed_tasks(run_id)
    say(console, f"The run failed; failed tasks: {', '.join(failed) or 'none'}")
    for reason in _reasons(client, settings, run_id, failed):
        for line in reason.lines():
            say(console, as_typed(plain(line)))
    counts = count_run(settings, run_id)
    if counts.planned:
        say(console, describe(counts))
    say(
        console,
        f"The logs of its tasks: {client.run_url(run_id)}. Once the reason is gone, clear the run there with "
        "'only failed' to call again what is missing.",
    )


def _reasons(
    client: AirflowClient, settings: Settings, run_id: str, failed: Sequence[str]
) -> list[FailureReason]:
    """What is recorded; else what the log of a task that failed says."""
    if not failed:
        return []
    # The leaf fails because of another.
    first = next((task for task in failed if task != "check_completeness"), failed[0])
    recorded = reasons_of_run(settings, run_id, datetime.now(UTC))
    if recorded:
        return recorded
    told = client.task_error(run_id, first)
    return [FailureReason(told, f"That is the log of {first}.")] if told else []


def _tell_approval(client: AirflowClient, run_id: str, console: Console, as_json: bool) -> None:
    url = f"{client.run_url(run_id)}/required_actions"
    if as_json:
        write_json(console, {"event": "approval", "run_id": run_id, "url": url})
    else:
        say(console, f"The run waits for a person who approves its estimate, or refuses it: {url}")
