"""Start every saved experiment that says `schedule: nightly`, once per date.

The experiment ID and the run ID are made of the experiment's name and the date (UTC) on which this
run was due, so a second run for the same date starts nothing twice. The hour is a setting:
`DAYDREAMING_NIGHTLY_SCHEDULE`, a cron expression.

With `DAYDREAMING_NIGHTLY_DEADLINE_H`, a run of this lasts until all that it has started have ended, and
a message tells who is told of failures when that is later than so many hours.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import CronTriggerTimetable, dag, task

from daydreaming.operators.callbacks import night_deadline
from daydreaming.operators.failures import fail_clearly
from daydreaming.settings import Settings

log = logging.getLogger(__name__)
settings = Settings.from_env()
deadline = night_deadline()
#: How a run waits for what it has started: however it ends, and in no worker.
waiting = {
    "wait_for_completion": True,
    "deferrable": True,
    "allowed_states": ["success", "failed"],
    "failed_states": [],
    "poke_interval": 10,
}


@task
@fail_clearly
def list_nightly_experiments(dag_run: Any) -> list[dict[str, Any]]:
    """Read which experiments run tonight; a broken file stops its own experiment alone."""
    from daydreaming.operators.notifiers import notify_problems
    from daydreaming.pipeline.nightly import nightly_triggers

    triggers, problems = nightly_triggers(settings, dag_run.run_after)
    for problem in [*problems, *notify_problems()]:
        log.error(problem)
    return triggers


@dag(
    # No start date, and a window of no length: the first night is the next one. (With False, Airflow
    # still runs the last one where it is less than a tenth of the interval ago.)
    schedule=CronTriggerTimetable(settings.nightly_schedule, timezone="UTC", run_immediately=timedelta(0)),
    catchup=False,
    # One that waits for its experiments must not keep the next night's from beginning.
    max_active_runs=7 if deadline else 1,
    deadline=deadline,
    doc_md=__doc__,
    tags=["daydreaming"],
    is_paused_upon_creation=False,
)
def daydream_nightly() -> None:
    TriggerDagRunOperator.partial(
        task_id="start_experiment",
        trigger_dag_id="daydream_experiment",
        logical_date=None,
        skip_when_already_exists=True,
        map_index_template="{{ task.trigger_run_id }}",
        **(waiting if deadline else {}),
    ).expand_kwargs(list_nightly_experiments())


daydream_nightly()
